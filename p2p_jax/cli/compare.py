"""The command `compare`."""

import json
from typing import Any

from p2p_jax.cli import compilation_cache, libraries
from p2p_jax.cli.options import CompareOptions
from p2p_jax.cli.parsing import parse
from p2p_jax.errors import PROGRAM


def compare(argv: list[str]) -> int:
    """`p2p-jax compare WORKDIR WORKDIR…`."""
    options = parse(CompareOptions, argv, f"{PROGRAM} compare")
    libraries.load("p2p_jax.evaluation.comparison.compare", quiet=options.json)
    compilation_cache.turn_on()
    from p2p_jax.cli.progress import resumable, show_progress
    from p2p_jax.console import open_console
    from p2p_jax.evaluation.comparison.compare import compare as compare_runs

    console = open_console()
    with show_progress(console, "measuring", resumable(options.partial)) as on_done:
        comparison = compare_runs(
            options.runs,
            split=options.split,
            checkpoint_step=options.checkpoint,
            metrics=options.metrics,
            inception=options.inception,
            data_path=options.data_path,
            output=options.output,
            overwrite=options.overwrite,
            partial=options.partial,
            trust=options.trust,
            on_done=on_done,
        )
    if options.json:
        print(json.dumps(comparison.as_json(), indent=2))
    else:
        _print_comparison(console, comparison)
    return 0


def _print_comparison(console: Any, comparison: Any) -> None:
    """Prints the tables of a comparison, then its result in sentences."""
    from p2p_jax.evaluation.comparison import sentences

    pairs = f"{len(comparison.names)} pairs of the split '{comparison.split}'"
    _print_table(console, sentences.runs_table(comparison), f"Runs, measured on {pairs}")
    if len(comparison.settings) > 1:
        _print_table(console, sentences.settings_table(comparison), "Settings that differ")
        for found in comparison.contrasts:
            _print_table(console, sentences.contrast_table(found), f"{found.second} less {found.first}")
    else:
        _print_table(console, sentences.figures_table(comparison), "Figures, with 95 % intervals over pictures")
    if rows := sentences.spread_table(comparison):
        _print_table(console, rows, "Spread between seeds")
    for remark in sentences.remarks(comparison):
        console.print(remark)
    for sentence in comparison.verdicts:
        console.print(sentence, style="bold")
    console.print(
        f"Page: {comparison.page}" if comparison.page else "Add --output FOLDER for a page with curves and pictures."
    )


def _print_table(console: Any, rows: list[list[str]], title: str) -> None:
    from rich.table import Table

    titles, *others = rows
    table = Table(*titles, title=title)
    for row in others:
        table.add_row(*row)
    console.print(table)

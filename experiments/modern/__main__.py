"""The command: `python -m experiments.modern`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from experiments.modern.ablation import all_pieces, open_ablation, run_alone, run_for_equal_time, run_together
from experiments.modern.grids import save_settings
from experiments.modern.pieces import PIECES
from experiments.modern.sets import Pictures, built_in, edges, facades, with_fewer
from experiments.modern.verdicts import SHOWN, Comparison
from p2p_jax.cli import compilation_cache, run_command
from p2p_jax.cli.parsing import parse
from p2p_jax.console import open_console
from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.trained import find_metric


@dataclass(frozen=True)
class Options:
    """Try every piece of a training step alone, then the helpful ones together, and print a table with intervals."""

    output: Path = Path("runs/modern")
    """Folder of the runs. The same command goes on where it stopped."""
    results: Path = Path("runs/modern/results.jsonl")
    """File of the figures of all runs, to which new runs are added. Runs that it holds are not trained again."""
    set: Literal["built_in", "edges", "facades"] = "built_in"
    """built_in: drawn facades, labels to photo; edges: their edges to photo; facades: those of the paper, at 128 pixels."""
    data_path: Path | None = None
    """Folder of the paper's facades."""
    pairs: int | None = None
    """Train on the first pairs only, such as 50."""
    pieces: tuple[str, ...] = ()
    """Only these pieces."""
    seeds: int | None = None
    """Runs of each setting; by default 5 and 3 on the paper's facades."""
    steps: int | None = None
    """Steps of each run; by default 2,000 and 4,000 on the paper's facades."""
    equal_time: float | None = None
    """Also train what was kept for as long as the default takes: the time of its step as a multiple of the default's, or 0
    to measure that on a machine that does nothing else."""


def run(argv: list[str]) -> int:
    """Runs the ablation and prints its tables; returns the exit code."""
    options = parse(Options, argv, "python -m experiments.modern")
    _check(options)
    compilation_cache.turn_on()  # the seeds of a setting share their programs
    console = open_console()
    pictures = _open_set(options)
    ablation = open_ablation(pictures, options.seeds, options.output, options.results, console)
    alone = run_alone(ablation, list(options.pieces) or all_pieces())
    print_table(console, "Each piece alone, compared with the default", alone)
    helpful = [name for name, each in alone.items() if each.helps]
    console.print(f"Helpful alone: {', '.join(helpful) or 'none'}.")
    candidates = [name for name, each in alone.items() if each.gain > 0]
    kept, tried = run_together(ablation, candidates)
    print_table(console, "Pieces together, compared with the default", tried)
    console.print(f"Kept: {', '.join(kept) or 'none'}.")
    for name in kept:
        console.print(f"  {name}: {' '.join(f'--{option} {value}' for option, value in PIECES[name].items())}")
    if kept and options.equal_time is not None:
        ratio, found = run_for_equal_time(ablation, kept, options.equal_time)
        console.print(f"A step of all that was kept takes {ratio:.2f} times as long as the default's.")
        print_table(console, "The same for the default's time, compared with the default", found)
    shown = dict.fromkeys(["default", *helpful, *tried])
    grid = ablation.folder / "pictures.png"
    if save_settings(grid, {name: ablation.folder / name / "seed_0" for name in shown}):
        console.print(f"Pictures of seed 0: {grid}. Look at them: a setting that wins by blurring has not won.")
    return 0


def _check(options: Options) -> None:
    """Refuses options that are not possible."""
    if options.seeds is not None and options.seeds < 2:
        raise UserError(f"--seeds was given {options.seeds}: give at least 2, because one run says nothing about another.")
    if options.steps is not None and options.steps < 1:
        raise UserError(f"--steps was given {options.steps}: give at least 1.")
    if options.pairs is not None and options.pairs < 2:
        raise UserError(f"--pairs was given {options.pairs}: give at least 2.")
    unknown = [name for name in options.pieces if name not in all_pieces()]
    if unknown:
        raise UserError(f"there is no piece {unknown[0]}: give some of {', '.join(all_pieces())}.")
    if options.equal_time is not None and not 0 <= options.equal_time < 100:
        raise UserError(f"--equal-time was given {options.equal_time}: give a time from 0 to 100.")


def _open_set(options: Options) -> Pictures:
    """The set that the options name."""
    if (options.data_path is None) == (options.set == "facades"):
        raise UserError("--data-path is for --set facades alone: give both, or neither.")
    if options.data_path is not None:
        pictures = facades(options.data_path, options.steps)
    elif options.set == "edges":
        pictures = edges(options.output / "pictures_of_edges", options.steps)
    else:
        pictures = built_in(options.steps)
    return pictures if options.pairs is None else with_fewer(pictures, options.pairs, options.output / "lists")


def print_table(console: Console, title: str, found: dict[str, Comparison]) -> None:
    """Prints the mean of each figure over the seeds, and its difference to the default with the 95 % interval."""
    table = Table("setting", "gain", *(find_metric(name).title for name in SHOWN), title=title)
    for setting, each in found.items():
        cells = []
        for name in SHOWN:
            if name not in each.values:
                cells.append("-")
                continue
            interval = each.contrasts[name].difference.interval
            digits = find_metric(name).digits
            ends = "" if interval is None else f"\n{interval.low:+.{digits}f}, {interval.high:+.{digits}f}"
            cells.append(f"{each.values[name]:.{digits}f}{ends}")
        table.add_row(f"{setting}{' *' if each.helps else ''}", f"{each.gain:+.1%}", *cells)
    console.print(table)


if __name__ == "__main__":
    sys.exit(run_command(run, sys.argv[1:], "python -m experiments.modern"))

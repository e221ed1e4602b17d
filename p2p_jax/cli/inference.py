"""The commands that use a trained run or show an experiment: translate, evaluate, report, summary."""

import json
import sys
from dataclasses import replace
from typing import Any

from p2p_jax.cli import compilation_cache, libraries
from p2p_jax.cli.options import (
    EvaluateOptions,
    PresetOption,
    ReportOptions,
    TranslateOptions,
    summary_options,
)
from p2p_jax.cli.parsing import asks_for_help, parse, parse_first
from p2p_jax.config.presets import apply_preset
from p2p_jax.errors import PROGRAM, USAGE_ERROR, UserError
from p2p_jax.files.names import printable
from p2p_jax.signals import interruptible


def translate(argv: list[str]) -> int:
    """`p2p-jax translate WORKDIR INPUT… --output DIR`."""
    options = parse(TranslateOptions, argv, f"{PROGRAM} translate")
    if options.native and options.resized:
        raise UserError("both --native and --resized were given: give one of them.")
    libraries.load("p2p_jax.inference.translate_run")
    from p2p_jax.devices import processes

    share = processes.start_independent(options.distributed)
    compilation_cache.turn_on()
    from p2p_jax.cli.progress import show_progress
    from p2p_jax.console import open_console
    from p2p_jax.inference.translate_run import translate as translate_run

    console = open_console()
    stopped = "Stopped; the same command with --skip-existing resumes."
    with show_progress(console, "translating", stopped) as on_written:
        done = translate_run(
            options.workdir,
            options.inputs,
            options.output,
            mode=options.mode,
            native=True if options.native else False if options.resized else None,
            checkpoint_step=options.checkpoint,
            batch_size=options.batch_size,
            suffix=f".{options.format}" if options.format else None,
            seed=options.seed,
            skip_existing=options.skip_existing,
            overwrite=options.overwrite,
            clip=options.clip,
            as_is=options.as_is,
            trust=options.trust,
            share=share,
            on_written=on_written,
        )
    _print_done(console, done, options)
    return USAGE_ERROR if done.unreadable else 0


def _print_done(console: Any, done: Any, options: TranslateOptions) -> None:
    """Prints what `translate` did."""
    from p2p_jax.console import count_of

    for note in done.notes:
        console.print(note, style="yellow")
    if options.skip_existing:
        total = done.skipped + len(done.written) + len(done.unreadable)
        console.print(f"{done.skipped} of {total} pictures are translated already.")
    if done.written:
        pictures, last = count_of(len(done.written), "picture"), done.written[-1].name
        console.print(f"{pictures} written to {options.output}, the last {last}.")
    for sentence in done.unreadable:
        print(f"{PROGRAM}: {printable(sentence)}", file=sys.stderr)


def evaluate(argv: list[str]) -> int:
    """`p2p-jax evaluate WORKDIR`."""
    options = parse(EvaluateOptions, argv, f"{PROGRAM} evaluate")
    libraries.load("p2p_jax.evaluation.runs", quiet=options.json)
    from p2p_jax.devices import processes

    processes.start(options.distributed)
    compilation_cache.turn_on()
    from p2p_jax.cli.progress import resumable, show_progress
    from p2p_jax.console import open_console
    from p2p_jax.evaluation import runs
    from p2p_jax.training.messages import print_figures

    console = open_console()
    with show_progress(console, "evaluating", resumable(options.partial)) as on_done:
        figures = runs.evaluate(
            options.workdir,
            split=options.split,
            mode=options.mode,
            checkpoint_step=options.checkpoint,
            metrics=options.metrics,
            inception=options.inception,
            segmenter=options.segmenter,
            data_path=options.data_path,
            partial=options.partial,
            trust=options.trust,
            on_done=on_done,
        )
    if not processes.is_first():
        return 0
    if options.json:
        print(json.dumps(figures.as_json(), indent=2))
    else:
        print_figures(console, figures)
    return 0


def report(argv: list[str]) -> int:
    """`p2p-jax report WORKDIR`."""
    options = parse(ReportOptions, argv, f"{PROGRAM} report")
    if options.follow:
        return _follow(options)
    if options.interval is not None:
        raise UserError("--interval was given without --follow: add --follow, or omit it.")
    libraries.load("p2p_jax.evaluation.runs")
    compilation_cache.turn_on()
    from p2p_jax.console import open_console, waiting
    from p2p_jax.evaluation import runs
    from p2p_jax.workdir.bucket.paths import display_name

    with waiting(open_console(), "evaluating and writing the report"):
        page = runs.report(
            options.workdir, checkpoint_step=options.checkpoint, data_path=options.data_path, trust=options.trust
        )
    print(printable(f"Report: {display_name(page)}"))
    return 0


def _follow(options: ReportOptions) -> int:
    """`p2p-jax report WORKDIR --follow`."""
    if options.checkpoint != "latest" or options.data_path is not None or options.trust:
        raise UserError(
            "--follow evaluates no checkpoint and runs no code of the workdir: omit --checkpoint, --data-path and --trust."
        )
    libraries.load("p2p_jax.evaluation.follow")
    from p2p_jax.console import open_console
    from p2p_jax.evaluation.follow import follow
    from p2p_jax.signals import ended_by_sigterm

    console, shown = open_console(), []

    def show(page: Any, progress: Any) -> None:
        if not shown:
            console.print(f"Page: {page}. It loads itself again as the run trains. Ctrl-C ends this command, not the run.")
        shown.append(page)
        console.print(f"Step {progress.step}" + (f" of {progress.steps}" if progress.steps else ""))

    with ended_by_sigterm("Stopped; the page stays as it is."):
        follow(options.workdir, interval=10 if options.interval is None else options.interval, on_written=show)
    console.print(f"The run is finished; its report is written by the run itself, or by {PROGRAM} report.")
    return 0


def summary(argv: list[str]) -> int:
    """`p2p-jax summary NAME|FILE.py [--FIELD VALUE]…`."""
    if not argv or argv[0].startswith("-"):
        print(f"usage: {PROGRAM} summary NAME|FILE.py [options]")
        return 0 if asks_for_help(argv[:1]) else USAGE_ERROR
    from p2p_jax import experiment

    program = f"{PROGRAM} summary {argv[0]}"
    found = interruptible(lambda: experiment.find(argv[0]))  # the file of a user may import JAX
    defaults = apply_preset(found.config, parse_first(PresetOption, argv[1:], program).preset)
    config = parse(summary_options(found.name, defaults), argv[1:], program).config
    libraries.load("p2p_jax.training.resolve_config")
    from p2p_jax.training.resolve_config import resolve_config

    config = resolve_config(replace(config, epochs=None, steps=1), config.batch_size, devices=1)
    _print_networks(found.build(config), config)
    return 0


def _print_networks(model: Any, config: Any) -> None:
    import jax
    from rich.table import Table

    from p2p_jax.config import as_size, count_channels
    from p2p_jax.console import open_console
    from p2p_jax.summary import summarize

    side = (config.batch_size, *as_size(config.image_size))
    inputs, targets = count_channels(config.data.input), count_channels(config.data.target)
    networks = (("Generator", model.generator, inputs), ("Discriminator", model.discriminator, inputs + targets))
    for title, net, channels in networks:
        table = Table("Layer", "Output shape", "Parameters", title=title)
        rows = summarize(net, jax.ShapeDtypeStruct((*side, channels), "float32"))
        for row in rows:
            table.add_row(row.name, str(row.shape or ""), f"{row.parameters:,}")
        table.add_section()
        table.add_row("Input", str((*side, channels)), "")
        table.add_row("Total", "", f"{sum(row.parameters for row in rows):,}")
        open_console().print(table)

"""The commands of `p2p-jax`: each parses its own line, imports what it needs, and returns an exit code."""

import sys
from dataclasses import field, make_dataclass, replace
from typing import Any

from p2p_jax.cli import compilation_cache
from p2p_jax.cli.argv import typed_value
from p2p_jax.cli.options import EvaluateOptions, ReportOptions, TranslateOptions, flat, parse
from p2p_jax.config.presets import Preset, apply_preset
from p2p_jax.errors import PROGRAM, USAGE_ERROR, UserError


def translate(argv: list[str]) -> int:
    """`p2p-jax translate WORKDIR INPUT… --output DIR`."""
    options = parse(TranslateOptions, argv, f"{PROGRAM} translate")
    if options.batch_size < 1:
        raise UserError(f"--batch-size was given {options.batch_size}: it must be at least 1.")
    if options.native and options.resized:
        raise UserError("both --native and --resized were given: give one of them.")
    from p2p_jax.devices import processes

    index, total = processes.start_apart(options.distributed)
    compilation_cache.turn_on()
    from p2p_jax.console import open_console, progress_bar
    from p2p_jax.inference.translate import load
    from p2p_jax.inference.translate_files import find_pictures, leave_out_existing, translate_files
    from p2p_jax.signals import ended_by_sigterm

    console = open_console()
    translator = load(options.workdir, checkpoint_step=options.checkpoint, mode=options.mode, trust=options.trust)
    files = find_pictures(options.inputs, translator.data)[index::total]
    suffix = f".{options.format}" if options.format else None
    if options.skip_existing:
        before, files = len(files), leave_out_existing(files, options.output, suffix)
        console.print(f"{before - len(files)} of {before} pictures are translated already.")
    unreadable: list[str] = []
    last = None
    stopped = "Stopped; the same command with --skip-existing goes on."
    with ended_by_sigterm(stopped), progress_bar(console) as progress:
        written = translate_files(
            translator,
            files,
            options.output,
            batch_size=min(options.batch_size, max(len(files), 1)),
            native=options.native or (translator.native_by_default and not options.resized),
            suffix=suffix,
            seed=options.seed,
            on_unreadable=unreadable.append,
        )
        for path in progress.track(written, total=len(files), description="translating"):
            last = path
    if last is not None:
        console.print(f"{len(files) - len(unreadable)} pictures written to {options.output}, the last {last.name}.")
    for sentence in unreadable:
        print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    return USAGE_ERROR if unreadable else 0


def evaluate(argv: list[str]) -> int:
    """`p2p-jax evaluate WORKDIR`."""
    options = parse(EvaluateOptions, argv, f"{PROGRAM} evaluate")
    from p2p_jax.devices import processes

    processes.start(options.distributed)
    compilation_cache.turn_on()
    import json

    from p2p_jax.console import open_console, progress_bar
    from p2p_jax.evaluation import evaluate as evaluation
    from p2p_jax.inference.translate import load
    from p2p_jax.signals import ended_by_sigterm
    from p2p_jax.workdir.bucket.paths import display_name
    from p2p_jax.workdir.checksums import checksums

    config = _load_moved(options).config
    translator = load(options.workdir, checkpoint_step=options.checkpoint, mode=options.mode, trust=options.trust)
    identity = [translator.step, options.mode, checksums((translator.params, translator.state))]
    console = open_console()
    stopped = "Stopped; " + ("the same command goes on." if options.partial else "with --partial FOLDER it could go on.")
    with ended_by_sigterm(stopped), progress_bar(console) as progress:
        task = progress.add_task("evaluating")
        found = evaluation.evaluate(
            config,
            translator,
            options.split,
            partial=options.partial,
            identity=identity,
            on_done=lambda done, total: progress.update(task, completed=done, total=total),
        )
    result = {"step": translator.step, **found}
    if not processes.is_first():
        return 0
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    from rich.table import Table

    table = Table("", "L1", "PSNR", "SSIM", title=f"{display_name(options.workdir)}, step {translator.step}")
    for name, figures in result["figures"].items():
        table.add_row(name, f"{figures['l1']:.4f}", f"{figures['psnr']:.2f}", f"{figures['ssim']:.4f}")
    console.print(table)
    console.print(evaluation.remark(result))
    return 0


def report(argv: list[str]) -> int:
    """`p2p-jax report WORKDIR`."""
    options = parse(ReportOptions, argv, f"{PROGRAM} report")
    compilation_cache.turn_on()
    from p2p_jax.evaluation.report import write_report
    from p2p_jax.inference.translate import load
    from p2p_jax.workdir.bucket.paths import display_name

    found = _load_moved(options)
    translator = load(options.workdir, checkpoint_step=options.checkpoint, trust=options.trust)
    print(f"Report: {display_name(write_report(options.workdir, found, translator, translator.step))}")
    return 0


def summary(argv: list[str]) -> int:
    """`p2p-jax summary NAME|FILE.py [--FIELD VALUE]…`."""
    if not argv or argv[0].startswith("-"):
        print(f"usage: {PROGRAM} summary NAME|FILE.py [--FIELD VALUE]…")
        return 0 if argv and argv[0] in ("-h", "--help") else USAGE_ERROR
    from p2p_jax import experiment
    from p2p_jax.config.checks import check_config
    from p2p_jax.config.derived import as_size, count_channels, resolve_group_sizes, resolve_length
    from p2p_jax.training.resolve_config import resolve_palettes

    found = experiment.find(argv[0])
    defaults = apply_preset(found.config, typed_value(argv, "--preset"))
    preset = ("preset", Preset | None, field(default=None))
    wrapper = make_dataclass("Summary", [("config", flat(defaults), field(default=defaults)), preset])
    config = resolve_palettes(parse(wrapper, argv[1:], f"{PROGRAM} summary {argv[0]}").config)
    check_config(config)
    import jax
    from rich.table import Table

    from p2p_jax.console import open_console
    from p2p_jax.summary import summarize

    config = resolve_group_sizes(resolve_length(replace(config, epochs=None, steps=1), config.batch_size), devices=1)
    model = found.build(config)
    side = (config.batch_size, *as_size(config.image_size))
    inputs, targets = count_channels(config.data.input), count_channels(config.data.target)
    for title, net, channels in (
        ("Generator", model.generator, inputs),
        ("Discriminator", model.discriminator, inputs + targets),
    ):
        table = Table("Layer", "Output shape", "Parameters", title=title)
        rows = summarize(net, jax.ShapeDtypeStruct((*side, channels), "float32"))
        for row in rows:
            table.add_row(row.name, str(row.shape or ""), f"{row.parameters:,}")
        table.add_section()
        table.add_row("Input", str((*side, channels)), "")
        table.add_row("Total", "", f"{sum(row.parameters for row in rows):,}")
        open_console().print(table)
    return 0


def _load_moved(options: EvaluateOptions | ReportOptions) -> Any:
    """The experiment of a workdir, with its pictures where they are now."""
    from p2p_jax.workdir.record import load_experiment

    found = load_experiment(options.workdir, trust=options.trust)
    if options.data_path is None:
        data = found.config.data
        if data.source == "folder" and data.path is None and data.tfds is None:
            raise UserError(f"the networks in {options.workdir} were imported without data: give --data-path FOLDER.")
        return found
    data = replace(found.config.data, path=str(options.data_path))
    return found._replace(config=replace(found.config, data=data))

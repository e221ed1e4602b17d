"""The commands of `p2p-jax`: each parses its own line, imports what it needs, and returns an exit code."""

import sys
from dataclasses import field, make_dataclass, replace
from pathlib import Path
from typing import Any

from p2p_jax import cache
from p2p_jax.options import (
    PROGRAM,
    Evaluate,
    ExportTorch,
    ImportTorch,
    Report,
    Translate,
    flat,
    parse,
    train_options,
    typed_value,
)
from p2p_jax.presets import Preset, apply_preset

USAGE_ERROR = 2


def train(argv: list[str]) -> int:
    """`p2p-jax train NAME|FILE.py [options]`."""
    if not argv or argv[0].startswith("-"):
        from p2p_jax import experiment

        print(f"usage: {PROGRAM} train NAME|FILE.py [--workdir DIR] [--FIELD VALUE]…\n")
        print(f"NAME is one of: {', '.join(experiment.names())}.\nThe options of one: {PROGRAM} train NAME --help")
        return 0 if argv and argv[0] in ("-h", "--help") else USAGE_ERROR
    from p2p_jax import experiment, resume
    from p2p_jax.data.sides import settle_palettes

    found = experiment.find(argv[0])
    workdir = resume.find_workdir(argv, found.name)
    stored = resume.stored_run(workdir, found, argv)
    defaults = (stored or found).config
    preset, init_from = typed_value(argv, "--preset"), typed_value(argv, "--init-from")
    defaults = apply_preset(defaults, preset)
    if stored is not None and resume.read_imported(workdir):
        init_from = str(workdir)
    elif stored is not None:
        init_from = None
    if init_from:
        defaults = resume.networks_of(defaults, Path(init_from), trust="--trust" in argv)
        if preset:
            print(f"The networks are those of {init_from}; losses, optimizers and data are as in {preset}.")
    options = parse(train_options(found.name, defaults), argv[1:], f"{PROGRAM} train {argv[0]}")
    config = settle_palettes(resume.settle_length(options.config, argv))
    if stored is not None:
        if options.init_from and options.init_from.absolute() != resume.recorded_source(workdir):
            raise ValueError(f"{workdir} already holds a run: --init-from is for a new one; give another --workdir.")
        resume.refuse_differences(workdir, stored, config)
    from p2p_jax import processes

    processes.start(options.distributed)
    cache.turn_on()
    from p2p_jax import trainer
    from p2p_jax.logs import open_console

    trainer.train(
        (stored or found)._replace(config=config),
        workdir,
        overwrite=options.overwrite,
        accept_changed_data=options.accept_changed_data,
        init_from=options.init_from,
        profile=options.profile,
        step_timeout=options.distributed.step_timeout,
        console=open_console(quiet=not processes.is_first()),
    )
    return 0


def translate(argv: list[str]) -> int:
    """`p2p-jax translate WORKDIR INPUT… --output DIR`."""
    options = parse(Translate, argv, f"{PROGRAM} translate")
    if options.batch_size < 1:
        raise ValueError(f"--batch-size was given {options.batch_size}: it must be at least 1.")
    if options.native and options.resized:
        raise ValueError("both --native and --resized were given: give one of them.")
    from p2p_jax import processes

    index, total = processes.start_apart(options.distributed)
    cache.turn_on()
    from p2p_jax.logs import ended_by_sigterm, open_console, progress_bar
    from p2p_jax.translate import load
    from p2p_jax.translate_files import find_pictures, leave_out_existing, translate_files

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
    options = parse(Evaluate, argv, f"{PROGRAM} evaluate")
    from p2p_jax import processes

    processes.start(options.distributed)
    cache.turn_on()
    import json

    from p2p_jax import bucket
    from p2p_jax import evaluate as evaluation
    from p2p_jax.checksums import checksums
    from p2p_jax.logs import ended_by_sigterm, open_console, progress_bar
    from p2p_jax.translate import load

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

    table = Table("", "L1", "PSNR", "SSIM", title=f"{bucket.name(options.workdir)}, step {translator.step}")
    for name, figures in result["figures"].items():
        table.add_row(name, f"{figures['l1']:.4f}", f"{figures['psnr']:.2f}", f"{figures['ssim']:.4f}")
    console.print(table)
    console.print(evaluation.remark(result))
    return 0


def report(argv: list[str]) -> int:
    """`p2p-jax report WORKDIR`."""
    options = parse(Report, argv, f"{PROGRAM} report")
    cache.turn_on()
    from p2p_jax import bucket
    from p2p_jax.report import write_report
    from p2p_jax.translate import load

    found = _load_moved(options)
    translator = load(options.workdir, checkpoint_step=options.checkpoint, trust=options.trust)
    print(f"Report: {bucket.name(write_report(options.workdir, found, translator, translator.step))}")
    return 0


def summary(argv: list[str]) -> int:
    """`p2p-jax summary NAME|FILE.py [--FIELD VALUE]…`."""
    if not argv or argv[0].startswith("-"):
        print(f"usage: {PROGRAM} summary NAME|FILE.py [--FIELD VALUE]…")
        return 0 if argv and argv[0] in ("-h", "--help") else USAGE_ERROR
    from p2p_jax import checks, experiment
    from p2p_jax import config as configs
    from p2p_jax.data.sides import settle_palettes

    found = experiment.find(argv[0])
    defaults = apply_preset(found.config, typed_value(argv, "--preset"))
    preset = ("preset", Preset | None, field(default=None))
    wrapper = make_dataclass("Summary", [("config", flat(defaults), field(default=defaults)), preset])
    config = settle_palettes(parse(wrapper, argv[1:], f"{PROGRAM} summary {argv[0]}").config)
    checks.check(config)
    import jax
    from rich.table import Table

    from p2p_jax.logs import open_console
    from p2p_jax.summary import summarize

    config = configs.settle_groups(configs.resolve(replace(config, epochs=None, steps=1), config.batch_size), devices=1)
    model = found.build(config)
    side = (config.batch_size, *configs.as_size(config.image_size))
    inputs, targets = configs.count_channels(config.data.input), configs.count_channels(config.data.target)
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


def import_torch(argv: list[str]) -> int:
    """`p2p-jax import-torch FILE.pth… --workdir DIR`."""
    options = parse(ImportTorch, argv, f"{PROGRAM} import-torch")
    cache.turn_on()
    from p2p_jax.exchange import import_files

    print(
        import_files(
            list(options.files),
            options.workdir,
            direction=options.direction,
            image_size=options.image_size,
            dropout=options.dropout,
            overwrite=options.overwrite,
        )
    )
    return 0


def export_torch(argv: list[str]) -> int:
    """`p2p-jax export-torch WORKDIR --output DIR`."""
    options = parse(ExportTorch, argv, f"{PROGRAM} export-torch")
    cache.turn_on()
    from p2p_jax.exchange import export_files

    written = export_files(
        options.workdir, options.output, step=options.checkpoint, trust=options.trust, overwrite=options.overwrite
    )
    for path in written:
        print(f"written: {path}")
    return 0


def bench(argv: list[str]) -> int:
    """`p2p-jax bench [options]`."""
    from experiments.benchmark.command import run

    return run(argv, f"{PROGRAM} bench")


def _load_moved(options: Evaluate | Report) -> Any:
    """The experiment of a workdir, with its pictures where they are now."""
    from p2p_jax import experiment

    found = experiment.load(options.workdir, trust=options.trust)
    if options.data_path is None:
        data = found.config.data
        if data.source == "folder" and data.path is None and data.tfds is None:
            raise ValueError(f"the networks in {options.workdir} were imported without data: give --data-path FOLDER.")
        return found
    data = replace(found.config.data, path=str(options.data_path))
    return found._replace(config=replace(found.config, data=data))

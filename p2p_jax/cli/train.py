"""The command `train`."""

from pathlib import Path

from p2p_jax.cli import compilation_cache
from p2p_jax.cli.argv import typed_value
from p2p_jax.cli.options import parse, train_options
from p2p_jax.config.presets import apply_preset
from p2p_jax.errors import PROGRAM, USAGE_ERROR, UserError


def train(argv: list[str]) -> int:
    """`p2p-jax train NAME|FILE.py [options]`."""
    if not argv or argv[0].startswith("-"):
        from p2p_jax import experiment

        print(f"usage: {PROGRAM} train NAME|FILE.py [--workdir DIR] [--FIELD VALUE]…\n")
        print(f"NAME is one of: {', '.join(experiment.names())}.\nThe options of one: {PROGRAM} train NAME --help")
        return 0 if argv and argv[0] in ("-h", "--help") else USAGE_ERROR
    from p2p_jax import experiment
    from p2p_jax.cli.argv import find_workdir, settle_length
    from p2p_jax.training.resolve_config import resolve_palettes
    from p2p_jax.workdir import resume
    from p2p_jax.workdir.init_from import networks_of, read_imported, recorded_source

    found = experiment.find(argv[0])
    workdir = find_workdir(argv, found.name)
    trust = "--trust" in argv
    stored = resume.stored_run(workdir, found, overwrite="--overwrite" in argv, trust=trust)
    defaults = (stored or found).config
    preset, init_from = typed_value(argv, "--preset"), typed_value(argv, "--init-from")
    defaults = apply_preset(defaults, preset)
    if stored is not None and read_imported(workdir):
        init_from = str(workdir)
    elif stored is not None:
        init_from = None
    if init_from:
        defaults = networks_of(defaults, Path(init_from), trust=trust)
        if preset:
            print(f"The networks are those of {init_from}; losses, optimizers and data are as in {preset}.")
    options = parse(train_options(found.name, defaults), argv[1:], f"{PROGRAM} train {argv[0]}")
    config = resolve_palettes(settle_length(options.config, argv))
    if stored is not None:
        if options.init_from and options.init_from.absolute() != recorded_source(workdir):
            raise UserError(f"{workdir} already holds a run: --init-from is for a new one; give another --workdir.")
        if (notice := resume.refuse_differences(workdir, stored, config)) is not None:
            print(notice)
    from p2p_jax.devices import processes

    processes.start(options.distributed)
    compilation_cache.turn_on()
    from p2p_jax.console import open_console
    from p2p_jax.training import trainer

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

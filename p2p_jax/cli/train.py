"""The command `train`."""

import shlex
from pathlib import Path
from typing import Any

from p2p_jax.cli import compilation_cache, libraries
from p2p_jax.cli.option_help import format_options, format_usage, list_options
from p2p_jax.cli.options import EVERYDAY, RunOptions, TypedLength, train_options
from p2p_jax.cli.parsing import asks_for_help, parse, parse_first
from p2p_jax.console import open_console
from p2p_jax.errors import PROGRAM, USAGE_ERROR, UserError
from p2p_jax.files.names import printable
from p2p_jax.signals import interruptible


def train(argv: list[str]) -> int:
    """`p2p-jax train NAME|FILE.py [options]`."""
    from p2p_jax import experiment

    if not argv or argv[0].startswith("-"):
        print(f"usage: {PROGRAM} train NAME|FILE.py [options]\n\nNAME is one of: {', '.join(experiment.names())}.")
        print(f"To see its options: {PROGRAM} train NAME --help")
        return 0 if asks_for_help(argv[:1]) else USAGE_ERROR
    program = f"{PROGRAM} train {argv[0]}"
    found = interruptible(lambda: experiment.find(argv[0]))  # the file of a user may import JAX
    if asks_for_help(argv) and "--help-all" not in argv:
        print(_short_help(train_options(found.name, found.config), program))
        return 0
    options = parse(train_options(found.name, found.config), argv[1:], program)  # reports mistakes before JAX is loaded
    libraries.load("p2p_jax.training.trainer")
    from p2p_jax.devices import platform, processes
    from p2p_jax.training import run, trainer

    stored, defaults = _choose_defaults(found, options)
    if defaults != found.config:
        options = parse(train_options(found.name, defaults), argv[1:], program)
    typed_experiment = _typed_experiment(found, stored, options, argv)
    platform.choose(options.device)
    processes.start(options.distributed)
    compilation_cache.turn_on()
    request = run.Request(
        typed_experiment,
        options.workdir,
        open_console(quiet=not processes.is_first()),
        overwrite=options.overwrite,
        accept_changed_data=options.accept_changed_data,
        init_from=options.init_from,
        profile=options.profile,
        step_timeout=options.distributed.step_timeout,
        command=_command_line(argv, options.workdir),
    )
    if options.show_config:
        _show_config(trainer.open_data(request)[0].config)
    else:
        trainer.run_training(request)
    return 0


def _command_line(argv: list[str], workdir: Path) -> str:
    """The command as it was typed: the URL of a workdir in a bucket, not the folder of its local copy."""
    from p2p_jax.workdir.bucket.paths import display_name

    return shlex.join([PROGRAM, "train", *(word.replace(str(workdir), display_name(workdir)) for word in argv)])


def _short_help(options: Any, program: str) -> str:
    """The help with the everyday options only; --help-all shows all of them."""
    known = {option.name: option._replace(group="") for option in list_options(options)}
    return (
        f"{format_usage(options, program)}\n\n{options.__doc__}\n\n"
        f"{format_options(known[name] for name in EVERYDAY)}\n\n"
        f"All {len(known)} options: {program} --help-all"
    )


def _choose_defaults(found: Any, typed: RunOptions) -> tuple[Any, Any]:
    """The run that the workdir holds, or None, and the default values of all options."""
    from p2p_jax.training.resolve_config import choose_defaults
    from p2p_jax.workdir import resume
    from p2p_jax.workdir.init_from import imported_source

    stored = resume.stored_run(typed.workdir, found, overwrite=typed.overwrite, trust=typed.trust)
    init_from = typed.init_from
    if stored is not None:
        init_from = imported_source(typed.workdir)
    defaults = choose_defaults((stored or found).config, preset=typed.preset, init_from=init_from, trust=typed.trust)
    if init_from and typed.preset:
        print(printable(f"The networks are those of {init_from}; losses, optimizers and data are as in {typed.preset}."))
    return stored, defaults


def _typed_experiment(found: Any, stored: Any, options: Any, argv: list[str]) -> Any:
    """The experiment with the options of the command line; a stored run refuses options that would make it another run."""
    from p2p_jax.training.resolve_config import replace_length, resolve_files
    from p2p_jax.workdir import resume
    from p2p_jax.workdir.init_from import recorded_source

    typed = parse_first(TypedLength, argv[1:], PROGRAM)
    config = resolve_files(replace_length(options.config, steps=typed.steps, epochs=typed.epochs))
    if stored is not None:
        if options.init_from and options.init_from.absolute() != recorded_source(options.workdir):
            raise UserError(f"{options.workdir} already holds a run: --init-from is for a new one; give another --workdir.")
        if (notice := resume.refuse_differences(options.workdir, stored, config)) is not None:
            print(printable(notice))
    return (stored or found)._replace(config=config)


def _show_config(config: Any) -> None:
    """Prints a config: first the values that differ from the defaults, then all others."""
    from p2p_jax.config.derived import changed_settings
    from p2p_jax.config.tree import to_dict

    changed = changed_settings(config)
    rest = {name: value for name, value in _flatten(to_dict(config)).items() if name not in changed}
    for title, values in (("Changed from the defaults:", changed), ("Unchanged:", rest)):
        print(title)
        for name, value in values.items():
            print(printable(f"  {name} = {value}"))


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat

"""Resuming: finds the run that a workdir holds and refuses options that would make it another run.

Stored values are the defaults of a resumed run, so only options that the user typed can differ from them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from p2p_jax.config import Config
from p2p_jax.config.tree import differences
from p2p_jax.errors import UserError
from p2p_jax.experiment import FROM_PYTHON, Experiment
from p2p_jax.workdir.cleaning import refuse_to_overwrite
from p2p_jax.workdir.init_from import has_checkpoint, read_imported, refuse_other_networks
from p2p_jax.workdir.record import RECORD, hash_file, load_experiment, read_record

LENGTH = ("steps", "epochs", "steps_per_epoch")
"""Fields that may change when a run is resumed, as long as the run does not become shorter."""


def stored_run(workdir: Path, found: Experiment, *, overwrite: bool, trust: bool) -> Experiment | None:
    """Returns the run that a workdir holds, or None if training starts from the beginning.

    Args:
        workdir: of the run; it need not exist.
        found: the requested experiment.
        overwrite: a run in the workdir is to be removed.
        trust: run the experiment file in the workdir even though it was put there by somebody else.

    Raises:
        UserError: the workdir is a file, holds a run of another experiment or of another file, or holds what `overwrite`
            must not remove.
    """
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"the workdir {workdir} is a file: give a folder.")
    if overwrite:
        refuse_to_overwrite(workdir)
    if overwrite or not (workdir / RECORD).exists():
        return None
    record = read_record(workdir)
    if record["name"] != found.name or (record["sha256"] is None) != (found.file is None):
        raise UserError(
            f"{workdir} holds a run of the experiment {record['name']}, not of {found.name}: give another --workdir, or "
            "--overwrite to remove it."
        )
    if found.file is not None and hash_file(found.file) != record["sha256"]:
        raise UserError(
            f"{found.file} has changed since the run in {workdir} was started: give another --workdir, or --overwrite."
        )
    build = found.build if found.name == FROM_PYTHON else None
    return load_experiment(workdir, trust=trust, build=build)


def refuse_differences(workdir: Path, stored: Experiment, config: Any) -> str | None:
    """Refuses to resume a run with options that change what it computes. Only its length may change.

    Args:
        workdir: of the run.
        stored: the run as `stored_run` returned it.
        config: the requested config.

    Returns:
        a sentence that announces the new length if it changes, or None.

    Raises:
        UserError: some options differ; the message names each with both values.
    """
    different = differences(stored.config, config)
    imported = read_imported(workdir)
    if imported and not has_checkpoint(workdir):
        refuse_other_networks(workdir, imported, different)
        return None
    fixed = [
        f"{name} is {old}, not {new}"
        for name, (old, new, runtime) in different.items()
        if not runtime and name not in LENGTH
    ]
    if fixed:
        raise UserError(
            f"the run in {workdir} was started with other options ({'; '.join(fixed)}): omit them to resume it, or "
            "give another --workdir, or --overwrite."
        )
    old = stored.config.steps
    new = config.steps if config.epochs is None else config.epochs * stored.config.steps_per_epoch
    if new < old:
        raise UserError(f"the run in {workdir} has {old} steps, and {new} is less: give at least {old} steps.")
    if new > old or (config.epochs is None) != (stored.config.epochs is None):
        return f"The length changes from {old} to {new} steps, and the learning-rate schedule with it."
    return None


def with_stored_values(config: Config, stored: Config) -> Config:
    """Fills values that a config does not set from the config of the stored run, which has resolved them.

    Args:
        config: the requested config, for example from Python.
        stored: the config of the run.
    """
    config = replace(
        config,
        steps_per_epoch=stored.steps_per_epoch,
        steps_per_call=config.steps_per_call or stored.steps_per_call,
        generator=replace(config.generator, group_size=config.generator.group_size or stored.generator.group_size),
        discriminator=replace(
            config.discriminator, group_size=config.discriminator.group_size or stored.discriminator.group_size
        ),
    )
    same_length = config.epochs is not None and config.epochs == stored.epochs
    return replace(config, steps=stored.steps) if config.steps is None and same_length else config


def data_changed(workdir: Path, fingerprint: str, *, accept: bool) -> bool:
    """Whether the pictures have changed since the run in a workdir was started.

    Args:
        workdir: of the run; it need not hold one.
        fingerprint: of the present data set.
        accept: whether a change is allowed.

    Raises:
        UserError: the pictures have changed, and `accept` is false.
    """
    if not (workdir / RECORD).is_file() or (read_imported(workdir) and not has_checkpoint(workdir)):
        return False
    changed = read_record(workdir)["fingerprint"] != fingerprint
    if changed and not accept:
        raise UserError(
            f"the pictures have changed since the run in {workdir} was started (names, number or sizes of the files): put "
            "the old files back, resume with --accept-changed-data, or start a new run with another --workdir or "
            "--overwrite."
        )
    return changed

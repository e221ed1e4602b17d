"""Going on with a run: the stored values hold, and only what was typed is compared with them.

Here too is what a workdir holds of a run: starting from another one, dropping what is later than a checkpoint, clearing.
"""

from pathlib import Path
from typing import Any

from p2p_jax.config.tree import differences
from p2p_jax.errors import UserError
from p2p_jax.experiment import Experiment
from p2p_jax.workdir.init_from import has_checkpoint, read_imported, refuse_other_networks, refuse_to_remove_imported
from p2p_jax.workdir.record import RECORD, hash_file, load_experiment, read_record


def stored_run(workdir: Path, found: Experiment, argv: list[str]) -> Experiment | None:
    """The run that a workdir holds, or None.

    Raises:
        UserError: it is of another experiment, or of another file.
    """
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"the workdir {workdir} is a file: give a folder.")
    if "--overwrite" in argv:
        refuse_to_remove_imported(workdir)
    if "--overwrite" in argv or not (workdir / RECORD).exists():
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
    return load_experiment(workdir, trust="--trust" in argv)


def refuse_differences(workdir: Path, stored: Experiment, config: Any) -> None:
    """Refuses to go on with a run under another identity.

    Raises:
        UserError: naming what differs.
    """
    length = {"steps", "epochs", "steps_per_epoch"}
    different = differences(stored.config, config)
    imported = read_imported(workdir)
    if imported and not has_checkpoint(workdir):
        refuse_other_networks(workdir, imported, different)
        return
    fixed = [
        f"{name} is {old}, not {new}"
        for name, (old, new, runtime) in different.items()
        if not runtime and name not in length
    ]
    if fixed:
        raise UserError(
            f"the run in {workdir} was started with other options ({'; '.join(fixed)}): leave them out to go on, or give "
            "another --workdir, or --overwrite."
        )
    old = stored.config.steps
    new = config.steps if config.epochs is None else config.epochs * stored.config.steps_per_epoch
    if new < old:
        raise UserError(f"the run in {workdir} has steps {old}: it may grow, but {new} is less.")
    if new > old or (config.epochs is None) != (stored.config.epochs is None):
        print(f"The length changes from {old} to {new} steps, and the learning-rate schedule with it.")


def data_changed(workdir: Path, fingerprint: str, *, accept: bool) -> bool:
    """Whether the pictures have changed since the run in a workdir was started, and that is accepted.

    Raises:
        UserError: they have changed, and it is not accepted.
    """
    if not (workdir / RECORD).is_file() or (read_imported(workdir) and not has_checkpoint(workdir)):
        return False
    changed = read_record(workdir)["fingerprint"] != fingerprint
    if changed and not accept:
        raise UserError(
            f"the pictures have changed since the run in {workdir} was started (names, number or sizes of the files): put "
            "them back, go on with --accept-changed-data, or start anew with another --workdir or --overwrite."
        )
    return changed

"""Going on with a run: the stored values hold, and only what was typed is compared with them.

Here too is what a workdir holds of a run: starting from another one, dropping what is later than a checkpoint, clearing.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2p_jax import config as configs
from p2p_jax import disk, experiment, fields
from p2p_jax.experiment import Experiment
from p2p_jax.logs import read_rows
from p2p_jax.options import typed_value

IMPORTED = "imported.json"
"""What an import leaves beside the record: {"files": [...], "counts": {network: {batch norm: batches seen}}}. Until there
is a checkpoint of training, everything but the imported networks may still change."""

REPLACED = "replaced.txt"
"""Names the unreadable pairs for which others stood in."""

LATE = 5.0  # seconds until what is written late by a save that failed is on the disk

OWN_FILES = (
    "checkpoints",
    "samples",
    "report",
    "profile",
    "tensorboard",
    "metrics.jsonl",
    "experiment.py",
    REPLACED,
    IMPORTED,
    experiment.RECORD,  # last: without it the rest would not be known as a run's
)
"""All but the lock, which whoever clears a workdir holds."""


def find_workdir(argv: list[str], name: str) -> Path:
    """The workdir on a command line, needed before the rest can be parsed: its run holds the default values."""
    return Path(typed_value(argv, "--workdir") or Path("runs") / name)


def stored_run(workdir: Path, found: Experiment, argv: list[str]) -> Experiment | None:
    """The run that a workdir holds, or None.

    Raises:
        ValueError: it is of another experiment, or of another file.
    """
    if workdir.exists() and not workdir.is_dir():
        raise ValueError(f"the workdir {workdir} is a file: give a folder.")
    if "--overwrite" in argv:
        refuse_to_remove_imported(workdir)
    if "--overwrite" in argv or not (workdir / experiment.RECORD).exists():
        return None
    record = experiment.read_record(workdir)
    if record["name"] != found.name or (record["sha256"] is None) != (found.file is None):
        raise ValueError(
            f"{workdir} holds a run of the experiment {record['name']}, not of {found.name}: give another --workdir, or "
            "--overwrite to remove it."
        )
    if found.file is not None and experiment.hash_file(found.file) != record["sha256"]:
        raise ValueError(
            f"{found.file} has changed since the run in {workdir} was started: give another --workdir, or --overwrite."
        )
    return experiment.load(workdir, trust="--trust" in argv)


def settle_length(config: Any, argv: list[str]) -> Any:
    """Lets the length that was typed replace the other one.

    Raises:
        ValueError: both were typed.
    """
    steps, epochs = (typed_value(argv, option) is not None for option in ("--steps", "--epochs"))
    if steps and epochs:
        raise ValueError("both --steps and --epochs were given: give one of them.")
    config = replace(config, epochs=None) if steps else replace(config, steps=None) if epochs else config
    if config.steps is None and config.epochs is None:
        raise ValueError("no length was given: give a number with --steps or --epochs.")
    return config


def refuse_differences(workdir: Path, stored: Experiment, config: Any) -> None:
    """Refuses to go on with a run under another identity.

    Raises:
        ValueError: naming what differs.
    """
    length = {"steps", "epochs", "steps_per_epoch"}
    different = fields.differences(stored.config, config)
    imported = read_imported(workdir)
    if imported and not has_checkpoint(workdir):
        _refuse_other_networks(workdir, imported, different)
        return
    fixed = [
        f"{name} is {old}, not {new}"
        for name, (old, new, runtime) in different.items()
        if not runtime and name not in length
    ]
    if fixed:
        raise ValueError(
            f"the run in {workdir} was started with other options ({'; '.join(fixed)}): leave them out to go on, or give "
            "another --workdir, or --overwrite."
        )
    old = stored.config.steps
    new = config.steps if config.epochs is None else config.epochs * stored.config.steps_per_epoch
    if new < old:
        raise ValueError(f"the run in {workdir} has steps {old}: it may grow, but {new} is less.")
    if new > old or (config.epochs is None) != (stored.config.epochs is None):
        print(f"The length changes from {old} to {new} steps, and the learning-rate schedule with it.")


def read_imported(workdir: Path) -> dict[str, dict[str, int]]:
    """Of each imported network, the batches that its batch norms have seen; {} for a run that imported none.

    Raises:
        ValueError: what the import left is damaged.
    """
    path = workdir / IMPORTED
    try:
        return json.loads(path.read_text())["counts"] if path.is_file() else {}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged: import the networks again, into another folder.") from None


def refuse_to_remove_imported(workdir: Path) -> None:
    """Refuses to train anew in a workdir that holds imported networks.

    Raises:
        ValueError: it does.
    """
    if read_imported(workdir):
        raise ValueError(
            f"--overwrite would remove the imported networks in {workdir}: leave it out to train them on, or give another "
            f"--workdir, with --init-from {workdir}."
        )


def _refuse_other_networks(workdir: Path, imported: Any, different: dict[str, tuple[Any, Any, bool]]) -> None:
    """Of networks that were imported and not trained here yet, what they compute is fixed, and nothing else."""
    free = ("dropout", "statistics", "group_size", "norm_momentum", "norm_stddev", "remat")
    for name, (old, new, _) in different.items():
        part, _, field = name.partition(".")
        shape = field.removeprefix("input.").removeprefix("target.") in ("channels", "classes", "palette")
        if (part in imported and field not in free) or (part == "data" and shape):
            raise ValueError(f"the {part} in {workdir} was imported with {name} {old}, not {new}: leave that option out.")


def data_changed(workdir: Path, fingerprint: str, *, accept: bool) -> bool:
    """Whether the pictures have changed since the run in a workdir was started, and that is accepted.

    Raises:
        ValueError: they have changed, and it is not accepted.
    """
    if not (workdir / experiment.RECORD).is_file() or (read_imported(workdir) and not has_checkpoint(workdir)):
        return False
    changed = experiment.read_record(workdir)["fingerprint"] != fingerprint
    if changed and not accept:
        raise ValueError(
            f"the pictures have changed since the run in {workdir} was started (names, number or sizes of the files): put "
            "them back, go on with --accept-changed-data, or start anew with another --workdir or --overwrite."
        )
    return changed


def clear(workdir: Path) -> None:
    """Removes what a run wrote, and nothing else, from a workdir; a folder that holds no run is left as it is."""
    if not (workdir / experiment.RECORD).is_file():
        return
    for name in OWN_FILES:
        path = workdir / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def tidied(workdir: Path) -> Iterator[None]:
    """Removes what is unfinished before and after: it takes room, which the next start may lack on a full disk."""
    _remove_unfinished(workdir)
    try:
        yield
    finally:
        _remove_unfinished(workdir)


def _remove_unfinished(workdir: Path) -> None:
    # Where a save has failed, others of its arrays may still be on their way to the disk, and make a folder anew.
    end = time.monotonic() + LATE
    while (left := list((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*"))) and time.monotonic() < end:
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.1)
    own = [workdir / f"{name}{disk.ENDING}" for name in OWN_FILES]
    for path in (*own, *(path for name in ("samples", "report") for path in (workdir / name).glob(f"*{disk.ENDING}"))):
        path.unlink(missing_ok=True)


def recorded_source(workdir: Path) -> Path | None:
    """The workdir that the run in this one started from, or None."""
    if not (workdir / experiment.RECORD).is_file():
        return None
    source = experiment.read_record(workdir)["init_from"]
    return None if source is None else Path(source)


def has_checkpoint(workdir: Path) -> bool:
    """Whether a checkpoint of training was written whole; one that is half written has a longer name than its step."""
    return any(path.name.isdigit() and path.name != "0" for path in (workdir / "checkpoints").glob("*"))


def imported_source(workdir: Path) -> Path | None:
    """This workdir, if it holds imported networks to start from."""
    return workdir if read_imported(workdir) else None


def networks_of(config: Any, init_from: Path, *, trust: bool) -> Any:
    """A config with the networks, channels and picture size of the run that it is to start from.

    Raises:
        ValueError: the folder is no workdir, or holds code that is not trusted.
    """
    other = experiment.load(init_from, trust=trust).config
    generator = other.generator
    if generator.widths is None and generator.architecture != "resnet":
        from p2p_jax.generators import unet_widths

        generator = replace(generator, widths=unet_widths(min(configs.as_size(other.image_size)), generator.width))
    # A group belongs to the batch that it was chosen for, and so below does a load size to the picture size.
    generator = replace(generator, group_size=config.generator.group_size)
    discriminator = replace(other.discriminator, group_size=config.discriminator.group_size)
    sides = {name: getattr(other.data, name) for name in ("input", "target")}
    load_size = config.data.load_size if config.image_size == other.image_size else None
    return replace(
        config,
        image_size=other.image_size,
        generator=generator,
        discriminator=discriminator,
        data=replace(config.data, load_size=load_size, **sides),
    )


def drop_later(workdir: Path, step: int) -> None:
    """Removes rows and samples later than a step, which will be made again."""
    path = workdir / "metrics.jsonl"
    if path.is_file():
        rows = [row for row in read_rows(path) if row["step"] <= step]
        with disk.whole(path) as unfinished:
            unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for sample in (workdir / "samples").glob("step_*.png"):
        if int(sample.stem.removeprefix("step_")) > step:
            sample.unlink()

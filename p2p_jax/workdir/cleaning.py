"""Removing files of a run from its workdir."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2p_jax.workdir.disk import UNFINISHED, atomic_write
from p2p_jax.workdir.init_from import IMPORTED
from p2p_jax.workdir.metrics_file import read_rows
from p2p_jax.workdir.record import RECORD

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
    RECORD,  # last: without it the rest would not be known as a run's
)
"""All but the lock, which whoever clears a workdir holds."""


def clear_workdir(workdir: Path) -> None:
    """Removes what a run wrote, and nothing else, from a workdir; a folder that holds no run is left as it is."""
    if not (workdir / RECORD).is_file():
        return
    for name in OWN_FILES:
        path = workdir / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def clean_unfinished(workdir: Path) -> Iterator[None]:
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
    own = [workdir / f"{name}{UNFINISHED}" for name in OWN_FILES]
    for path in (*own, *(path for name in ("samples", "report") for path in (workdir / name).glob(f"*{UNFINISHED}"))):
        path.unlink(missing_ok=True)


def drop_later(workdir: Path, step: int) -> None:
    """Removes rows and samples later than a step, which will be made again."""
    path = workdir / "metrics.jsonl"
    if path.is_file():
        rows = [row for row in read_rows(path) if row["step"] <= step]
        with atomic_write(path) as unfinished:
            unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for sample in (workdir / "samples").glob("step_*.png"):
        if int(sample.stem.removeprefix("step_")) > step:
            sample.unlink()

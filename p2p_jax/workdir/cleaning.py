"""Removes files of a run from its workdir."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2p_jax.files.writing import UNFINISHED, find_unfinished
from p2p_jax.workdir.init_from import IMPORTED
from p2p_jax.workdir.metrics_file import drop_rows
from p2p_jax.workdir.record import RECORD

REPLACED = "replaced.txt"
"""The file that lists unreadable pairs and the pairs that replaced them."""


LATE_WRITES = 5.0  # seconds for which the threads of a failed save may still write


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
    RECORD,  # removed last, because a folder without it does not count as a workdir
)
"""All files and folders of a run, except the lock file: it stays locked while the workdir is cleared."""


def clear_workdir(workdir: Path) -> None:
    """Removes the files of a run, and no other files, from its workdir. A folder without a run is not changed."""
    if not (workdir / RECORD).is_file():
        return
    for name in OWN_FILES:
        path = workdir / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


SAMPLE = re.compile(r"step_([0-9]{1,18})\.png")
"""The name of a sample grid, with its step."""


@contextmanager
def clean_unfinished(workdir: Path) -> Iterator[None]:
    """Removes unfinished files at the start and at the end, so that they take no space on a full disk."""
    _remove_unfinished(workdir)
    try:
        yield
    finally:
        _remove_unfinished(workdir)


def _remove_unfinished(workdir: Path) -> None:
    # After a failed save, its threads may still write other arrays and create a removed folder again.
    end = time.monotonic() + LATE_WRITES
    while (left := list((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*"))) and time.monotonic() < end:
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.1)
    own = [*find_unfinished(workdir), *(workdir / f"{name}{UNFINISHED}" for name in OWN_FILES)]  # older versions' names
    for path in (*own, *(path for name in ("samples", "report") for path in (workdir / name).glob(f"*{UNFINISHED}"))):
        path.unlink(missing_ok=True)


def drop_later(workdir: Path, step: int) -> None:
    """Removes the rows of metrics.jsonl and the samples after a step, because the resumed run writes them again."""
    drop_rows(workdir / "metrics.jsonl", step)
    for sample, written_at in find_samples(workdir).items():
        if written_at > step:
            sample.unlink()


def find_samples(workdir: Path) -> dict[Path, int]:
    """Returns the sample grids of a run and their steps, in their order; files of other names are none."""
    named = {path: SAMPLE.fullmatch(path.name) for path in (workdir / "samples").glob("step_*.png") if path.is_file()}
    steps = {path: int(match[1]) for path, match in named.items() if match}
    return dict(sorted(steps.items(), key=lambda item: item[1]))

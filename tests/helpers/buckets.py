"""Workdirs in a bucket that is a local folder, and a connection that breaks."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from p2p_jax.workdir.bucket.fetch import local_copy_of
from p2p_jax.workdir.bucket.local_copy import MARKER

FILES = ("training/data", "meta/metadata", MARKER)


def url(folder: Path) -> str:
    return f"file://{folder}"


def open_run(bucket: Path):
    """The local copy of the run in a bucket, as training opens it."""
    return local_copy_of(url(bucket / "run"), upload=True, exclusive=True)


def kept_folders(bucket: Path) -> list[Path]:
    """The temporary folders that are left of local copies."""
    return list((bucket.parent / "temporary").iterdir())


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def write_run(folder: Path, record: str, checkpoints: list[int]) -> None:
    """Writes the files of a run: its record, rows up to its last checkpoint, and checkpoints of three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.json").write_text(record)
    (folder / "metrics.jsonl").write_text("".join(f"{step}\n" for step in range(1, max(checkpoints, default=0) + 1)))
    for path in (folder / "checkpoints").glob("*"):
        if int(path.name) not in checkpoints:
            shutil.rmtree(path)
    for step in checkpoints:
        for name in FILES:
            path = folder / "checkpoints" / str(step) / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{record} {step} {name}")


def read_run(folder: Path) -> tuple[str, int, list[int]]:
    """(record, number of rows, checkpoints) of a run; fails if a checkpoint is not complete."""
    record, rows = (folder / "experiment.json").read_text(), (folder / "metrics.jsonl").read_text().splitlines()
    steps = sorted(int(path.name) for path in (folder / "checkpoints").glob("*"))
    for step in steps:
        for name in FILES:
            assert (folder / "checkpoints" / str(step) / name).read_text() == f"{record} {step} {name}"
    return record, len(rows), steps


def break_connection(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Makes every write to a bucket fail after the first `after` ones."""
    done = 0

    def counting(real):
        def operation(*args, **options):
            nonlocal done
            done += 1
            if done > after:
                raise ConnectionError("gone")
            return real(*args, **options)

        return operation

    for name in ("put_file", "rm_file", "pipe_file", "rm"):
        monkeypatch.setattr(LocalFileSystem, name, counting(getattr(LocalFileSystem, name)))

"""The folder that stands for a workdir in a bucket: what in it is sent, and how a change is known."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from p2p_jax.workdir.disk import UNFINISHED
from p2p_jax.workdir.record import RECORD

URL_FILE = ".bucket"
"""The file in a folder that stands for a workdir in a bucket: its URL."""


LAST_FILE = "_CHECKPOINT_METADATA"
"""The file of a checkpoint that is sent last."""


UNSENT = re.compile(rf"{re.escape(URL_FILE)}|lock|.*{re.escape(UNFINISHED)}|.*\.orbax-checkpoint-tmp.*")
"""Names of files and folders that stay here."""


class Version(NamedTuple):
    """By which a file here is known to have changed."""

    size: int
    time: int
    number: int


UNKNOWN = Version(-1, 0, 0)
"""No file's: what may lie in the bucket is not known."""


def read_record(folder: Path) -> bytes | None:
    """What the run is; None before it has begun."""
    with suppress(FileNotFoundError):
        return (folder / RECORD).read_bytes()
    return None


def list_files(folder: Path) -> dict[str, Version]:
    """The files that are sent, by their names relative to the folder; some may be renamed or removed meanwhile."""
    found = {}
    for at, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not UNSENT.fullmatch(each)]
        for path in (Path(at, each) for each in files if not UNSENT.fullmatch(each)):
            with suppress(FileNotFoundError):  # the run removes old checkpoints
                stat = path.stat()
                found[path.relative_to(folder).as_posix()] = Version(stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return found


def milestones(folder: Path) -> tuple[bytes | None, set[tuple[str, int]]]:
    """What is worth sending at once: that a run has begun, and its finished checkpoints."""
    finished = set()
    for path in (folder / "checkpoints").glob("*"):
        with suppress(FileNotFoundError):  # the run removes old ones
            if path.name.isdigit():
                finished.add((path.name, path.stat().st_ino))
    return read_record(folder), finished


def is_last_file(name: str) -> bool:
    """Whether a file is the last one of its checkpoint."""
    return name.endswith(f"/{LAST_FILE}")


def step_folder(name: str) -> str:
    """The folder of the checkpoint that a file belongs to; the empty one for all others."""
    return "/".join(name.split("/")[:2]) if name.startswith("checkpoints/") else ""

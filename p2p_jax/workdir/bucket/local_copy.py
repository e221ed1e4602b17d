"""Local copy of a remote workdir: which files are uploaded and how changes are detected."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from p2p_jax.files.writing import UNFINISHED
from p2p_jax.workdir.lock import LOCK_FILE
from p2p_jax.workdir.record import RECORD

URL_FILE = ".bucket"
"""The file in a local copy that holds the URL of the remote workdir."""

MARKER = "_CHECKPOINT_METADATA"
"""The file of a checkpoint that is uploaded last: a remote checkpoint is complete once its marker is there."""

DESCRIPTIONS = ("meta", "metrics")
"""The items of a checkpoint that hold no arrays."""

PICTURES = re.compile(r"(samples|report|profile|tracking)/.*")
"""Names of files that are not needed to load a run."""

LOCAL_ONLY = re.compile(
    rf"{re.escape(URL_FILE)}|{LOCK_FILE}|.*{re.escape(UNFINISHED)}|.*\.orbax-checkpoint-tmp.*|.*\.db-(journal|shm|wal)"
)
"""Names of files and folders that are never uploaded."""


class Version(NamedTuple):
    """The size, modification time (nanoseconds) and inode of a file; a file whose version differs has changed."""

    size: int
    time: int
    inode: int


UNKNOWN = Version(-1, 0, 0)
"""The version of a remote file whose content is not known, because its upload was not finished."""


def read_record_bytes(folder: Path) -> bytes | None:
    """Returns the bytes of the run's record, which identify the run; None before it is written."""
    with suppress(FileNotFoundError):
        return (folder / RECORD).read_bytes()
    return None


def list_files(folder: Path) -> dict[str, Version]:
    """Lists the files to upload by their names relative to the folder; the run may rename or remove files meanwhile."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not LOCAL_ONLY.fullmatch(each)]
        for path in (Path(place, each) for each in files if not LOCAL_ONLY.fullmatch(each)):
            with suppress(FileNotFoundError):  # the run removes old checkpoints
                stat = path.stat()
                found[path.relative_to(folder).as_posix()] = Version(stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return found


def read_progress(folder: Path) -> tuple[bytes | None, set[tuple[str, int]]]:
    """Returns the run's record, and the names and inodes of complete checkpoints: a change of these triggers an upload."""
    complete = set()
    for path in (folder / "checkpoints").glob("*"):
        with suppress(FileNotFoundError):  # the run removes old checkpoints
            if path.name.isdecimal():
                complete.add((path.name, path.stat().st_ino))
    return read_record_bytes(folder), complete


def is_local_only(name: str) -> bool:
    """Whether a name is that of a file that is never uploaded."""
    return any(LOCAL_ONLY.fullmatch(part) for part in name.split("/"))


def is_marker(name: str) -> bool:
    """Whether a file is the marker of its checkpoint."""
    return name.endswith(f"/{MARKER}")


def checkpoint_folder(name: str) -> str:
    """Returns the folder of the checkpoint to which a file belongs; "" for every other file."""
    return "/".join(name.split("/")[:2]) if name.startswith("checkpoints/") else ""


def is_array(name: str) -> bool:
    """Whether a file belongs to the arrays of a checkpoint; the files that describe a checkpoint are small."""
    return item_of(name) not in ("", *DESCRIPTIONS)


def item_of(name: str) -> str:
    """Returns the item of a checkpoint to which a file belongs, such as "generator"; "" for every other file."""
    parts = name.split("/")
    return parts[2] if parts[0] == "checkpoints" and len(parts) > 3 else ""


def marker_of(name: str) -> str:
    """Returns the name of the marker of the checkpoint to which a file belongs."""
    return f"{checkpoint_folder(name)}/{MARKER}"

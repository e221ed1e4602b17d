"""The cache of prepared sets: one folder for each version of a set in a bucket, bounded in size.

Each process that uses a set holds the lock of a file of its own in the set's folder, until `leave_all` or its end. A set is
removed only if nobody holds such a lock, the least recently opened one first.
"""

import math
import os
import shutil
import stat
import uuid
from contextlib import suppress
from pathlib import Path

from p2p_jax.errors import UserError
from p2p_jax.storage.caches import find_caches
from p2p_jax.storage.locks import holding, open_lock, trying

LIMIT_VARIABLE = "P2P_JAX_SET_CACHE_GIB"
"""Environment variable with the largest size of all sets together, in GiB."""

DEFAULT_LIMIT_GIB = 64.0

USERS = "users"
"""The folder in that of a set where each process has its lock."""

PLANNED_SIZE = "planned_size"
"""The file in the folder of a set that holds the size of the complete set, in bytes."""

_own_locks: dict[Path, int] = {}


def limit_in_bytes() -> int:
    """The largest size of all sets together, in bytes.

    Raises:
        UserError: the environment variable does not hold a positive number.
    """
    text = os.environ.get(LIMIT_VARIABLE, str(DEFAULT_LIMIT_GIB))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise UserError(f"{LIMIT_VARIABLE} is {text!r}: it must be a positive number of GiB, such as 64.")
    return int(number * 2**30)


def find_root() -> Path:
    """The folder of all cached sets; it need not exist.

    Raises:
        UserError: there is no home folder.
    """
    try:
        return find_caches() / "sets"
    except RuntimeError:
        raise UserError("there is no home folder for the cache of prepared sets: set XDG_CACHE_HOME to a folder.") from None


def join(name: str, size: int, url: str) -> Path:
    """Makes the folder of a set, and keeps it from being removed until `leave_all` or the end of this process.

    Sets that no process uses are removed, the least recently opened ones first, until the cache has its limit.

    Args:
        name: of the folder.
        size: of the complete set, in bytes.
        url: of the set, for messages.

    Returns:
        the folder.

    Raises:
        UserError: the cache has no room for the set, or is not this user's own.
        OSError: the folder cannot be made.
    """
    root = find_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = root.lstat()
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise UserError(f"{root} is a link, or belongs to another user: set XDG_CACHE_HOME to a folder of your own.")
    folder = root / name
    with holding(root / "lock"):
        _make_room(root, folder, size, url)
        (folder / USERS).mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / PLANNED_SIZE).write_text(str(size), encoding="utf-8")
        if folder not in _own_locks:
            _own_locks[folder] = open_lock(folder / USERS / uuid.uuid4().hex)[0]
        os.utime(folder)
    return folder


def leave_all() -> None:
    """Releases all sets that this process uses."""
    while _own_locks:
        os.close(_own_locks.popitem()[1])


def _make_room(root: Path, folder: Path, size: int, url: str) -> None:
    limit = limit_in_bytes()
    others = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink() and path != folder]
    used = [path for path in others if _is_used(path)]
    needed = size + sum(_read_planned_size(path) for path in used)
    if needed > limit:
        elsewhere = f", and running processes use {_gib(needed - size)} of other sets" if used else ""
        raise UserError(
            f"the set in {url} has {_gib(size)}{elsewhere}, but the cache {root} may hold {_gib(limit)}: set "
            f"{LIMIT_VARIABLE} to {math.ceil(needed / 2**30)} or more."
        )
    for path in sorted({*others} - {*used}, key=lambda path: path.stat().st_mtime, reverse=True):
        needed += sum(each.lstat().st_size for each in path.rglob("*") if not each.is_dir())
        if needed > limit:
            shutil.rmtree(path, ignore_errors=True)


def _is_used(folder: Path) -> bool:
    """Whether a process uses a set; removes the files of processes that have ended."""
    used = False
    for path in (folder / USERS).glob("*"):
        with trying(path) as state:
            used = used or state != "held"
        if state == "held":
            path.unlink(missing_ok=True)
    return used


def _read_planned_size(folder: Path) -> int:
    with suppress(OSError, ValueError):
        return int((folder / PLANNED_SIZE).read_text(encoding="utf-8"))
    return 0


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"

"""The lock of a workdir: only one process may write into it. The system releases the lock when the process ends."""

import errno
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from p2p_jax.errors import UserError
from p2p_jax.files.writing import open_no_link
from p2p_jax.storage.locks import LOCKED_BY_OTHER, try_lock

LOCK_FILE = "lock"
"""The file in a workdir that is locked. It stays after a run, and names the last process that held the lock."""


@contextmanager
def hold(workdir: Path) -> Iterator[None]:
    """Holds the lock of a workdir.

    If the folder does not exist, it is made, and removed at the end if it then holds only the lock. If the file system does
    not support locks, a warning says so.

    Raises:
        UserError: another process holds the lock, its file is a link, or this process cannot write into the folder.
    """
    made = [folder for folder in (workdir, *workdir.parents) if not folder.exists()]
    path = workdir / LOCK_FILE
    try:
        file = _open_locked(path)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        reason = str(error.strerror).lower()
        raise UserError(f"the workdir {workdir} cannot be written ({reason}): give another --workdir.") from None
    try:
        _write_holder(file)
        yield
    finally:
        if made and list(workdir.glob("*")) == [path]:
            with suppress(OSError):
                path.unlink()
                for folder in made:
                    folder.rmdir()
        os.close(file)


def _open_locked(path: Path) -> int:
    """Opens and locks the file; the lock is held until the returned descriptor is closed."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open_no_link(path, os.O_RDWR | os.O_CREAT)
        try:
            try_lock(file)
        except OSError as error:
            if error.errno in LOCKED_BY_OTHER:
                holder = _read_holder(path)
                os.close(file)
                raise UserError(
                    f"{path.parent} is in use by {holder}, which writes there: wait until it ends, stop it, or give "
                    "another workdir."
                ) from None
            warnings.warn(
                f"the file system of {path.parent} does not support locks ({str(error.strerror).lower()}): make sure that "
                "no two commands write there at the same time.",
                stacklevel=2,
            )
            return file
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.lstat()):
                if os.fstat(file).st_nlink == 1:
                    return file
                path.unlink()  # the file has a second name, under which its content must not change
        os.close(file)  # the holder has just removed this file, so its lock protects nothing: open a new one


def _write_holder(file: int) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _read_holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
    return "another process"

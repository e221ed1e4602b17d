"""One run at a time in a workdir: a lock that the system gives back by itself when the process ends, however it ends."""

import errno
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from p2p_jax.errors import UserError

NAME = "lock"
"""The file in a workdir that is locked; it stays there. It names the process that holds the lock, or was the last to."""


FAR = 2**30  # bytes into the file: on Windows what is locked cannot be read, and its holder's name has to be


HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK))


@contextmanager
def hold(workdir: Path) -> Iterator[None]:
    """Holds the lock of a workdir, which is made if it does not exist, and removed again if nothing is put into it.

    A file system that knows no locks is told of by a warning.

    Raises:
        UserError: another process holds it, or nothing can be written there.
    """
    made = [folder for folder in (workdir, *workdir.parents) if not folder.exists()]
    path = workdir / NAME
    try:
        file = _open_locked(path)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        reason = str(error.strerror).lower()
        raise UserError(f"the workdir {workdir} cannot be written ({reason}): give another --workdir.") from None
    try:
        _name_holder(file)
        yield
    finally:
        if made and list(workdir.glob("*")) == [path]:
            with suppress(OSError):
                path.unlink()
                for folder in made:
                    folder.rmdir()
        os.close(file)


def _open_locked(path: Path) -> int:
    """The descriptor of the file, which is locked until it is closed."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file)
        except OSError as error:
            if error.errno in HELD:
                holder = _read_holder(path)
                os.close(file)
                raise UserError(
                    f"{path.parent} is in use by {holder}, which trains there: wait for its end, stop it, or give another "
                    "--workdir."
                ) from None
            warnings.warn(
                f"the file system of {path.parent} knows no locks ({str(error.strerror).lower()}): see to it yourself that "
                "no two runs train there at once.",
                stacklevel=2,
            )
            return file
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)  # its holder has just removed it: this is the lock of a file that is no more


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _name_holder(file: int) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _read_holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip() or "another process"
    return "another process"

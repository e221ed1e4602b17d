"""Locks of files between processes. The system releases a lock when its process ends."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

LOCK_OFFSET = 2**30
"""The byte that is locked on Windows: locked bytes cannot be read there, and the content has to stay readable."""

LOCKED_BY_OTHER = (errno.EACCES, errno.EAGAIN, errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK))
"""Error numbers that mean that another process, or another part of this one, holds the lock."""

POLL_SECONDS = 0.05
"""Seconds between two attempts to take a lock."""

if sys.platform == "win32":
    import msvcrt

    def try_lock(file: int) -> None:
        """Locks an open file, or raises OSError at once."""
        os.lseek(file, LOCK_OFFSET, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def try_lock(file: int) -> None:
        """Locks an open file, or raises OSError at once."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_lock(path: Path) -> tuple[int, Literal["held", "busy", "unsupported"]]:
    """Opens the file of a lock, makes it if necessary, and tries to take the lock.

    Returns:
        the descriptor, which the caller closes to release the lock; and whether the lock is held, another one holds it
        (busy), or the file system does not support locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        try_lock(file)
    except OSError as error:
        return file, "busy" if error.errno in LOCKED_BY_OTHER else "unsupported"
    return file, "held"


@contextmanager
def trying(path: Path) -> Iterator[Literal["held", "busy", "unsupported"]]:
    """Tries to hold the lock of a file during the block; yields as `open_lock` returns."""
    file, state = open_lock(path)
    try:
        yield state
    finally:
        os.close(file)


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Waits for the lock of a file and holds it during the block; where locks are not supported, it holds none."""
    while True:
        file, state = open_lock(path)
        if state != "busy":
            break
        os.close(file)
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(file)

"""Writing files: completely or not at all, and never through a link that somebody else has put there."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from p2p_jax.errors import UserError

PREFIX = ".p2p_jax-"
UNFINISHED = ".tmp"
"""The beginning and the ending of the names of unfinished files; between them is a part that nobody can foresee."""

IS_LINK = (errno.ELOOP, getattr(errno, "EMLINK", errno.ELOOP))
"""Error numbers that mean that a link was not followed."""


@contextmanager
def atomic_file(path: Path, *, sync: bool = True) -> Iterator[IO[bytes]]:
    """Opens a new file that replaces `path` when the block ends without an error. A link at `path` is replaced, too.

    Args:
        path: of the file; its folder is made.
        sync: wait until the disk holds the file; otherwise a power failure may leave an empty file in place of the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{PREFIX}{secrets.token_hex(8)}{UNFINISHED}")
    try:
        with unfinished.open("xb") as file:  # x follows no link and opens no existing file
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8, completely or not at all; what UTF-8 cannot hold is escaped."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def find_unfinished(folder: Path) -> list[Path]:
    """The files that a killed process left unfinished in a folder."""
    return list(folder.glob(f"{PREFIX}*{UNFINISHED}"))


def open_no_link(path: Path, flags: int) -> int:
    """Opens a file, such as `os.open` does, but only a regular one and never through a link.

    Raises:
        UserError: there is a link, a folder or a device at the path.
        OSError: it cannot be opened.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_BINARY", 0)
    try:
        file = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in IS_LINK or error.errno == errno.ENXIO or path.is_symlink():
            raise _refuse(path) from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode) or (not hasattr(os, "O_NOFOLLOW") and path.is_symlink()):
        os.close(file)
        raise _refuse(path)
    return file


def _refuse(path: Path) -> UserError:
    return UserError(f"{path} is a link or no regular file, and must be an ordinary file: remove it, then try again.")


def make_own_folder(folder: Path) -> None:
    """Makes a folder if it does not exist.

    Raises:
        UserError: it is a link, through which files elsewhere would be replaced.
    """
    if folder.is_symlink():
        raise UserError(f"{folder} is a link, and files must not be replaced through it: remove the link, then try again.")
    folder.mkdir(parents=True, exist_ok=True)

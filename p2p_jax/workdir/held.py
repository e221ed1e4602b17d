"""A folder that this process holds open: its path for libraries, and whether its name still refers to it."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from p2p_jax.errors import UserError

MISREAD = re.compile(r"[*?\[\]\\\x00-\x1f\x7f\ud800-\udfff]|:/")
"""Matches the parts of a path that libraries take for a pattern, an escape or a URL, or cannot encode."""


class HeldFolder(NamedTuple):
    """A folder that is held open.

    Attributes:
        folder: its path when it was opened.
        path: a path to it without special characters. On Linux it also follows the folder when it is renamed.
        descriptor: of the open folder; None if it is not open, as on Windows, which does not open folders.
    """

    folder: Path
    path: Path
    descriptor: int | None

    def follows(self) -> bool:
        """Whether `path` still leads to the folder after it was renamed."""
        return self.path == _path_of(self.descriptor)

    def is_in_place(self) -> bool:
        """Whether the path at which the folder was opened still leads to it: it was not renamed, removed or replaced."""
        try:
            found = self.folder.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # the disk does not answer at the moment, which says nothing about the folder
            return True
        return self.descriptor is None or os.path.samestat(os.fstat(self.descriptor), found)

    def find(self) -> Path | None:
        """Returns where the folder is now; None if it was removed, or if the system does not tell."""
        if self.is_in_place():
            return self.folder
        with suppress(OSError, TypeError):
            found = Path(os.readlink(_path_of(self.descriptor) or ""))
            if os.path.samestat(os.fstat(self.descriptor or 0), found.stat()):
                return found
        return None


@contextmanager
def hold_folder(folder: Path) -> Iterator[HeldFolder]:
    """Holds a folder open. A folder that is not visible yet, as on another host than that which made it, is only named.

    Raises:
        UserError: the path has special characters, and the system offers no other path to the folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError as error:
        if os.name == "posix" and not isinstance(error, FileNotFoundError):
            raise
        descriptor = None
    try:
        with _plain_path(folder, descriptor) as path:
            yield HeldFolder(folder, path, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def refuse_misread(folder: Path) -> None:
    """Refuses a path that libraries misread.

    Raises:
        UserError: the path has special characters.
    """
    if (found := MISREAD.search(str(folder.absolute()))) is not None:
        raise UserError(
            f"the path {str(folder)!r} holds {found[0]!r}, which libraries misread on this system: give a --workdir "
            "without any of * ? [ ] \\ and control characters."
        )


def _path_of(descriptor: int | None) -> Path | None:
    """Returns the path that Linux gives an open folder, or None elsewhere."""
    path = Path(f"/proc/self/fd/{descriptor}")
    return path if descriptor is not None and path.is_dir() else None


@contextmanager
def _plain_path(folder: Path, descriptor: int | None) -> Iterator[Path]:
    if (path := _path_of(descriptor)) is not None:
        yield path
    elif MISREAD.search(str(folder.absolute())) is None:
        yield folder.absolute()
    else:
        with tempfile.TemporaryDirectory(prefix="p2p-jax-") as place:
            link = Path(place, "folder")
            refuse_misread(link)
            try:
                link.symlink_to(folder.absolute(), target_is_directory=True)
            except OSError:
                refuse_misread(folder)
            yield link

"""The files of a remote workdir, accessed with fsspec."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2p_jax.files.names import join_inside, split_inside
from p2p_jax.storage.urls import open_files

WRITER = "writer"
"""The object that names the process that uploaded last."""


@dataclass(frozen=True)
class Remote:
    """A folder in a bucket; its files are named relative to it.

    Attributes:
        files: the file system of fsspec.
        root: path of the folder in the file system.
    """

    files: Any
    root: str

    def list_names(self) -> list[str]:
        """Returns the names of all files; [] if the folder does not exist.

        Raises:
            UserError: a name leads out of the folder.
        """
        self.files.invalidate_cache()
        try:
            found = [path.removeprefix(self.root).removeprefix("/") for path in self.files.find(self.root)]
        except FileNotFoundError:
            return []
        for name in filter(None, found):
            split_inside(name, self._source())
        return [name for name in found if not name.endswith("/") and name]  # some programs store folders as empty objects

    def download(self, names: Iterable[str], folder: Path) -> None:
        """Downloads files to the same names in a local folder.

        Raises:
            UserError: a name leads out of the folder; no file is downloaded then.
        """
        names = list(names)
        places = [str(join_inside(folder, each, self._source())) for each in names]
        self.files.get([self._path(each) for each in names], places)

    def upload(self, names: Iterable[str], folder: Path) -> None:
        """Uploads files from the same names in a local folder."""
        names = list(names)
        self.files.put([str(folder / each) for each in names], [self._path(each) for each in names])

    def remove_file(self, name: str) -> None:
        """Removes one file."""
        self.files.rm_file(self._path(name))

    def remove_files(self, names: Iterable[str]) -> None:
        """Removes several files in one call, if there are any."""
        if paths := [self._path(each) for each in names]:
            self.files.rm(paths)

    def remove_folder(self, name: str) -> None:
        """Removes a folder with all its files."""
        self.files.rm(self._path(name), recursive=True)

    def read_writer(self) -> bytes | None:
        """Returns the name of the process that uploaded last, or None."""
        self.files.invalidate_cache()
        return self.files.cat_file(self._path(WRITER)) if self.files.exists(self._path(WRITER)) else None

    def write(self, name: str, content: bytes) -> None:
        """Writes one file."""
        self.files.pipe_file(self._path(name), content)

    def _source(self) -> str:
        return f"the bucket folder {self.root}"

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"


def open_remote(url: str) -> Remote:
    """Opens the folder at a URL. Errors of the package for the bucket are not converted.

    Raises:
        UserError: the package for the scheme of the URL is not installed.
    """
    return Remote(*open_files(url))

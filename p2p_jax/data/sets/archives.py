"""The archives of the paper's six sets: their address, and reading one."""

import gzip
import hashlib
import io
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from p2p_jax.data.names import natural_key
from p2p_jax.errors import UserError
from p2p_jax.files.names import join_inside, refuse_outside

MIRROR = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
"""Folder of the archives, NAME.tar.gz; until 2018 it was people.eecs.berkeley.edu/~tinghuiz/projects/pix2pix/datasets."""

MEMBER = re.compile(r"(?:.*/)?(train|val|test)/([^/.][^/]*)\.jpe?g", re.IGNORECASE)
CHUNK = 2**20  # bytes


class Damaged(UserError):
    """An archive that cannot be read to its end."""


class Spooled(NamedTuple):
    """The pictures of an archive, one after the other in a temporary file, which is removed when it is closed.

    Attributes:
        file: their bytes.
        splits: {"train" | "val" | "test": [(name, first byte, number of bytes)]} in the natural order of names.
        sha256: checksum of the archive.
    """

    file: IO[bytes]
    splits: dict[str, list[tuple[str, int, int]]]
    sha256: str

    def read(self, first: int, number: int) -> bytes:
        """Reads the bytes of one picture."""
        self.file.seek(first)
        return self.file.read(number)


class _MeteredFile(io.RawIOBase):
    """A file that reports how much of it was read, and computes its checksum. A class, as `gzip` needs a file object."""

    def __init__(self, file: io.RawIOBase, on_read: Callable[[int], Any]):
        self.file, self.on_read, self.digest = file, on_read, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        number = self.file.readinto(buffer) or 0
        self.digest.update(memoryview(buffer)[:number])
        self.on_read(number)
        return number


def spool(archive: Path, folder: Path, on_read: Callable[[int], Any] = lambda size: None) -> Spooled:
    """Reads an archive of NAME/{train,val,test}/*.jpg once, to its end. No file is written under a name from the archive.

    Args:
        archive: tar.gz; the splits may lie at any depth, as mirrors differ.
        folder: for the temporary file.
        on_read: called with the number of bytes of the archive that were just read.

    Raises:
        Damaged: it is damaged, truncated, no archive, or holds none of the splits.
        UserError: it does not exist, or holds a path that leads outside of it.
        OSError: it cannot be read, or the disk is full.
    """
    if not archive.is_file():
        what = "is no file" if archive.exists() else "does not exist"
        raise UserError(f"the archive {archive} {what}: give the path of a NAME.tar.gz.")
    spooled = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it is returned open)
    try:
        with archive.open("rb", buffering=0) as raw:
            metered = _MeteredFile(raw, on_read)
            places = _copy_pictures(archive, io.BufferedReader(metered, CHUNK), spooled)
            splits = {
                split: sorted(
                    ((name, *place) for name, place in places[split].items()), key=lambda item: natural_key(item[0])
                )
                for split in ("train", "val", "test")
                if split in places
            }
            return Spooled(spooled, splits, metered.digest.hexdigest())
    except BaseException:
        spooled.close()
        raise


def _copy_pictures(archive: Path, file: IO[bytes], spooled: IO[bytes]) -> dict[str, dict[str, tuple[int, int]]]:
    """Copies every picture: {split: {name: (first byte, number of bytes)}}."""
    places: dict[str, dict[str, tuple[int, int]]] = {}
    end = 0
    try:
        with gzip.GzipFile(fileobj=file) as plain, tarfile.open(fileobj=plain, mode="r|", encoding="utf-8") as tar:
            for member in tar:
                _refuse_outside_path(archive, member)
                found = MEMBER.fullmatch(member.name)
                content = tar.extractfile(member) if found and member.isreg() else None
                if found and content:
                    data = content.read()
                    spooled.write(data)
                    places.setdefault(found[1].lower(), {})[found[2]] = (end, len(data))
                    end += len(data)
            while plain.read(CHUNK):  # reads on to the checksum at the end
                pass
    except UserError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:  # ValueError: of a header
        raise Damaged(
            f"the archive {archive} is damaged or truncated ({str(error).rstrip('.').lower()}): download it again."
        ) from None
    spooled.flush()
    if not places:
        raise Damaged(
            f"the archive {archive} holds no train/*.jpg, val/*.jpg or test/*.jpg: it is not one of the paper's sets."
        )
    return places


def _refuse_outside_path(archive: Path, member: tarfile.TarInfo) -> None:
    """Refuses an archive with a path outside of it. The path does no harm here, but the archive cannot be trusted."""
    folder, name = Path("/nowhere"), member.name.lstrip("/")
    if PurePosixPath(name).parts:  # an archive may name its own root
        join_inside(folder, name, f"the archive {archive}")
    try:
        tarfile.data_filter(member, str(folder))
    except (tarfile.FilterError, ValueError):  # ValueError: the target of a link has null bytes
        raise refuse_outside(member.name, f"the archive {archive}") from None

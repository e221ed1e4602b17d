"""The archives of the paper's six sets: their address, and reading one."""

import gzip
import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from p2p_jax.data.names import natural_key
from p2p_jax.errors import UserError
from p2p_jax.files.names import join_inside, refuse_outside
from p2p_jax.limits.budget import MIB, OverBudget, check_members

MIRROR = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
"""Folder of the archives, NAME.tar.gz; until 2018 it was people.eecs.berkeley.edu/~tinghuiz/projects/pix2pix/datasets."""

MEMBER = re.compile(r"(?:.*/)?(train|val|test)/([^/.][^/]*)\.jpe?g", re.IGNORECASE)
CHUNK = MIB  # bytes that are read at a time, and the longest header

PICTURE_BYTES = 256 * MIB
"""Largest size of one picture in an archive."""

EXPANSION = 20
"""Limit on the size of the unpacked archive, as a multiple of its own size. JPEGs do not become smaller by packing."""

SMALL = 256 * MIB
"""Size up to which every archive may be unpacked."""


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


class _PlainTar(gzip.GzipFile):
    """The unpacked tar file of an archive. Its readers may not ask for long pieces, go back, or read on without end."""

    def __init__(self, file: IO[bytes], limit: int):
        super().__init__(fileobj=file)
        self.limit = limit

    def read(self, size: int | None = -1) -> bytes:
        """Reads at most `CHUNK` bytes.

        Raises:
            ReadError: more are asked for.
            OverBudget: the archive becomes larger than its limit.
        """
        if size is None or not 0 <= size <= CHUNK:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        self._refuse_beyond(self.tell() + size - CHUNK)
        return super().read(size)

    def tell(self) -> int:
        """The position in the tar file."""
        return super().seek(0, io.SEEK_CUR)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves forward to a place, counted from the beginning.

        Raises:
            ReadError: the place lies before the position; a tar file of a stranger could otherwise be read forever.
            OverBudget: the place lies beyond the limit.
        """
        if whence or offset < self.tell():
            raise tarfile.ReadError("a header has a negative size")
        self._refuse_beyond(offset)
        return super().seek(offset)

    def _refuse_beyond(self, place: int) -> None:
        if place > self.limit:
            raise OverBudget(f"becomes larger than {self.limit // MIB} MiB when it is unpacked")


def spool(archive: Path, folder: Path, on_read: Callable[[int], Any] = lambda size: None) -> Spooled:
    """Reads an archive of NAME/{train,val,test}/*.jpg once, to its end. No file is written under a name from the archive.

    Args:
        archive: tar.gz; the splits may lie at any depth, as mirrors differ.
        folder: for the temporary file.
        on_read: called with the number of bytes of the archive that were just read.

    Raises:
        Damaged: it is damaged, truncated, no archive, or holds none of the splits.
        UserError: it does not exist, holds a path that leads outside of it, or becomes enormous when it is unpacked.
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
    limit = max(SMALL, EXPANSION * archive.stat().st_size)
    with _tar_errors(archive):
        plain = _PlainTar(file, limit)
        tar = tarfile.TarFile(fileobj=plain)
    with plain, tar:
        for member in _list_members(archive, tar):
            found = MEMBER.fullmatch(member.name)
            if not found or not member.isreg():
                continue
            with _tar_errors(archive):
                _check_picture(member)
                content = tar.extractfile(member)
            first = end
            while chunk := _read(archive, content):
                end += spooled.write(chunk)
            places.setdefault(found[1].lower(), {})[found[2]] = (first, end - first)
        while chunk := _read(archive, plain):  # reads on to the checksum at the end
            if chunk.strip(b"\0"):
                raise _damaged(archive, "data lies behind its last member")
    spooled.flush()
    if not places:
        raise Damaged(
            f"the archive {archive} holds no train/*.jpg, val/*.jpg or test/*.jpg: it is not one of the paper's sets."
        )
    return places


def _list_members(archive: Path, tar: Any) -> Iterator[tarfile.TarInfo]:
    """Yields the members one after the other, without keeping them in memory."""
    count = 0
    while True:
        with _tar_errors(archive):
            member = tar.next()
            count += 1
            check_members(count)
        if member is None:
            return
        _refuse_outside_path(archive, member)
        yield member
        tar.members.clear()
        tar.pax_headers.clear()


def _check_picture(member: tarfile.TarInfo) -> None:
    if member.issparse() or not 0 <= member.size <= PICTURE_BYTES:
        raise OverBudget(f"claims a picture of {member.size // MIB} MiB")


def _read(archive: Path, content: Any) -> bytes:
    with _tar_errors(archive):
        return content.read(CHUNK)


@contextmanager
def _tar_errors(archive: Path) -> Iterator[None]:
    """Raises `Damaged` in place of any exception of the libraries, which raise many kinds of them for damaged archives.

    Raises:
        OSError: the file cannot be read.
        UserError: the archive is larger than the budget allows.
    """
    try:
        yield
    except OverBudget as error:
        raise UserError(f"the archive {archive} {error}: do not use this archive, get another copy of it.") from None
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        reason = "its headers are nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _damaged(archive, reason) from None


def _damaged(archive: Path, reason: str) -> Damaged:
    reason = " ".join(reason.split()).rstrip(".").lower()
    return Damaged(f"the archive {archive} is damaged or truncated ({reason}): download it again.")


def _refuse_outside_path(archive: Path, member: tarfile.TarInfo) -> None:
    """Refuses an archive with a path outside of it. The path does no harm here, but the archive cannot be trusted."""
    folder, name = Path("/nowhere"), member.name.lstrip("/")
    if PurePosixPath(name).parts:  # an archive may name its own root
        join_inside(folder, name, f"the archive {archive}")
    try:
        tarfile.data_filter(member, str(folder))
    except (tarfile.FilterError, ValueError, OSError):  # the last two for a name or a target that no file can have
        raise refuse_outside(member.name, f"the archive {archive}") from None

"""The archives of the paper's six sets: where they are, what is in them, and reading one."""

import gzip
import hashlib
import io
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from p2p_jax.data.layout import natural

MIRROR = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
"""Folder of the archives, NAME.tar.gz; until 2018 it was people.eecs.berkeley.edu/~tinghuiz/projects/pix2pix/datasets."""

MEMBER = re.compile(r"(?:.*/)?(train|val|test)/([^/.][^/]*)\.jpe?g", re.IGNORECASE)
CHUNK = 2**20


class PaperSet(NamedTuple):
    """One of the paper's sets.

    Attributes:
        left, right: what A and B are in its side-by-side pictures.
        pairs: how many pairs each split has, as published.
        homepage: where the pictures come from.
        terms: what is known of their licence.
        size: of the archive in bytes, None where it was not found; what a mirror has may differ.
        sha256: of the archive, None where none was published.
    """

    left: str
    right: str
    pairs: dict[str, int]
    homepage: str
    terms: str
    size: int | None = None
    sha256: str | None = None


PAPER_SETS: dict[str, PaperSet] = {
    "facades": PaperSet(
        "photo of a facade", "its parts as colours", {"train": 400, "val": 100, "test": 106},
        "https://cmp.felk.cvut.cz/~tylecr1/facade/", "No licence is in the archive; see the CMP Facade Database.",
        size=30_168_306,
    ),
    "maps": PaperSet(
        "aerial photo", "map", {"train": 1096, "val": 1098},
        "https://phillipi.github.io/pix2pix/", "Scraped from Google Maps, whose terms apply.", size=250_242_400,
    ),
    "cityscapes": PaperSet(
        "photo of a street", "its parts as colours", {"train": 2975, "val": 500},
        "https://www.cityscapes-dataset.com/", "The terms of Cityscapes apply: research that is not commercial.",
        size=103_441_232,
    ),
    "edges2shoes": PaperSet(
        "edges", "photo of a shoe", {"train": 49_825, "val": 200},
        "https://vision.cs.utexas.edu/projects/finegrained/utzap50k/",
        "The terms of UT Zappos50K apply: academic use that is not commercial.",
    ),
    "edges2handbags": PaperSet(
        "edges", "photo of a handbag", {"train": 138_567, "val": 200},
        "https://github.com/junyanz/iGAN", "Collected from Amazon for iGAN; no licence is in the archive.",
    ),
    "night2day": PaperSet(
        "photo by night", "photo by day", {"train": 17_823, "val": 2287, "test": 2297},
        "http://transattr.cs.brown.edu/", "From the Transient Attributes set; no licence is in the archive.",
    ),
}  # fmt: skip


class Damaged(ValueError):
    """An archive that cannot be read to its end."""


class Spooled(NamedTuple):
    """The pictures of an archive, one after the other in one file that has no name and vanishes when it is closed.

    Attributes:
        file: their bytes.
        splits: {"train" | "val" | "test": [(name, first byte, number of bytes)]} in the natural order of names.
        sha256: checksum of the archive.
    """

    file: IO[bytes]
    splits: dict[str, list[tuple[str, int, int]]]
    sha256: str

    def read(self, first: int, number: int) -> bytes:
        """The bytes of one picture."""
        self.file.seek(first)
        return self.file.read(number)


class _Watched(io.RawIOBase):
    """A file that tells how far it was read, and its checksum; `gzip` wants an object with methods."""

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
    """Reads an archive of NAME/{train,val,test}/*.jpg through once, to the end; nothing is unpacked by its name.

    Args:
        archive: tar.gz; its pictures may lie deeper or less deep, as mirrors have them.
        folder: where there is room for all pictures.
        on_read: called with the number of bytes of the archive just read.

    Raises:
        Damaged: it is damaged, cut off, no archive, or holds none of the splits.
        ValueError: it does not exist, or holds paths that lead out of it.
        OSError: it cannot be read, or the disk is full.
    """
    if not archive.is_file():
        what = "is no file" if archive.exists() else "does not exist"
        raise ValueError(f"the archive {archive} {what}: give the path of a NAME.tar.gz.")
    spooled = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it is handed on open)
    try:
        with archive.open("rb", buffering=0) as raw:
            watched = _Watched(raw, on_read)
            places = _copy_pictures(archive, io.BufferedReader(watched, CHUNK), spooled)
            splits = {
                split: sorted(((name, *place) for name, place in places[split].items()), key=lambda item: natural(item[0]))
                for split in ("train", "val", "test")
                if split in places
            }
            return Spooled(spooled, splits, watched.digest.hexdigest())
    except BaseException:
        spooled.close()
        raise


def _copy_pictures(archive: Path, file: IO[bytes], spooled: IO[bytes]) -> dict[str, dict[str, tuple[int, int]]]:
    """Copies every picture: {split: {name: (first byte, number of bytes)}}."""
    places: dict[str, dict[str, tuple[int, int]]] = {}
    end = 0
    try:
        with gzip.GzipFile(fileobj=file) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                _refuse_way_out(archive, member)
                found = MEMBER.fullmatch(member.name)
                content = tar.extractfile(member) if found and member.isreg() else None
                if found and content:
                    data = content.read()
                    spooled.write(data)
                    places.setdefault(found[1].lower(), {})[found[2]] = (end, len(data))
                    end += len(data)
            while plain.read(CHUNK):  # the checksum is at the very end
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(
            f"the archive {archive} is damaged or cut off ({str(error).rstrip('.').lower()}): download it again."
        ) from None
    spooled.flush()
    if not places:
        raise Damaged(f"the archive {archive} holds no train/*.jpg, val/*.jpg or test/*.jpg: it is not of these sets.")
    return places


def _refuse_way_out(archive: Path, member: tarfile.TarInfo) -> None:
    """Refuses an archive that tries to write elsewhere; nothing would come of it here, but it is none to trust."""
    try:
        tarfile.data_filter(member, "/nowhere")
    except tarfile.FilterError:
        raise ValueError(
            f"the archive {archive} holds {member.name!r}, which is no file inside it: do not use it, get it elsewhere."
        ) from None

"""Archives of the paper's sets: damaged ones, and those with paths that lead out of them."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from helpers.small_archives import jpeg, pictures, read_all, write_archive

from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets import archives
from p2p_jax.data.sets.archives import spool
from p2p_jax.data.sets.builders import prepare_archive
from p2p_jax.errors import UserError
from p2p_jax.limits import budget


@pytest.fixture
def facades(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "facades.tar.gz", "facades", pictures("facades"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


def test_splits_may_lie_deeper_and_other_files_are_ignored(tmp_path: Path, root: Path) -> None:
    extra = {
        "./deep/facades/train/7.JPG": jpeg(7),
        "facades/train/._1.jpg": b"of a Mac",
        "facades/train/1.txt": b"text",
        "facades/README": b"text",
        "facades/others/1.jpg": jpeg(1),
    }
    prepare_archive("facades", write_archive(tmp_path / "a.tar.gz", "facades", {}, extra=extra), data_dir=root)
    splits = open_prepared("pix2pix/facades", root).splits
    assert set(splits) == {"train"}
    assert read_all(splits["train"]) == {"7": jpeg(7)}


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9, 0.999])
def test_truncated_archives_are_refused(facades: Path, root: Path, fraction: float) -> None:
    data = facades.read_bytes()
    facades.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(ValueError, match=r"facades\.tar\.gz is damaged or truncated \(.*\): download it again"):
        prepare_archive("facades", facades, data_dir=root)
    assert not root.exists(), "nothing is left"


def test_damaged_archives_are_refused(facades: Path, root: Path, tmp_path: Path) -> None:
    data = bytearray(facades.read_bytes())
    data[-6] ^= 1  # in the checksum at the end: all pictures have been read by then
    facades.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged or truncated"):
        prepare_archive("facades", facades, data_dir=root)
    for content in (b"<html>Not found</html>", gzip.compress(b"no tar" * 200), b""):
        facades.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged or truncated"):
            prepare_archive("facades", facades, data_dir=root)
    write_archive(facades, "facades", {}, extra={"facades/readme.txt": b"text"})
    with pytest.raises(ValueError, match="holds no train"):
        prepare_archive("facades", facades, data_dir=root)
    with pytest.raises(ValueError, match=r"nothing\.tar\.gz does not exist"):
        prepare_archive("facades", tmp_path / "nothing.tar.gz", data_dir=root)


@pytest.mark.parametrize("name", ["../../evil.jpg", "facades/train/../../../evil.jpg"])
def test_paths_that_lead_out_of_the_archive_are_refused(name: str, tmp_path: Path, root: Path) -> None:
    archive = write_archive(tmp_path / "a.tar.gz", "facades", {"train": {"1": jpeg(1)}}, extra={name: jpeg(2)})
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"holds '.*evil\.jpg', a path outside of it"):
        prepare_archive("facades", archive, data_dir=root)
    assert set(tmp_path.rglob("*")) == before


def test_links_that_lead_out_of_the_archive_are_refused(tmp_path: Path, root: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("facades/train/1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link, io.BytesIO())
    with pytest.raises(ValueError, match="a path outside of it"):
        prepare_archive("facades", archive, data_dir=root)


def gnu_header(name: bytes, kind: bytes, size: int, real_size: int | None = None) -> bytes:
    """A header in GNU's format; one of a sparse file has a real size, too."""
    header = bytearray(512)
    header[: len(name)], header[156:157], header[257:265] = name, kind, b"ustar  \0"
    header[100:108], header[124:136], header[136:148] = b"0000644\0", b"%011o\0" % size, b"00000000000\0"
    if real_size is not None:
        header[386:398] = header[398:410] = b"00000000000\0"
        header[483:495] = b"%011o\0" % real_size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def negative_size() -> bytes:
    """A header whose size leads back to itself."""
    header = bytearray(gnu_header(b"f/train/1.jpg", b"0", 0))
    header[124:136] = b"\xff" * 8 + (2**32 - 512).to_bytes(4)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


END = bytes(1024)
PHOTO = b"f/train/1.jpg"
BOMBS = {
    "a sparse picture": gnu_header(PHOTO, b"S", 0, 6_400_000_000) + END,
    "a huge picture": gnu_header(PHOTO, b"0", 2**28 + 1) + bytes(2**20),
    "a huge name": gnu_header(b"././@LongLink", b"L", 2**30) + b"a" * 2**20,
    "huge attributes": gnu_header(b"pax", b"x", 2**30) + b"1" * 2**20,
    "headers of headers": (gnu_header(b"././@LongLink", b"L", 10) + b"a" * 512) * 3000 + gnu_header(PHOTO, b"0", 0) + END,
    "a size that leads back": gnu_header(b"f/other", b"0", 0) + negative_size() + END,
    "a negative size at the beginning": negative_size() + END,
    "many members": gnu_header(b"f/other", b"0", 0) * 100 + END,
    "a huge file that is no picture": gnu_header(b"f/other", b"0", 2**22) + bytes(2**22) + END,
    "data behind the end": gnu_header(PHOTO, b"0", 0) + END + b"x" * 512,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_archives_that_unpack_to_an_enormous_size_are_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(budget, "MEMBERS", 90)
    monkeypatch.setattr(archives, "SMALL", 2**21)
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(BOMBS[kind], mtime=0))
    assert len(archive.read_bytes()) < 25_000
    with pytest.raises(UserError, match=r"a\.tar\.gz") as caught:
        spool(archive, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("name", ["a/..", "facades/train/1\0.jpg", "..", "facades/../train/1.jpg"])
def test_other_names_that_cannot_be_trusted_are_refused(name: str, tmp_path: Path, root: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("facades/train/1.jpg")
        info.pax_headers = {"path": name}
        tar.addfile(info, io.BytesIO())
    with pytest.raises(UserError, match="a path outside of it"):
        prepare_archive("facades", archive, data_dir=root)
    assert not root.exists()


@pytest.mark.parametrize("target", ["../../../etc/passwd", "/etc/passwd", "a\0b"])
def test_hard_links_that_lead_out_of_the_archive_are_refused(target: str, tmp_path: Path, root: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        link = tarfile.TarInfo("facades/train/1.jpg")
        link.type, link.pax_headers = tarfile.LNKTYPE, {"linkpath": target}
        tar.addfile(link)
    with pytest.raises(UserError, match="a path outside of it"):
        prepare_archive("facades", archive, data_dir=root)


def test_an_archive_may_name_its_own_root(tmp_path: Path, root: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in (".", "./"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        info = tarfile.TarInfo("/facades/train/1.jpg")
        info.size = len(jpeg(1))
        tar.addfile(info, io.BytesIO(jpeg(1)))
    prepare_archive("facades", archive, data_dir=root)
    assert read_all(open_prepared("pix2pix/facades", root).splits["train"]) == {"1": jpeg(1)}


def test_names_that_are_not_utf8_or_hold_control_characters_are_replaced(tmp_path: Path, root: Path) -> None:
    names = {"caf\udce9": jpeg(1), "a\x1b[2J\n": jpeg(2), "é": jpeg(3), "9" * 5000: jpeg(4)}
    prepare_archive("facades", write_archive(tmp_path / "a.tar.gz", "facades", {"train": names}), data_dir=root)
    found = read_all(open_prepared("pix2pix/facades", root).splits["train"])
    assert found == {r"caf\xe9": jpeg(1), r"a\x1b[2J\n": jpeg(2), "é": jpeg(3), "9" * 5000: jpeg(4)}

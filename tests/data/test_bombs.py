"""Small files that claim an enormous content: each is refused or read within the budget, in a process of its own.

The bombs are made here; the process reads them, and prints its peak memory in MiB and what the reader said.
"""

import io
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.cases import tiers
from PIL import Image

from p2p_jax.data import decoded
from p2p_jax.data.decoded import Unreadable
from p2p_jax.data.decoders import decode_bytes
from p2p_jax.data.pictures import Encoded, decode, of_file
from p2p_jax.errors import UserError
from p2p_jax.limits import budget
from p2p_jax.limits.budget import MEMORY, MIB, MemoryBudget

READ = """
import re, sys
from pathlib import Path
from p2p_jax.data.pictures import decode, of_file
try:
    said = str(decode(of_file(Path(sys.argv[1]))).pixels.shape)
except ValueError as error:
    said = type(error).__name__ + ": " + str(error)
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
print(said)
"""
BASE = 100  # MiB of a process that imports the decoders, generously


def read(path: Path) -> tuple[int, str]:
    """Reads a picture in a process of its own: (peak memory in MiB, shape or message)."""
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True, timeout=100)
    assert done.stderr == ""
    peak, said = done.stdout.splitlines()
    return int(peak), said


def png(path: Path, width: int, height: int, colour: int, bits: int = 8, channels: int = 1) -> Path:
    """A black PNG, made row by row."""
    row = bytes(1 + width * channels * bits // 8)
    packer = zlib.compressobj(9)
    packed = b"".join([packer.compress(row * 64) for _ in range(height // 64)]) + packer.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    chunks += [(b"PLTE", bytes(768)), (b"tRNS", bytes(256))] if colour == 3 else []
    chunks += [(b"IDAT", packed), (b"IEND", b"")]
    made = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(made))
    return path


def tiff(path: Path, *pages: dict[int, int]) -> Path:
    """A TIFF whose pages have 16 x 16 pixels of 16 bits and no data, with other tags as given."""
    written = bytearray(b"II*\0" + struct.pack("<I", 8))
    for index, tags in enumerate(pages):
        all_tags = {256: 16, 257: 16, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: 512} | tags
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(all_tags.items()))
        after = len(written) + 2 + len(entries) + 4
        written += struct.pack("<H", len(all_tags)) + entries
        written += struct.pack("<I", after if index + 1 < len(pages) else 0)
    path.write_bytes(bytes(written) + bytes(2048))
    return path


def npz(path: Path, shape: tuple[int, ...], dtype: str, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """An NPZ of zeros, made piece by piece."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    rest = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("a.npy", "w", force_zip64=True) as entry:
        entry.write(header.getvalue())
        while rest > 0:
            rest -= entry.write(bytes(min(rest, 2**22)))
    return path


def rle_bmp(path: Path) -> Path:
    """A BMP of run lengths, 134 million pixels in 4 steps."""
    header = struct.pack("<IiiHHIIiiII", 40, 2**14, 2**14, 1, 8, 1, 0, 0, 0, 256, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 2000, 0, 0, 1078) + header + bytes(1024) + b"\0\2\0\xff" * 65 + b"\0\1")
    return path


REFUSED = {
    "the second page of a TIFF": lambda path: tiff(path, {}, {256: 40000, 257: 40000}),
    "a tile of the second page": lambda path: tiff(path, {}, {322: 32768, 323: 32768, 324: 300, 325: 2000, 259: 8}),
    "a tile of the only page": lambda path: tiff(path, {322: 50000, 323: 50000, 324: 8, 325: 2000, 259: 8}),
    "the page after a thumbnail": lambda path: tiff(path, {254: 1}, {256: 30000, 257: 30000}),
    "many wide values": lambda path: tiff(path, *[{256: 720, 257: 720, 258: 64, 339: 3}] * 250),
    "a picture in a tile": lambda path: tiff(path, {322: 16, 323: 16, 324: 300, 325: 2000, 259: 50002}),
    "an NPZ of complex numbers": lambda path: npz(path, (4000, 4000), "<c16"),
    "an NPZ of wide numbers": lambda path: npz(path, (13000, 13000), "<f8"),
    "an NPZ with another compression": lambda path: npz(path, (1000, 1000), "<f8", zipfile.ZIP_LZMA),
    "a PNG of 16 bits": lambda path: png(path, 14080, 14080, 6, 16, 4),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", tiers(REFUSED, 5))
def test_bombs_are_refused_without_taking_memory(tmp_path, kind):
    peak, said = read(REFUSED[kind](tmp_path / "bomb"))
    assert said.startswith("UserError: ")
    assert str(tmp_path / "bomb") in said
    assert peak < BASE


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda path: png(path, 11584, 11584, 3), rle_bmp], ids=["palette PNG", "RLE BMP"])
def test_large_pictures_of_one_colour_are_read_within_the_budget(tmp_path, make):
    peak, _ = read(make(tmp_path / "bomb"))
    assert peak < MEMORY // MIB + BASE


PHOTOS = [{"format": "JPEG", "progressive": True}, {"format": "JPEG"}, {"format": "TIFF"}]


@pytest.mark.slow
@pytest.mark.parametrize("options", tiers(PHOTOS))
def test_a_photo_of_a_hundred_megapixels_is_read_within_the_budget(tmp_path, options):
    Image.effect_noise((750, 525), 50).convert("RGB").resize((12000, 8400)).save(tmp_path / "photo", **options)
    peak, said = read(tmp_path / "photo")
    assert said == "(8400, 12000, 3)"
    assert peak < MEMORY // MIB + BASE


class Recorded(MemoryBudget):
    """A budget that records the most bytes that are reserved at the same time."""

    def __init__(self, total: int):
        super().__init__(total)
        self.lock, self.now, self.most, self.times = threading.Lock(), 0, 0, 0

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        with super().reserve(size):
            if not size:
                yield
                return
            with self.lock:
                self.now, self.times = self.now + size, self.times + 1
                self.most = max(self.most, self.now)
            yield
            with self.lock:
                self.now -= size


def test_sixteen_threads_that_decode_stay_within_the_budget(tmp_path, monkeypatch):
    Image.new("RGB", (1200, 1000), "red").save(tmp_path / "1.png")
    shared = Recorded(20 * MIB)
    monkeypatch.setattr(decoded, "DECODING", shared)
    with ThreadPoolExecutor(16) as pool:
        shapes = list(pool.map(lambda _: decode(of_file(tmp_path / "1.png")).pixels.shape, range(64), timeout=60))
    assert shapes == [(1000, 1200, 3)] * 64
    assert shared.times == 64
    assert 1000 * 1200 * 7 <= shared.most <= 20 * MIB


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "CMYK", "1", "I;16"])
def test_pictures_that_are_converted_in_strips_are_the_same(tmp_path, monkeypatch, mode, orientation):
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(0, 256, (41, 30, 3), np.uint8))
    exif = Image.Exif()
    exif[274] = orientation
    picture.convert("I" if mode == "I;16" else mode).convert(mode).save(tmp_path / "1.tif", exif=exif)
    whole = [decode(of_file(tmp_path / "1.tif"), indices=indices) for indices in (False, True)]
    monkeypatch.setattr("p2p_jax.data.decode_pil.STRIP", 100)
    for indices in (False, True):
        assert np.array_equal(decode(of_file(tmp_path / "1.tif"), indices=indices).pixels, whole[indices].pixels)


def test_large_files_are_read_from_the_disk_like_small_ones(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 65536, (40, 30, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "deep.tiff", pixels, photometric="rgb", compression="deflate", metadata=None)
    np.savez_compressed(tmp_path / "1.npz", pixels)
    np.save(tmp_path / "1.npy", np.asfortranarray(pixels))
    for name in ("1.jpg", "1.png", "1.webp", "1.bmp", "1.tif"):
        Image.fromarray((pixels // 256).astype(np.uint8)).save(tmp_path / name)
    paths = sorted(tmp_path.iterdir())
    before = [decode(Encoded("x", path.read_bytes())).pixels for path in paths]
    monkeypatch.setattr("p2p_jax.data.pictures.UNCOUNTED", 10)
    monkeypatch.setattr(budget, "UNCOUNTED", 10)
    for path, expected in zip(paths, before, strict=True):
        assert np.array_equal(decode(of_file(path)).pixels, expected), path.name


@pytest.mark.parametrize("scans", [2, 3000])
def test_a_jpeg_of_thousands_of_scans_is_refused(scans):
    encoded = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(encoded, "JPEG", progressive=True)
    data = encoded.getvalue()
    last = data.rindex(b"\xff\xda")
    data = data[:last] + data[last:-2] * scans + data[-2:]
    if scans == 2:
        assert decode_bytes(data, False).pixels.shape == (1000, 1000, 3)
    else:
        with pytest.raises(Unreadable, match="scans"):
            decode_bytes(data, False)


def test_pipes_and_devices_are_not_opened(tmp_path):
    (tmp_path / "1.png").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="is not a regular file"):
        decode(of_file(tmp_path / "1.png"))

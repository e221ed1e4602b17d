"""Archives like those of the paper's sets, with a few tiny JPEGs."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.file_server import Server, serve
from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.sets import download, prepare

Pictures = dict[str, dict[str, bytes]]
"""{split: {name without ending: JPEG}}."""

COUNTS = {
    "facades": {"train": 12, "val": 3, "test": 4},
    "maps": {"train": 11, "val": 2},
    "cityscapes": {"train": 3, "val": 2},
    "edges2shoes": {"train": 10, "val": 2},
    "edges2handbags": {"train": 4, "val": 1},
    "night2day": {"train": 3, "val": 2, "test": 2},
}


def jpeg(seed: int, side: int = 16) -> bytes:
    """A side-by-side JPEG of noise."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, 2 * side, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


def pictures(name: str, side: int = 16) -> Pictures:
    """The pictures of a set's archive, with its kind of names."""
    form = {"edges2shoes": "{}_AB", "edges2handbags": "{}_AB", "night2day": "14_{}_to_1163"}.get(name, "{}")
    return {
        split: {form.format(i): jpeg(1000 * len(split) + i, side) for i in range(1, count + 1)}
        for split, count in COUNTS[name].items()
    }


def write_archive(path: Path, name: str, content: Pictures, *, extra: dict[str, bytes] | None = None) -> Path:
    """Writes NAME/{split}/N.jpg as tar.gz, the pictures in reverse order, after the extra members."""
    with tarfile.open(path, "w:gz") as tar:
        members = dict(extra or {})
        for split, named in content.items():
            members |= {f"{name}/{split}/{stem}.jpg": data for stem, data in sorted(named.items(), reverse=True)}
        for member, data in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def read_all(records: Any) -> dict[str, bytes]:
    """{name: JPEG} of the records of a prepared set."""
    return {records[i]["name"].decode(): records[i]["pair"] for i in range(len(records))}


@contextmanager
def serve_archives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves the archives of all six sets below /sets, which replaces the address of the paper."""
    files = {}
    for name in PAPER_SETS:
        path = write_archive(folder / f"{name}.tar.gz", name, pictures(name, side=48))
        files[f"/sets/{name}.tar.gz"] = path.read_bytes()
        path.unlink()
    monkeypatch.setattr(download, "WAIT", 0.0)
    with serve(files) as running:
        monkeypatch.setattr(prepare, "MIRROR", running.url("/sets"))
        yield running


def litter(root: Path) -> list[str]:
    """Everything below the data folder that does not belong to a finished set."""
    return [str(p.relative_to(root)) for p in root.rglob("*") if "1.0.0" not in p.parts or "incomplete" in str(p)]


def state(root: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder, with its inode and time."""
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*")}


def write_own(folder: Path) -> Path:
    """Writes 11 training and 2 test pairs in folders A and B."""
    for split, count in (("train", 11), ("test", 2)):
        for side in "AB":
            (folder / split / side).mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / side / f"{i}.png")
    return folder

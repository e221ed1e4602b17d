"""Archives as those of the paper's sets, with a handful of tiny JPEGs."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

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
    """What the archive of a set holds, named as there."""
    form = {"edges2shoes": "{}_AB", "edges2handbags": "{}_AB", "night2day": "14_{}_to_1163"}.get(name, "{}")
    return {
        split: {form.format(i): jpeg(1000 * len(split) + i, side) for i in range(1, count + 1)}
        for split, count in COUNTS[name].items()
    }


def write_archive(path: Path, name: str, content: Pictures, *, extra: dict[str, bytes] | None = None) -> Path:
    """Writes NAME/{split}/N.jpg as tar.gz, the pictures in no good order, and other members before them."""
    with tarfile.open(path, "w:gz") as tar:
        members = dict(extra or {})
        for split, named in content.items():
            members |= {f"{name}/{split}/{stem}.jpg": data for stem, data in sorted(named.items(), reverse=True)}
        for member, data in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path

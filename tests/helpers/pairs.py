"""Small pairs in folders, and reading them."""

from pathlib import Path
from typing import Any

import numpy as np

from p2p_jax.config import Data
from p2p_jax.data.fit import Fit
from p2p_jax.data.layout import find_pairs
from p2p_jax.data.pairs import RecordedPairs
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.records import FileRecords

OWN = Fit("none", (16, 16), (16, 16))
"""Pictures keep their own sizes."""


def resized(*size: int) -> Fit:
    """Pictures are resized to (height, width)."""
    return Fit("resize_and_crop", size, size)


def pairs_of(folder: Path, **data: Any) -> RecordedPairs:
    """The training pairs of a folder, read with some fields of `Data`."""
    return RecordedPairs(FileRecords(find_pairs(folder)["train"]), Data(**data))


def random_pixels(shape: tuple[int, ...], dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def write_sides(folder: Path, **sides: np.ndarray) -> Path:
    """Writes one pair, named 1, with a folder for each side."""
    for side, pixels in sides.items():
        write_picture(folder / side / ("1.tiff" if pixels.dtype == np.float32 else "1.png"), pixels)
    return folder

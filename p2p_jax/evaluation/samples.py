"""Sample grids: pictures with rows of input, output and target."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from p2p_jax.config import Data, Side
from p2p_jax.data.pairs import Example
from p2p_jax.data.sides import show
from p2p_jax.files.writing import atomic_file, make_own_folder

MARGIN, HEADER = 4, 16


Columns = dict[str, Sequence[np.ndarray]]
"""{title: pictures of the column, uint8 (h, w, 1) or (h, w, 3), one for each row}."""


def sample_columns(examples: Sequence[Example], outputs: Sequence[ArrayLike], data: Data) -> Columns:
    """The columns of a grid: input, output and target; a side of several pictures has several columns.

    Args:
        examples: stored values of some pairs.
        outputs: the translator's outputs for their inputs, stored values.
        data: options of both sides.
    """
    return {
        **_shown("input", [example["input"] for example in examples], data.input),
        **_shown("output", outputs, data.target),
        **_shown("target", [example["target"] for example in examples], data.target),
    }


def _shown(title: str, stored: Sequence[ArrayLike], side: Side) -> Columns:
    columns = list(zip(*(show(side, np.asarray(picture)) for picture in stored), strict=True))
    return {title if len(columns) == 1 else f"{title} {i}": column for i, column in enumerate(columns, start=1)}


def make_grid(columns: Columns, *, scale: int = 1) -> Image.Image:
    """Makes one picture of several columns of pictures, with a title above each column.

    Args:
        columns: the pictures; every cell is as large as the largest picture.
        scale: integer factor of enlargement, without smoothing.

    Returns:
        an RGB picture.
    """
    stacks = [[_enlarge(picture, scale) for picture in pictures] for pictures in columns.values()]
    everything = [picture for pictures in stacks for picture in pictures]
    height, width = (max(picture.shape[axis] for picture in everything) for axis in (0, 1))
    rows = len(stacks[0])
    grid = Image.new("RGB", (MARGIN + len(stacks) * (width + MARGIN), HEADER + MARGIN + rows * (height + MARGIN)), "white")
    draw = ImageDraw.Draw(grid)
    for column, (title, pictures) in enumerate(zip(columns, stacks, strict=True)):
        left = MARGIN + column * (width + MARGIN)
        draw.text((left, MARGIN), title, fill="black")
        for row, picture in enumerate(pictures):
            grid.paste(Image.fromarray(picture), (left, HEADER + MARGIN + row * (height + MARGIN)))
    return grid


def save_grid(path: Path, columns: Columns) -> None:
    """Writes a grid as PNG, with small pictures enlarged to about 128 pixels."""
    side = max(next(iter(columns.values()))[0].shape[:2])
    make_own_folder(path.parent)
    with atomic_file(path) as file:
        make_grid(columns, scale=max(1, 128 // side)).save(file, format="PNG")


def _enlarge(picture: np.ndarray, scale: int) -> np.ndarray:
    picture = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
    return picture if scale == 1 else np.repeat(np.repeat(picture, scale, 0), scale, 1)

"""Sample grids: rows of input, output and target that a person looks at."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

MARGIN, HEADER = 4, 16


def make_grid(columns: dict[str, np.ndarray], *, scale: int = 1) -> Image.Image:
    """Puts pictures side by side, one row per picture, with a title above each column.

    Args:
        columns: title to pictures, uint8 (n, h, w, c), c 1 or 3, the same n, h and w.
        scale: whole factor to enlarge by, without smoothing.

    Returns:
        an RGB picture.
    """
    stacks = [np.repeat(np.repeat(_rgb(pictures), scale, 1), scale, 2) for pictures in columns.values()]
    n, height, width, _ = stacks[0].shape
    grid = Image.new("RGB", (MARGIN + len(stacks) * (width + MARGIN), HEADER + MARGIN + n * (height + MARGIN)), "white")
    draw = ImageDraw.Draw(grid)
    for column, (title, stack) in enumerate(zip(columns, stacks, strict=True)):
        left = MARGIN + column * (width + MARGIN)
        draw.text((left, MARGIN), title, fill="black")
        for row, picture in enumerate(stack):
            grid.paste(Image.fromarray(picture), (left, HEADER + MARGIN + row * (height + MARGIN)))
    return grid


def save_grid(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Writes a grid as PNG, small pictures enlarged to about 128 pixels."""
    side = max(next(iter(columns.values())).shape[1:3])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    make_grid(columns, scale=max(1, 128 // side)).save(partial, format="PNG")
    partial.replace(path)


def _rgb(pictures: np.ndarray) -> np.ndarray:
    return np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures

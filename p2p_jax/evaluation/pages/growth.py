"""The same pairs over the training: a table of the outputs in the sample grids, with the steps from left to right."""

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from p2p_jax.config import Data, Side, named_classes
from p2p_jax.evaluation.html import escape
from p2p_jax.evaluation.pages.encoding import Encoded, Picture, encode_all
from p2p_jax.evaluation.pages.pictures import is_exact
from p2p_jax.evaluation.samples import HEADER, MARGIN
from p2p_jax.workdir.cleaning import find_samples

LARGEST_SAMPLE = 2**26  # bytes of a sample grid that the page shows
MOST_STEPS = 6  # grids that are shown
MOST_PAIRS = 4  # pairs of a grid that are shown
BUDGET = 400_000  # bytes of all pictures


class Grid(NamedTuple):
    """A sample grid that was read.

    Attributes:
        step: of the training.
        cells: pictures of each row, in the order of `titles_of`; one picture that is the whole grid if it has another form.
    """

    step: int
    cells: list[list[np.ndarray]]


def titles_of(data: Data) -> list[str]:
    """The titles of a grid's columns."""

    def titled(title: str, side: Side) -> list[str]:
        count = 1 if side.palette or named_classes(side) else len(side.channels)
        return [title] if count == 1 else [f"{title} {i}" for i in range(1, count + 1)]

    return titled("input", data.input) + titled("output", data.target) + titled("target", data.target)


def section(workdir: Path, data: Data, size: tuple[int, int]) -> str:
    """The HTML of the sample grids of a run.

    Args:
        workdir: of the run.
        data: options of both sides.
        size: height and width of its pictures.
    """
    titles = titles_of(data)
    grids = read_grids(workdir, len(titles), size)
    if not grids:
        return "<p>There are no sample grids.</p>"
    rows = len(grids[-1].cells)
    alike = [grid for grid in grids if len(grid.cells) == rows and len(grid.cells[0]) == len(titles)]
    if len(alike) < len(grids):
        return _whole(grids)
    outputs = [column for column, title in enumerate(titles) if title.startswith("output")]
    others = [column for column in range(len(titles)) if column not in outputs]
    heads = [titles[column] for column in others]
    heads += [
        f"step {grid.step}" + (f", {titles[column]}" if len(outputs) > 1 else "") for grid in grids for column in outputs
    ]
    pictures = []
    for row in range(min(rows, MOST_PAIRS)):
        cells = [(grids[-1].cells[row][column], column) for column in others]
        cells += [(grid.cells[row][column], column) for grid in grids for column in outputs]
        sides = [data.input if titles[column].startswith("input") else data.target for _, column in cells]
        pictures += [Picture(cell, is_exact(side)) for (cell, _), side in zip(cells, sides, strict=True)]
    encoded, _ = encode_all(pictures, BUDGET)
    lines = [encoded[start : start + len(heads)] for start in range(0, len(encoded), len(heads))]
    return _table(heads, lines)


def _table(heads: list[str], lines: list[list[Encoded]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = ""
    for row, line in enumerate(lines, start=1):
        cells = (_image(cell, f"pair {row}, {text}") for text, cell in zip(heads, line, strict=True))
        body += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    return (
        "<p>The pairs of the sample grids: first the pair, then the outputs at some steps of the training.</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="The same pairs over the training">'
        f'<table class="growth"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _image(picture: Encoded, text: str) -> str:
    return f'<img src="{picture.source}" width="{picture.width}" height="{picture.height}" alt="{escape(text)}">'


def _whole(grids: list[Grid]) -> str:
    """Whole grids, one below the other: their pictures have several sizes, so they cannot be told apart."""
    encoded, _ = encode_all([Picture(grid.cells[0][0]) for grid in grids], BUDGET)
    figures = ""
    for grid, each in zip(grids, encoded, strict=True):
        image = _image(each, f"inputs, outputs and targets at step {grid.step}")
        figures += f'<figure class="wide">{image}<figcaption>Step {grid.step}</figcaption></figure>'
    return figures


def read_grids(workdir: Path, columns: int, size: tuple[int, int]) -> list[Grid]:
    """Reads some of the sample grids, the first and the last among them; a file that is none is skipped with a warning.

    Args:
        workdir: of the run.
        columns: of a grid.
        size: height and width of the pictures of the run.
    """
    grids = []
    for path, step in _spread(list(find_samples(workdir).items()), MOST_STEPS):
        try:
            grids.append((step, _read(path)))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            warnings.warn(f"{path} is not a sample grid that can be shown: the report omits it.", stacklevel=2)
    found = [Grid(step, cut(pixels, columns, size) or [[pixels]]) for step, pixels in grids]
    if any(len(grid.cells[0]) != columns for grid in found):
        return [Grid(step, [[pixels]]) for step, pixels in grids]
    return found


def _read(path: Path) -> np.ndarray:
    if path.stat().st_size > LARGEST_SAMPLE:
        raise ValueError(f"{path} is too large.")
    with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as picture:
        return np.asarray(picture.convert("RGB"))


def cut(grid: np.ndarray, columns: int, size: tuple[int, int]) -> list[list[np.ndarray]] | None:
    """Cuts a grid into its pictures; None if it has another form, because its pictures have several sizes.

    Args:
        grid: uint8 (h, w, 3), as `samples.make_grid` makes it.
        columns: number of columns.
        size: height and width of the pictures before they were enlarged.
    """
    width, rest = divmod(grid.shape[1] - MARGIN, columns)
    width -= MARGIN
    if rest or width < 1 or width % size[1]:
        return None
    height = size[0] * (width // size[1])
    rows, rest = divmod(grid.shape[0] - HEADER - MARGIN, height + MARGIN)
    if rest or rows < 1:
        return None
    top, left = (lambda row: HEADER + MARGIN + row * (height + MARGIN)), (lambda column: MARGIN + column * (width + MARGIN))
    return [
        [grid[top(row) : top(row) + height, left(column) : left(column) + width] for column in range(columns)]
        for row in range(rows)
    ]


def _spread(items: list[tuple[Path, int]], count: int) -> list[tuple[Path, int]]:
    """At most `count` of the items, evenly spaced, with the first and the last."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]

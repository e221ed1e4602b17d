"""The contact sheet of a check: one PNG with some of the pairs, those with findings first and marked in red."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from p2p_jax.data.doctor.findings import Findings, PairKey
from p2p_jax.data.doctor.inspection import InspectedPair, split_halves
from p2p_jax.data.pictures import decode, of_file
from p2p_jax.data.resizing import resize
from p2p_jax.errors import UserError
from p2p_jax.files.names import printable
from p2p_jax.files.writing import atomic_file

TILE, GAP, LINE = 160, 6, 14  # pixels: the longer side of a picture, the gap between two, and the height of a line of text
COLUMNS = 3  # pairs in a row

Ranges = dict[str, tuple[float, float]]
"""{side: (smallest, largest value in the set), without the value that means nothing}."""


def draw_sheet(path: str | Path, findings: Findings, count: int = 12) -> bool:
    """Draws a contact sheet and writes it as PNG.

    Args:
        path: of the PNG; its folder is made.
        findings: of `examine.check_data`.
        count: the largest number of pairs on it.

    Returns:
        Whether there was a pair to draw; otherwise no file is written.
    """
    marks = _list_marks(findings)
    chosen = choose_pairs(findings, marks, count)
    if not chosen:
        return False
    ranges = _find_ranges(findings)
    cells = [_draw_cell(pair, marks.get((pair.split, pair.name), []), ranges) for pair in chosen]
    columns = min(COLUMNS, len(cells))
    width, height = (max(lengths) for lengths in zip(*(cell.size for cell in cells), strict=True))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (width + 2 * GAP), rows * (height + 2 * GAP)), "white")
    for i, cell in enumerate(cells):
        sheet.paste(cell, (i % columns * (width + 2 * GAP) + GAP, i // columns * (height + 2 * GAP) + GAP))
    with atomic_file(Path(path), sync=False) as file:
        sheet.save(file, format="PNG")
    return True


def _list_marks(findings: Findings) -> dict[PairKey, list[str]]:
    """{pair: kinds of its findings}, without warnings about more than half of the pairs."""
    marks: dict[PairKey, list[str]] = {}
    for finding in [*findings.problems, *findings.warnings]:
        if len(finding.pairs) <= len(findings.pairs) / 2 or finding in findings.problems:
            for key in dict.fromkeys(finding.pairs):
                marks.setdefault(key, []).append(finding.kind.replace("_", " "))
    return marks


def choose_pairs(findings: Findings, marks: dict[PairKey, list[str]], count: int) -> list[InspectedPair]:
    """Chooses the pairs of the sheet.

    Up to half of them are marked ones, or more where the others are few. The others are spread evenly over the splits.

    Args:
        findings: of `examine.check_data`.
        marks: of the pairs to be marked.
        count: the largest number of pairs.
    """
    marked = [pair for pair in findings.pairs if (pair.split, pair.name) in marks]
    others = [pair for pair in findings.pairs if (pair.split, pair.name) not in marks]
    first = marked[: max((count + 1) // 2, count - len(others))]
    splits = [[pair for pair in others if pair.split == split] for split in dict.fromkeys(pair.split for pair in others)]
    room = count - len(first)
    chosen = list(first)
    for i, split in enumerate(sorted(splits, key=len)):  # the larger splits use the room that a small one does not fill
        number = min(len(split), (room - (len(chosen) - len(first))) // (len(splits) - i))
        chosen += [split[k] for k in np.linspace(0, len(split) - 1, number).astype(int)] if number else []
    return chosen


def _find_ranges(findings: Findings) -> Ranges:
    ranges: Ranges = {}
    for pair in findings.pairs:
        for side, stats in pair.pictures.items():
            low, high = ranges.get(side, (stats.known_low, stats.known_high))
            ranges[side] = min(low, stats.known_low), max(high, stats.known_high)
    return ranges


def _draw_cell(pair: InspectedPair, marks: Sequence[str], ranges: Ranges) -> Image.Image:
    """Draws a pair with its name and marks."""
    tiles = sorted(_make_tiles(pair, ranges), key=lambda tile: tile[0])
    heights = [TILE if tile is None else tile.shape[0] for _, tile in tiles]
    cell = Image.new("RGB", (len(tiles) * (TILE + GAP), 3 * LINE + max(heights)), "white")
    draw = ImageDraw.Draw(cell)
    draw.text((0, 0), _shorten(draw, printable(f"{pair.split}: {pair.name}"), cell.width), fill="black", font_size=11)
    draw.text((0, LINE), _shorten(draw, ", ".join(marks), cell.width), fill="red", font_size=11)
    for i, (title, tile) in enumerate(tiles):
        left = i * (TILE + GAP)
        draw.text((left, 2 * LINE), title, fill="grey", font_size=11)
        if tile is None:
            draw.rectangle((left, 3 * LINE, left + TILE - 1, 3 * LINE + TILE - 1), fill="lightgrey")
        else:
            cell.paste(Image.fromarray(tile), (left, 3 * LINE))
    if marks:
        draw.rectangle((0, 3 * LINE, cell.width - GAP - 1, cell.height - 1), outline="red", width=2)
    return cell


def _make_tiles(pair: InspectedPair, ranges: Ranges) -> list[tuple[str, np.ndarray | None]]:
    """(title, picture) for each picture of a pair; None for one that cannot be read."""
    tiles: list[tuple[str, np.ndarray | None]] = []
    for side, file in pair.files.items():
        try:
            halves = {} if _is_unreadable(pair, side) else split_halves(side, decode(of_file(Path(file)), allow_nan=True))
        except UserError:
            halves = {}
        if not halves:
            tiles.append((f"{side}: cannot be read", None))
        for half_side, picture in halves.items():
            values = picture.pixels[..., :-1] if picture.has_alpha else picture.pixels
            tiles.append((half_side, make_visible(values, ranges.get(half_side, (0, 255)))))
    return tiles


def _is_unreadable(pair: InspectedPair, side: str) -> bool:
    """Whether reading failed during the check. It is not tried again, as it may hang."""
    return side not in pair.pictures and any(kind == "unreadable" for kind, _ in pair.problems)


def _shorten(draw: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """Cuts off the beginning of a text that is too wide, as names differ mostly at their ends."""
    while text and draw.textlength(text, font_size=11) > width - GAP:
        text = f"…{text[2:]}" if len(text) > 2 else ""
    return text


def make_visible(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Converts a picture for display, at most `TILE` pixels a side; other depths and class numbers are scaled to 0 to 255.

    Args:
        values: (h, w, c) without alpha.
        limits: the smallest and largest value in all pictures of this side.

    Returns:
        (h', w', 3) uint8.
    """
    height, width = values.shape[:2]
    scale = TILE / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = resize(
        values[..., :3] if values.shape[-1] >= 3 else values[..., :1], size, "bilinear" if scale < 1 else "nearest"
    )
    low, high = limits
    if values.dtype != np.uint8 or high < 64:
        scaled = (small.astype(np.float32) - low) * (255 / max(high - low, 1e-12))
        small = np.nan_to_num(np.round(scaled)).clip(0, 255).astype(np.uint8)
    return np.repeat(small, 3, axis=-1) if small.shape[-1] == 1 else small

"""What was found, in words and as a contact sheet."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.text import Text

from p2p_jax.data.doctor.advice import advise_sides
from p2p_jax.data.doctor.findings import Finding, Findings
from p2p_jax.data.doctor.kinds import Summary
from p2p_jax.data.doctor.look import Pair, halves
from p2p_jax.data.pictures import decode, of_file
from p2p_jax.data.resizing import resize

TILE, GAP, LINE = 160, 6, 14  # pixels: the longer side of a picture, the room between two, and the height of a line
COLUMNS = 3  # pairs side by side
LONGEST = 300  # characters of an item in words; JSON has all of it
SIZES_NAMED = 3
CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
DEPTHS = {"8": "8 bits", "16": "16 bits", "float": "real numbers"}

Range = dict[str, tuple[float, float]]
"""{part: (smallest, largest value of the set)}."""


def describe(findings: Findings, *, limit: int = 10) -> Text:
    """What there is, what is wrong and what is odd, in plain words.

    Args:
        findings: of `examine`.
        limit: lines of each finding; the rest is counted.
    """
    text = Text()
    for split, parts in findings.summaries.items():
        count = sum(pair.split == split for pair in findings.pairs)
        text.append(f"{split}: {count} pairs\n", "bold")
        for part, summary in parts.items():
            text.append(f"  {part}: {_in_words(summary)}\n")
    for title, style, some in (("Problems", "bold red", findings.problems), ("Warnings", "bold yellow", findings.warnings)):
        if some:
            text.append(f"{title}:\n", style)
            for finding in some:
                text.append(_finding(finding, limit))
    if not findings.problems:
        text.append("Nothing is wrong with these pairs.\n" if not findings.warnings else "", "bold green")
    for note in _notes(findings):
        text.append(f"{note}\n")
    return text


def _in_words(summary: Summary) -> str:
    words = [f"{summary.count} pictures of {_sizes(summary)}"]
    words.append(" and ".join(_counted(CHANNELS.get(n, f"{n} channels"), k, summary) for n, k in summary.channels))
    words.append(" and ".join(_counted(DEPTHS[depth], k, summary) for depth, k in summary.depths))
    words.append(f"values {summary.low:g} to {summary.high:g}")
    for what, count in (
        ("with a palette", summary.palettes), ("transparent somewhere", summary.transparent),
        ("with an opaque alpha channel", summary.alpha - summary.transparent), ("grey saved as RGB", summary.colourless),
    ):  # fmt: skip
        words += [f"{count if count < summary.count else 'all'} {what}"] if count else []
    words += [f"{len(summary.colours)} colours in all"] if summary.colours else []
    kind = {"labels": "looks like label maps", "blurred": "looks like label maps saved as JPEG", "": ""}[summary.labels]
    return ", ".join([*words, *([kind] if kind else [])])


def _counted(word: str, count: int, summary: Summary) -> str:
    return word if count == summary.count else f"{word} ({count})"


def _sizes(summary: Summary) -> str:
    named = [f"{size[1]} x {size[0]}" for size, _ in summary.sizes]
    if len(named) == 1:
        return named[0]
    if len(named) <= SIZES_NAMED:
        return " and ".join(f"{name} ({count})" for name, (_, count) in zip(named, summary.sizes, strict=True))
    heights, widths = zip(*(size for size, _ in summary.sizes), strict=True)
    return f"{len(named)} sizes from {min(widths)} to {max(widths)} wide and {min(heights)} to {max(heights)} high"


def _finding(finding: Finding, limit: int) -> Text:
    text = Text(f"  {finding.sentence}\n")
    for item in finding.items[:limit]:
        text.append(f"    {item if len(item) <= LONGEST else item[:LONGEST] + ' …'}\n")
    if len(finding.items) > limit:
        text.append(f"    and {len(finding.items) - limit} more (--json names all)\n")
    return text


def _notes(findings: Findings) -> list[str]:
    notes = [note for advice in advise_sides(findings).values() for note in advice.notes]
    if "train" in findings.summaries and "val" not in findings.summaries:
        notes.append("There is no validation split: --data.val-fraction 0.1 splits a tenth of the training pairs off.")
    if findings.pairs:
        notes.append(
            "A is the input and B the target, unless you add --data.direction BtoA (then input and target change places)."
        )
    if any(finding.kind == "alone" for finding in findings.problems):
        notes.append("No option leaves out pictures that lack their other half: complete or remove them.")
    return notes


def draw_sheet(path: Path, findings: Findings, count: int) -> bool:
    """Writes a contact sheet of pairs, those that something is said of first and in red, as PNG.

    Args:
        path: of the PNG; its folder is made.
        findings: of `examine`.
        count: pairs that are shown at most.

    Returns:
        whether there was anything to show.
    """
    marks = _marks(findings)
    chosen = choose(findings, marks, count)
    if not chosen:
        return False
    ranges = _ranges(findings)
    cells = [_cell(pair, marks.get((pair.split, pair.name), []), ranges) for pair in chosen]
    columns = min(COLUMNS, len(cells))
    width, height = (max(side) for side in zip(*(cell.size for cell in cells), strict=True))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (width + 2 * GAP), rows * (height + 2 * GAP)), "white")
    for i, cell in enumerate(cells):
        sheet.paste(cell, (i % columns * (width + 2 * GAP) + GAP, i // columns * (height + 2 * GAP) + GAP))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        sheet.save(unfinished, format="PNG")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def _marks(findings: Findings) -> dict[tuple[str, str], list[str]]:
    """What is said of single pairs: {(split, name): kinds}; not what is said of most of them."""
    marks: dict[tuple[str, str], list[str]] = {}
    for finding in [*findings.problems, *findings.warnings]:
        if len(finding.pairs) <= len(findings.pairs) / 2 or finding in findings.problems:
            for key in dict.fromkeys(finding.pairs):
                marks.setdefault(key, []).append(finding.kind.replace("_", " "))
    return marks


def choose(findings: Findings, marks: dict[tuple[str, str], list[str]], count: int) -> list[Pair]:
    """Pairs for the sheet: up to half of it marked ones, or more if the others are few; the rest spread over the splits."""
    marked = [pair for pair in findings.pairs if (pair.split, pair.name) in marks]
    others = [pair for pair in findings.pairs if (pair.split, pair.name) not in marks]
    first = marked[: max((count + 1) // 2, count - len(others))]
    splits = [[pair for pair in others if pair.split == split] for split in dict.fromkeys(pair.split for pair in others)]
    room = count - len(first)
    chosen = list(first)
    for i, split in enumerate(sorted(splits, key=len)):  # what a small split leaves, the larger ones take
        share = min(len(split), (room - (len(chosen) - len(first))) // (len(splits) - i))
        chosen += [split[k] for k in np.linspace(0, len(split) - 1, share).astype(int)] if share else []
    return chosen


def _ranges(findings: Findings) -> Range:
    ranges: Range = {}
    for parts in findings.summaries.values():
        for part, summary in parts.items():
            low, high = ranges.get(part, (summary.low, summary.high))
            ranges[part] = min(low, summary.low), max(high, summary.high)
    return ranges


def _cell(pair: Pair, marks: Sequence[str], ranges: Range) -> Image.Image:
    tiles: list[tuple[str, np.ndarray | None]] = []
    for part, file in pair.files.items():
        try:
            shown = {} if _is_unreadable(pair, part) else halves(part, decode(of_file(Path(file))))
        except ValueError:
            shown = {}
        if not shown:
            tiles.append((f"{part}: cannot be read", None))
        for half, picture in shown.items():
            values = picture.pixels[..., :-1] if picture.has_alpha else picture.pixels
            tiles.append((half, make_visible(values, ranges.get(half, (0, 255)))))
    tiles.sort(key=lambda tile: tile[0])
    heights = [TILE if tile is None else tile.shape[0] for _, tile in tiles]
    cell = Image.new("RGB", (len(tiles) * (TILE + GAP), 3 * LINE + max(heights)), "white")
    draw = ImageDraw.Draw(cell)
    draw.text((0, 0), _fitting(draw, f"{pair.split}: {pair.name}", cell.width), fill="black", font_size=11)
    draw.text((0, LINE), _fitting(draw, ", ".join(marks), cell.width), fill="red", font_size=11)
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


def _is_unreadable(pair: Pair, part: str) -> bool:
    """Whether reading has failed before: it is not tried again, as it may have hung."""
    return part not in pair.looks and any(kind == "unreadable" for kind, _ in pair.wrong)


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """The end of a text that is too long, as that of a name says most."""
    while text and draw.textlength(text, font_size=11) > width - GAP:
        text = f"…{text[2:]}" if len(text) > 2 else ""
    return text


def make_visible(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """A picture for the eye, at most `TILE` pixels a side: deep values and numbers of classes stretched to 0 to 255.

    Args:
        values: (h, w, c) without alpha.
        limits: smallest and largest value of all pictures of this part.

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
        small = np.round((small.astype(np.float32) - low) * (255 / max(high - low, 1e-12))).clip(0, 255).astype(np.uint8)
    return np.repeat(small, 3, axis=-1) if small.shape[-1] == 1 else small

"""Palettes: the colours of the classes of a label map, and the class that is nearest to a colour."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from p2p_jax.data.cmp import COLOURS
from p2p_jax.errors import UserError

PALETTES = {"cmp": COLOURS}
MAX_CLASSES = 256  # their numbers are kept in uint8
BLOCK = 2**15  # colours compared with a palette at a time, so that a large photo does not fill the memory
HEX = re.compile(r"#[0-9a-fA-F]{6}")
LINE = re.compile(r"(?:(?P<hex>#[0-9a-fA-F]{6})|(?P<rgb>\d{1,3}[\s,]+\d{1,3}[\s,]+\d{1,3}))(?:[\s,].*)?")
FORMS = "R G B [name] with numbers from 0 to 255, or #rrggbb [name]"


def read_palette(spec: str | Sequence[str]) -> np.ndarray:
    """Reads a palette; the position of a colour is the number of its class.

    Args:
        spec: "cmp" (the twelve colours of the CMP facades), a file with a line `R G B [name]` or `#rrggbb [name]` for each
            class (empty lines and lines that begin with // are ignored), or the colours, such as ["#0000de",
            "#ff0000"].

    Returns:
        (n, 3) uint8, n from 1 to 256; all rows differ.

    Raises:
        UserError: the file is missing, a line has another form, a colour occurs twice, or there are none or over 256.
    """
    words = [spec] if isinstance(spec, str) else list(spec)
    if words and all(HEX.fullmatch(word) for word in words):
        return _to_array([(f"colour {i} ({word})", _from_hex(word)) for i, word in enumerate(words)], "the palette")
    if len(words) != 1:
        wrong = next((word for word in words if not HEX.fullmatch(word)), "nothing")
        raise UserError(
            f"{wrong} was given among the colours of a palette: write each as #rrggbb, or give one file, or "
            f"{' or '.join(PALETTES)}, alone."
        )
    return PALETTES[words[0]] if words[0] in PALETTES else _read_file(Path(words[0]))


def _from_hex(word: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(word[1:]))


def _read_file(path: Path) -> np.ndarray:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"the palette {path} is not text in UTF-8: write a line {FORMS} for each class.") from None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise UserError(
            f"there is no palette file {path}: give a file with a line {FORMS} for each class, the colours themselves "
            f"(#0000de #ff0000), or {' or '.join(PALETTES)}."
        ) from None
    colours = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("//"):
            continue
        match = LINE.fullmatch(line)
        colour = _parse_colour(match) if match else ()
        if not colour or max(colour) > 255:
            raise UserError(f"line {number} of the palette {path} is {line!r}: write {FORMS}.")
        colours.append((f"line {number} ({line})", colour))
    return _to_array(colours, f"the palette {path}")


def _parse_colour(match: re.Match[str]) -> tuple[int, ...]:
    return _from_hex(match["hex"]) if match["hex"] else tuple(map(int, re.split(r"[\s,]+", match["rgb"])))


def _to_array(colours: list[tuple[str, tuple[int, ...]]], title: str) -> np.ndarray:
    """The colours as an array, from [(name for messages, (R, G, B))]."""
    if not 1 <= len(colours) <= MAX_CLASSES:
        raise UserError(f"{title} has {len(colours)} colours: it needs one for each class, from 1 to {MAX_CLASSES}.")
    seen: dict[tuple[int, ...], str] = {}
    for name, colour in colours:
        if colour in seen:
            raise UserError(f"{title} has one colour twice, in {seen[colour]} and {name}: each class needs its own.")
        seen[colour] = name
    return np.array([colour for _, colour in colours], np.uint8)


def nearest_class(pixels: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, float]:
    """The class of every pixel: the nearest colour of the palette in RGB; of equally near colours, the first one.

    Args:
        pixels: (h, w, 3) uint8.
        palette: (n, 3) uint8, n up to 256.

    Returns:
        (h, w) uint8, and the largest distance of a pixel from its colour: 0 if all match exactly, at most 442 (black to
            white).
    """
    packed = np.pad(pixels, ((0, 0), (0, 0), (0, 1))).view(np.uint32)[..., 0]  # four bytes a pixel: one integer
    unique = np.unique(packed)  # a label map has few colours, even where a JPEG has blurred them
    values = unique[:, None].view(np.uint8)[:, :3].astype(np.float32)
    colours = palette.astype(np.float32)
    own = (colours**2).sum(axis=1)
    classes = np.empty(len(unique), np.uint8)
    for start in range(0, len(unique), BLOCK):
        part = slice(start, start + BLOCK)
        # The squared distance minus that of the pixel from black: integers below 2**24, which float32 represents exactly.
        classes[part] = (own - 2 * values[part] @ colours.T).argmin(axis=1)
    largest = np.sqrt(((values - colours[classes]) ** 2).sum(axis=1).max())
    return classes[np.searchsorted(unique, packed)], float(largest)

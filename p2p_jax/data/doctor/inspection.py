"""Looking at every picture of a set once: of each only a small summary is kept, so that large sets fit into memory."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from p2p_jax.data.doctor.match import find_edges
from p2p_jax.data.pictures import SMALLEST, Picture, decode, of_file
from p2p_jax.data.resizing import to_grey
from p2p_jax.errors import UserError

MOST_COLOURS = 64  # a picture of more distinct colours is taken for no label map
SAMPLE = 2**15  # pixels looked at for what needs no exact answer
OPAQUE = {"8": 255, "16": 65535, "float": 1}
DEPTHS: dict[Any, str] = {np.dtype(np.uint8): "8", np.dtype(np.uint16): "16"}


class Look(NamedTuple):
    """What is kept of one picture, or of one half of a side-by-side picture.

    Attributes:
        file: its path.
        size: (height, width) in pixels.
        channels: with alpha, if it has that.
        has_alpha, transparent: whether the last channel is transparency, and whether it is used anywhere.
        depth: "8", "16" or "float".
        low, high: the smallest and largest value, alpha aside.
        std, span: standard deviation and range of the channel where they are largest, in its own values.
        colourless: red, green and blue are the same everywhere.
        colours: its distinct colours (packed as 0xRRGGBB; of one channel the values), or None if over `MOST_COLOURS`.
        palette: hash of a palette file's colours, or None; "1 bit" for a bitmap.
        highest_index: of a palette file or bitmap, the largest number that its pixels hold.
        flat: share of neighbouring pixels that are equal, across or down, whichever is less, in [0, 1].
        even: share of 8 x 8 blocks that are almost even (within 8 of 255 levels), in [0, 1].
        even_colours: clearly different colours of those blocks, each of at least 2 % of them.
        traits: numbers that tell kinds of pictures apart, see `_traits`.
        digest: hash of the pixels.
        edges: see `doctor_match.find_edges`.
    """

    file: str
    size: tuple[int, int]
    channels: int
    has_alpha: bool
    transparent: bool
    depth: str
    low: float
    high: float
    std: float
    span: float
    colourless: bool
    colours: tuple[float, ...] | None
    palette: str | None
    highest_index: int | None
    flat: float
    even: float
    even_colours: int
    traits: tuple[float, ...]
    digest: str
    edges: np.ndarray


class Pair(NamedTuple):
    """What is known of one pair.

    Attributes:
        split, name: as `layout.find_parts` gave them.
        files: its pictures by part, "pair" for a side-by-side one.
        looks: by part, "A" and "B" for a side-by-side one; those that cannot be used are missing.
        wrong: (kind, sentence) for all that a training would stop at.
    """

    split: str
    name: str
    files: dict[str, str]
    looks: dict[str, Look]
    wrong: tuple[tuple[str, str], ...] = ()


def look_at_pair(split: str, name: str, files: dict[str, Path]) -> Pair:
    """Reads all pictures of a pair; never raises for what is in the files."""
    looks: dict[str, Look] = {}
    wrong = []
    for part, file in files.items():
        try:
            looks |= _look_at_file(part, file)
        except ValueError as error:
            sentence = str(error)
            small = "needs at least" in sentence
            kind = "odd_width" if isinstance(error, _OddWidth) else "too_small" if small else "unreadable"
            wrong.append((kind, sentence))
        except Exception as error:  # such as too little memory for a huge picture: one line, and on to the next
            wrong.append(
                ("unreadable", f"{file} cannot be looked at ({type(error).__name__}): make it smaller or remove it.")
            )
    sizes = {look.size for look in looks.values()}
    if len(sizes) > 1:
        each = [f"{look.file} has {_size(look.size)}" for look in looks.values()]
        wrong.append(("sizes_differ", f"{', '.join(each)} pixels"))
    return Pair(split, name, {part: str(file) for part, file in files.items()}, looks, tuple(wrong))


class _OddWidth(ValueError):
    """A side-by-side picture has no two halves of the same size."""


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


def halves(part: str, picture: Picture) -> dict[str, Picture]:
    """The pictures that a file holds, by part: both halves of a side-by-side one, else itself."""
    if part != "pair":
        return {part: picture}
    middle = picture.pixels.shape[1] // 2
    cut = {"A": picture.pixels[:, :middle], "B": picture.pixels[:, middle:]}
    return {part: Picture(np.ascontiguousarray(half), picture.has_alpha) for part, half in cut.items()}


def _look_at_file(part: str, file: Path) -> dict[str, Look]:
    picture = decode(of_file(file))
    width = picture.pixels.shape[1]
    if part == "pair" and width % 2:
        raise _OddWidth(f"{file} is {width} pixels wide, so it has no two halves of the same size")
    if part == "pair" and width // 2 < SMALLEST:
        raise UserError(f"{file} is {width} pixels wide: each half needs at least {SMALLEST}.")
    palette, indices = _palette(file, picture)
    numbers = {} if indices is None else halves(part, Picture(indices))
    return {
        part: look_at(half, str(file), palette, numbers[part].pixels if part in numbers else None)
        for part, half in halves(part, picture).items()
    }


def _palette(file: Path, picture: Picture) -> tuple[str | None, np.ndarray | None]:
    """The hash of a palette file's colours and its pixels' numbers (h, w, 1), or None twice."""
    if picture.pixels.dtype != np.uint8 or file.suffix.lower() in (".jpg", ".jpeg", ".npy", ".npz"):
        return None, None
    try:
        with Image.open(file) as opened:
            mode, colours = opened.mode, opened.getpalette() or []
    except Exception:  # what PIL cannot open has no palette that it could tell
        return None, None
    if mode not in ("P", "1"):
        return None, None
    indices = decode(of_file(file), indices=True).pixels
    return ("1 bit" if mode == "1" else hashlib.blake2b(bytes(colours), digest_size=8).hexdigest()), indices


def look_at(picture: Picture, file: str, palette: str | None = None, indices: np.ndarray | None = None) -> Look:
    """Summarises a decoded picture.

    Args:
        picture: (h, w, c).
        file: its path.
        palette, indices: of a palette file, the hash of its colours and the numbers of its pixels (h, w, 1).
    """
    pixels = picture.pixels
    values = pixels[..., :-1] if picture.has_alpha and pixels.shape[-1] > 1 else pixels
    depth = DEPTHS.get(pixels.dtype, "float")
    low, high = float(values.min()), float(values.max())
    planes, grey = np.moveaxis(values, -1, 0), _grey(values)
    levels = grey if pixels.dtype == np.uint8 else (grey - low) * (255 / max(high - low, 1e-12))
    packed = _packed(_sampled(values))
    flat = min(_flat(packed), _flat(_packed(_sampled(values.swapaxes(0, 1)))))
    even, even_colours = _even_blocks(values, levels)
    return Look(
        file=file,
        size=(pixels.shape[0], pixels.shape[1]),
        channels=pixels.shape[-1],
        has_alpha=picture.has_alpha,
        transparent=picture.has_alpha and bool(pixels[..., -1].min() < OPAQUE[depth]),
        depth=depth,
        low=low,
        high=high,
        std=max(float(np.std(plane, dtype=np.float64)) for plane in planes),
        span=max(float(plane.max()) - float(plane.min()) for plane in planes),
        colourless=values.shape[-1] == 3 and all(np.array_equal(values[..., 0], values[..., i]) for i in (1, 2)),
        colours=_colours(values, packed),
        palette=palette,
        highest_index=None if indices is None else int(indices.max()),
        flat=flat,
        even=even,
        even_colours=even_colours,
        traits=_traits(values, levels, flat, packed),
        digest=_digest(pixels),
        edges=find_edges(levels),
    )


def _flat(lines: np.ndarray) -> float:
    return float((lines[:, 1:] == lines[:, :-1]).mean())


def _digest(pixels: np.ndarray) -> str:
    hashed = hashlib.blake2b(f"{pixels.dtype} {pixels.shape}".encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(pixels).data)
    return hashed.hexdigest()


def _grey(values: np.ndarray) -> np.ndarray:
    """(h, w) float32 in the picture's own values."""
    if values.shape[-1] == 3:
        return to_grey(np.ascontiguousarray(values))[..., 0].astype(np.float32)
    return values.astype(np.float32).mean(axis=-1)


def _packed(values: np.ndarray) -> np.ndarray:
    """(h, w) one number for each colour; of deep colours and of other channels than RGB only that of the first channel."""
    if values.dtype != np.uint8 or values.shape[-1] != 3:
        return values[..., 0]
    return (values[..., 0].astype(np.uint32) << 16) | (values[..., 1].astype(np.uint32) << 8) | values[..., 2]


def _distinct(numbers: np.ndarray) -> np.ndarray:
    ordered = np.sort(numbers, axis=None)  # np.unique is several times slower for what has many different numbers
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]


def _sampled(values: np.ndarray) -> np.ndarray:
    """Whole rows of a picture, evenly spread, about `SAMPLE` pixels."""
    return values[:: max(1, values.shape[0] * values.shape[1] // SAMPLE)]


def _colours(values: np.ndarray, sample: np.ndarray) -> tuple[float, ...] | None:
    known = values.shape[-1] == 1 or (values.dtype == np.uint8 and values.shape[-1] == 3)
    if not known or len(_distinct(sample)) > MOST_COLOURS:  # spares sorting all of a large photo
        return None
    distinct = _distinct(_packed(values))
    return tuple(distinct.tolist()) if len(distinct) <= MOST_COLOURS else None


def _even_blocks(values: np.ndarray, levels: np.ndarray) -> tuple[float, int]:
    rows, columns = (side // 8 for side in levels.shape)
    # Tiles by reshaping: (rows, columns, 64 pixels) is many times faster to reduce than strided axes.
    tiles = levels[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).swapaxes(1, 2).reshape(rows, columns, 64)
    even = tiles.max(axis=-1) - tiles.min(axis=-1) <= 8
    if not even.any() or values.dtype != np.uint8:
        return float(even.mean()), 0
    middles = values[4 : rows * 8 : 8, 4 : columns * 8 : 8][even]
    coarse = np.round(middles / 51).astype(int)  # 6 levels of each channel
    numbers, counts = np.unique(coarse, axis=0, return_counts=True)
    return float(even.mean()), int((counts >= max(2, 0.02 * even.sum())).sum()) if len(numbers) else 0


def _traits(values: np.ndarray, levels: np.ndarray, flat: float, packed: np.ndarray) -> tuple[float, ...]:
    """Evenness, number of colours, sharpness, contrast, brightness, saturation, and share of values at either end."""
    sharpness = np.abs(np.diff(_sampled(levels), 2, axis=1)).mean()
    sample = _sampled(values).astype(np.float32)
    channels = sample if values.dtype == np.uint8 else sample * np.float32(255 / max(float(sample.max()), 1e-12))
    planes = np.ascontiguousarray(np.moveaxis(channels, -1, 0))  # whole planes are fast to compare
    saturation = (np.maximum.reduce(planes) - np.minimum.reduce(planes)).mean()
    extreme = ((channels <= 8) | (channels >= 247)).mean()
    distinct = len(_distinct(packed))
    numbers = flat, np.log(distinct), np.log1p(sharpness), levels.std() / 64, levels.mean() / 64, saturation / 64, extreme
    return tuple(float(number) for number in numbers)

"""Inspecting the pictures of a pair. Only a small summary of each is kept, so that large sets fit into memory."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.data.decode_pil import read_palette
from p2p_jax.data.doctor.match import find_edges
from p2p_jax.data.pictures import MIN_SIDE, Picture, TooSmall, decode, of_file
from p2p_jax.data.resizing import to_grey
from p2p_jax.errors import UserError
from p2p_jax.limits.budget import DECODING

MAX_COLOURS = 64  # a picture with more distinct colours is not taken for a label map
SAMPLE = 2**15  # pixels for measures that need not be exact
OPAQUE = {"8": 255, "16": 65535, "float": 1}
DEPTHS: dict[Any, str] = {np.dtype(np.uint8): "8", np.dtype(np.uint16): "16"}


class PictureStats(NamedTuple):
    """Statistics of one picture, or of one half of a side-by-side picture.

    Attributes:
        file: its path.
        size: (height, width) in pixels.
        channels: including alpha.
        has_alpha, transparent: whether the last channel is alpha, and whether any pixel is not opaque.
        depth: "8", "16" or "float".
        low, high: the smallest and largest value, without alpha.
        std, span: standard deviation and range, each of the channel where it is largest, in stored values.
        colourless: whether red, green and blue are equal in every pixel.
        colours: its distinct colours (packed as 0xRRGGBB; of one channel the values), or None if over `MAX_COLOURS`.
        palette: hash of a palette file's colours, or None; "1 bit" for a bitmap.
        highest_index: of a palette file or bitmap, the largest number that its pixels hold.
        flat: fraction of equal neighbouring pixels, across or down, whichever is smaller, in [0, 1].
        even: fraction of 8 x 8 blocks that are nearly constant (within 8 of 255 levels), in [0, 1].
        even_colours: number of clearly different colours that each occur in at least 2 % of those blocks.
        traits: measures that differ between kinds of pictures, see `_measure_traits`.
        digest: hash of the pixels.
        edges: see `match.find_edges`.
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


class InspectedPair(NamedTuple):
    """A pair with the results of its inspection.

    Attributes:
        split, name: from `layout.find_pairs`.
        files: its files by side; "pair" for a side-by-side picture.
        pictures: statistics by side, "A" and "B" for a side-by-side picture; without those that cannot be used.
        problems: [(kind, sentence)] of everything that would stop training.
    """

    split: str
    name: str
    files: dict[str, str]
    pictures: dict[str, PictureStats]
    problems: tuple[tuple[str, str], ...] = ()


class OddWidth(UserError):
    """A side-by-side picture has an odd width, so its halves would differ in size."""


@DECODING.job()
def inspect_pair(split: str, name: str, files: dict[str, Path]) -> InspectedPair:
    """Reads all pictures of a pair. Pictures that cannot be used become problems of the pair.

    Args:
        split, name: of the pair.
        files: by side (see `names.Files`).
    """
    pictures: dict[str, PictureStats] = {}
    problems = []
    for side, file in files.items():
        try:
            pictures |= _inspect_file(side, file)
        except UserError as error:
            kinds = {OddWidth: "odd_width", TooSmall: "too_small"}
            problems.append((kinds.get(type(error), "unreadable"), str(error)))
        except MemoryError:
            problems.append(("unreadable", f"{file} does not fit into memory: make it smaller or remove it."))
    if len({stats.size for stats in pictures.values()}) > 1:
        each = [f"{stats.file} has {stats.size[1]} x {stats.size[0]}" for stats in pictures.values()]
        problems.append(("sizes_differ", f"{', '.join(each)} pixels"))
    return InspectedPair(split, name, {side: str(file) for side, file in files.items()}, pictures, tuple(problems))


def split_halves(side: str, picture: Picture) -> dict[str, Picture]:
    """The pictures of a file by side: both halves of a side-by-side picture, otherwise the picture itself."""
    if side != "pair":
        return {side: picture}
    middle = picture.pixels.shape[1] // 2
    cut = {"A": picture.pixels[:, :middle], "B": picture.pixels[:, middle:]}
    return {letter: Picture(np.ascontiguousarray(half), picture.has_alpha) for letter, half in cut.items()}


def _inspect_file(side: str, file: Path) -> dict[str, PictureStats]:
    picture = decode(of_file(file))
    width = picture.pixels.shape[1]
    if side == "pair" and width % 2:
        raise OddWidth(f"{file} is {width} pixels wide, so its two halves would differ in size")
    if side == "pair" and width // 2 < MIN_SIDE:
        raise TooSmall(f"{file} is {width} pixels wide: each half needs at least {MIN_SIDE}.")
    palette, indices = _read_palette_indices(file, picture)
    numbers = {} if indices is None else split_halves(side, Picture(indices))
    return {
        half_side: measure_picture(half, str(file), palette, numbers[half_side].pixels if half_side in numbers else None)
        for half_side, half in split_halves(side, picture).items()
    }


def _read_palette_indices(file: Path, picture: Picture) -> tuple[str | None, np.ndarray | None]:
    """The hash of a palette file's colours and its indices (h, w, 1); or None twice for other files."""
    if picture.pixels.dtype != np.uint8 or file.suffix.lower() in (".jpg", ".jpeg", ".npy", ".npz"):
        return None, None
    palette = read_palette(file)
    if palette is None:
        return None, None
    mode, colours = palette
    indices = decode(of_file(file), indices=True).pixels
    return ("1 bit" if mode == "1" else hashlib.blake2b(bytes(colours), digest_size=8).hexdigest()), indices


def measure_picture(
    picture: Picture, file: str, palette: str | None = None, indices: np.ndarray | None = None
) -> PictureStats:
    """Computes the statistics of a decoded picture.

    Args:
        picture: (h, w, c).
        file: its path.
        palette, indices: of a palette file, the hash of its colours and the indices of its pixels (h, w, 1).
    """
    pixels = picture.pixels
    values = pixels[..., :-1] if picture.has_alpha and pixels.shape[-1] > 1 else pixels
    depth = DEPTHS.get(pixels.dtype, "float")
    low, high = float(values.min()), float(values.max())
    planes, grey = np.moveaxis(values, -1, 0), _to_grey(values)
    levels = grey if pixels.dtype == np.uint8 else (grey - low) * (255 / max(high - low, 1e-12))
    packed = _pack_colours(_sample_rows(values))
    flat = min(_measure_flat(packed), _measure_flat(_pack_colours(_sample_rows(values.swapaxes(0, 1)))))
    even, even_colours = _measure_even_blocks(values, levels)
    return PictureStats(
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
        colours=_list_colours(values, packed),
        palette=palette,
        highest_index=None if indices is None else int(indices.max()),
        flat=flat,
        even=even,
        even_colours=even_colours,
        traits=_measure_traits(values, levels, flat, packed),
        digest=_hash_pixels(pixels),
        edges=find_edges(levels),
    )


def _measure_flat(lines: np.ndarray) -> float:
    return float((lines[:, 1:] == lines[:, :-1]).mean())


def _hash_pixels(pixels: np.ndarray) -> str:
    hashed = hashlib.blake2b(f"{pixels.dtype} {pixels.shape}".encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(pixels).data)
    return hashed.hexdigest()


def _to_grey(values: np.ndarray) -> np.ndarray:
    """Converts stored values to grey: (h, w) float32 on the same scale."""
    if values.shape[-1] == 3:
        return to_grey(np.ascontiguousarray(values))[..., 0].astype(np.float32)
    return values.astype(np.float32).mean(axis=-1)


def _pack_colours(values: np.ndarray) -> np.ndarray:
    """One number for each pixel, (h, w): 0xRRGGBB for RGB of 8 bits, otherwise the value of the first channel."""
    if values.dtype != np.uint8 or values.shape[-1] != 3:
        return values[..., 0]
    return (values[..., 0].astype(np.uint32) << 16) | (values[..., 1].astype(np.uint32) << 8) | values[..., 2]


def _distinct(numbers: np.ndarray) -> np.ndarray:
    ordered = np.sort(numbers, axis=None)  # np.unique is several times slower where most numbers differ
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]


def _sample_rows(values: np.ndarray) -> np.ndarray:
    """Evenly spaced rows of a picture, about `SAMPLE` pixels."""
    return values[:: max(1, values.shape[0] * values.shape[1] // SAMPLE)]


def _list_colours(values: np.ndarray, sample: np.ndarray) -> tuple[float, ...] | None:
    can_pack = values.shape[-1] == 1 or (values.dtype == np.uint8 and values.shape[-1] == 3)
    if not can_pack or len(_distinct(sample)) > MAX_COLOURS:  # avoids sorting all pixels of a large photo
        return None
    distinct = _distinct(_pack_colours(values))
    return tuple(distinct.tolist()) if len(distinct) <= MAX_COLOURS else None


def _measure_even_blocks(values: np.ndarray, levels: np.ndarray) -> tuple[float, int]:
    """`even` and `even_colours` of `PictureStats`."""
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


def _measure_traits(values: np.ndarray, levels: np.ndarray, flat: float, packed: np.ndarray) -> tuple[float, ...]:
    """Flatness, number of colours, sharpness, contrast, brightness, saturation, fraction of values at either extreme."""
    sharpness = np.abs(np.diff(_sample_rows(levels), 2, axis=1)).mean()
    sample = _sample_rows(values).astype(np.float32)
    channels = sample if values.dtype == np.uint8 else sample * np.float32(255 / max(float(sample.max()), 1e-12))
    planes = np.ascontiguousarray(np.moveaxis(channels, -1, 0))  # contiguous planes are faster to compare
    saturation = (np.maximum.reduce(planes) - np.minimum.reduce(planes)).mean()
    extreme = ((channels <= 8) | (channels >= 247)).mean()
    distinct = len(_distinct(packed))
    numbers = flat, np.log(distinct), np.log1p(sharpness), levels.std() / 64, levels.mean() / 64, saturation / 64, extreme
    return tuple(float(number) for number in numbers)

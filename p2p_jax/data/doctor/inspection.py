"""Inspecting the pictures of a pair. Only a small summary of each is kept, so that large sets fit into memory."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.data.decode_pil import read_palette
from p2p_jax.data.doctor.match import find_edges
from p2p_jax.data.doctor.measures import (
    distinct,
    hash_pixels,
    list_colours,
    mean_blocks,
    measure_even_blocks,
    measure_flat,
    measure_traits,
    pack_colours,
    sample_rows,
    to_grey_levels,
)
from p2p_jax.data.doctor.nodata import Nodata, find_nodata, without_nodata
from p2p_jax.data.doctor.tags import Tags, read_tags
from p2p_jax.data.names import sides_of
from p2p_jax.data.pictures import MIN_SIDE, Picture, TooSmall, decode, of_file
from p2p_jax.data.sides import read_mask
from p2p_jax.errors import UserError
from p2p_jax.limits.budget import DECODING

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
        low, high: the smallest and largest value, without alpha and NaN.
        known_low, known_high: the same without the value that means nothing.
        nodata: that value, or None. The measures below are those of the picture with its known values in its place.
        std, span: standard deviation and range, each of the channel where it is largest, in stored values.
        colourless: whether red, green and blue are equal in every pixel.
        colours: its distinct colours (packed as 0xRRGGBB; of one channel the values), or None if over `MAX_COLOURS`.
        palette: hash of a palette file's colours, or None; "1 bit" for a bitmap.
        indices: of a palette file or bitmap, the distinct numbers that its pixels hold, in order; otherwise None.
        tags: of the file's header; by its orientation the picture has been turned upright.
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
    known_low: float
    known_high: float
    nodata: Nodata | None
    std: float
    span: float
    colourless: bool
    colours: tuple[float, ...] | None
    palette: str | None
    indices: tuple[int, ...] | None
    tags: Tags
    flat: float
    even: float
    even_colours: int
    traits: tuple[float, ...]
    digest: str
    edges: np.ndarray

    @property
    def brightness(self) -> float:
        """Mean brightness, from 0 to 255; deeper pictures are scaled from their own values."""
        return self.traits[4] * 64


class InspectedPair(NamedTuple):
    """A pair with the results of its inspection.

    Attributes:
        split, name: from `layout.find_pairs`.
        files: its files by side; "pair" for a side-by-side picture.
        pictures: statistics by side, "A" and "B" for a side-by-side picture; without those that cannot be used.
        difference: mean absolute difference of `measures.mean_blocks` of A and B, from 0 to 255; None if both have other
            sizes, channels or depths.
        problems: [(kind, sentence)] of everything that would stop training.
    """

    split: str
    name: str
    files: dict[str, str]
    pictures: dict[str, PictureStats]
    problems: tuple[tuple[str, str], ...] = ()
    difference: float | None = None


class WrongMask(UserError):
    """A picture cannot be used as a mask."""


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
    compared: dict[str, np.ndarray] = {}
    problems = []
    for side, file in files.items():
        try:
            pictures |= _inspect_file(side, file, compared)
        except UserError as error:
            kinds = {OddWidth: "odd_width", TooSmall: "too_small", WrongMask: "mask"}
            problems.append((kinds.get(type(error), "unreadable"), str(error)))
        except MemoryError:
            problems.append(("unreadable", f"{file} does not fit into memory: make it smaller or remove it."))
    if len({stats.size for stats in pictures.values()}) > 1:
        turned = " (turned upright by EXIF)"
        each = [
            f"{stats.file} has {stats.size[1]} x {stats.size[0]}{turned if stats.tags.orientation != 1 else ''}"
            for stats in pictures.values()
        ]
        problems.append(("sizes_differ", f"{', '.join(each)} pixels"))
    named = {side: str(file) for side, file in files.items()}
    return InspectedPair(split, name, named, pictures, tuple(problems), _measure_difference(compared))


def _measure_difference(compared: dict[str, np.ndarray]) -> float | None:
    a, b = (next((compared[side] for side in sides_of(compared, letter)), None) for letter in "AB")
    return None if a is None or b is None or a.shape != b.shape else float(np.abs(a - b).mean())


def split_halves(side: str, picture: Picture) -> dict[str, Picture]:
    """The pictures of a file by side: both halves of a side-by-side picture, otherwise the picture itself."""
    if side != "pair":
        return {side: picture}
    middle = picture.pixels.shape[1] // 2
    cut = {"A": picture.pixels[:, :middle], "B": picture.pixels[:, middle:]}
    return {letter: Picture(np.ascontiguousarray(half), picture.has_alpha) for letter, half in cut.items()}


def _inspect_file(side: str, file: Path, compared: dict[str, np.ndarray]) -> dict[str, PictureStats]:
    """The statistics of a file's pictures by side; adds the means of blocks of 8 bits to `compared`."""
    picture = decode(of_file(file), allow_nan=True)
    width = picture.pixels.shape[1]
    if side == "pair" and width % 2:
        raise OddWidth(f"{file} is {width} pixels wide, so its two halves would differ in size")
    if side == "pair" and width // 2 < MIN_SIDE:
        raise TooSmall(f"{file} is {width} pixels wide: each half needs at least {MIN_SIDE}.")
    if side == "mask":
        try:
            read_mask(picture, str(file))
        except UserError as error:
            raise WrongMask(str(error)) from None
    if picture.pixels.dtype == np.float32 and not np.isfinite(picture.pixels).any():
        raise UserError(f"{file} holds nothing but NaN: replace it or remove it.")
    tags = read_tags(file)
    palette, indices = _read_palette_indices(file, picture)
    numbers = {} if indices is None else split_halves(side, Picture(indices))
    found = {}
    for half_side, half in split_halves(side, picture).items():
        if half.pixels.dtype == np.uint8:
            compared[half_side] = mean_blocks(half.pixels[..., : half.pixels.shape[-1] - half.has_alpha])
        own = numbers[half_side].pixels if half_side in numbers else None
        found[half_side] = measure_picture(half, str(file), tags, palette, own)
    return found


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
    picture: Picture, file: str, tags: Tags, palette: str | None = None, indices: np.ndarray | None = None
) -> PictureStats:
    """Computes the statistics of a decoded picture.

    Args:
        picture: (h, w, c).
        file: its path.
        tags: of the file's header.
        palette, indices: of a palette file, the hash of its colours and the indices of its pixels (h, w, 1).
    """
    pixels = picture.pixels
    values = pixels[..., :-1] if picture.has_alpha and pixels.shape[-1] > 1 else pixels
    depth = DEPTHS.get(pixels.dtype, "float")
    nodata, all_low, all_high = find_nodata(values, tags), float(np.nanmin(values)), float(np.nanmax(values))
    values = without_nodata(values, nodata)
    low, high = (all_low, all_high) if nodata is None else (float(values.min()), float(values.max()))
    planes, grey = np.moveaxis(values, -1, 0), to_grey_levels(values)
    levels = grey if pixels.dtype == np.uint8 else (grey - low) * (255 / max(high - low, 1e-12))
    packed = pack_colours(sample_rows(values))
    flat = min(measure_flat(packed), measure_flat(pack_colours(sample_rows(values.swapaxes(0, 1)))))
    even, even_colours = measure_even_blocks(values, levels)
    return PictureStats(
        file=file,
        size=(pixels.shape[0], pixels.shape[1]),
        channels=pixels.shape[-1],
        has_alpha=picture.has_alpha,
        transparent=picture.has_alpha and bool(pixels[..., -1].min() < OPAQUE[depth]),
        depth=depth,
        low=all_low,
        high=all_high,
        known_low=low,
        known_high=high,
        nodata=nodata,
        std=max(float(np.std(plane, dtype=np.float64)) for plane in planes),
        span=max(float(plane.max()) - float(plane.min()) for plane in planes),
        colourless=values.shape[-1] == 3 and all(np.array_equal(values[..., 0], values[..., i]) for i in (1, 2)),
        colours=list_colours(values, packed),
        palette=palette,
        indices=None if indices is None else tuple(distinct(indices).tolist()),
        tags=tags,
        flat=flat,
        even=even,
        even_colours=even_colours,
        traits=measure_traits(values, levels, flat, packed),
        digest=hash_pixels(pixels),
        edges=find_edges(levels),
    )

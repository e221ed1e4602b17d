"""Summaries of the pictures of each side of a set, and which of them are label maps."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.data.doctor.inspection import InspectedPair, PictureStats
from p2p_jax.data.doctor.measures import MAX_COLOURS
from p2p_jax.data.names import sides_of

FLAT = 0.6  # median of `PictureStats.flat` from which on pictures are taken for label maps
FLAT_TWO_COLOURS = 0.95  # the same where there are two colours, as line drawings have two colours as well
MOSTLY_WHITE = 127  # mean brightness from which on most pixels are 255
NOISE, LOSSY_NOISE = 3, 12  # differences of a channel that compression makes, in a lossless file and in a lossy one
EVEN, EVEN_COLOURS = 0.3, 5  # the medians of the CMP label maps are 0.48 and 6, those of their photos 0.09 and 3


class Summary(NamedTuple):
    """Summary of the pictures of one side in one split.

    Attributes:
        count: number of readable pictures.
        sizes: [((height, width), number of pictures)], the most frequent first.
        channels, depths: [(value, number of pictures)] likewise.
        low, high: the smallest and largest value in all pictures.
        palettes, alpha, transparent, colourless: numbers of pictures with a palette, with an alpha channel, with a pixel
            that is not opaque, and of grey pictures saved as RGB.
        colours: all distinct colours (packed as 0xRRGGBB; of one channel the values), or None if over `MAX_COLOURS`.
        labels: "labels" if the pictures seem to be label maps, "blurred" for label maps saved as JPEG, otherwise "".
    """

    count: int
    sizes: list[tuple[tuple[int, int], int]]
    channels: list[tuple[int, int]]
    depths: list[tuple[str, int]]
    low: float
    high: float
    palettes: int
    alpha: int
    transparent: int
    colourless: int
    colours: list[float] | None
    labels: str


def summarise(pictures: Sequence[PictureStats]) -> Summary:
    """Summarises the pictures of one side, at least one."""
    return Summary(
        count=len(pictures),
        sizes=Counter(stats.size for stats in pictures).most_common(),
        channels=Counter(stats.channels for stats in pictures).most_common(),
        depths=Counter(stats.depth for stats in pictures).most_common(),
        low=min(stats.low for stats in pictures),
        high=max(stats.high for stats in pictures),
        palettes=sum(stats.palette is not None for stats in pictures),
        alpha=sum(stats.has_alpha for stats in pictures),
        transparent=sum(stats.transparent for stats in pictures),
        colourless=sum(stats.colourless for stats in pictures),
        colours=all_colours(pictures),
        labels=kind_of_labels(pictures),
    )


def all_colours(pictures: Iterable[PictureStats]) -> list[float] | None:
    """The distinct colours of all pictures, or None if there are over `MAX_COLOURS`, or if they cannot be compared."""
    found: set[float] = set()
    kinds = set()
    for stats in pictures:
        if stats.colours is None:
            return None
        found.update(stats.colours)
        kinds.add(stats.channels - stats.has_alpha)
        if len(found) > MAX_COLOURS or len(kinds) > 1:
            return None
    return sorted(found)


def class_numbers(pictures: Sequence[PictureStats]) -> list[int] | None:
    """The numbers in grey pictures if they may number classes: dense from 0 on, except for a last 255; otherwise None."""
    values = all_colours(pictures)
    grey = all(stats.depth == "8" and (stats.colourless or colours_of(stats) == 1) for stats in pictures)
    if values is None or not grey or any(stats.tags.lossy for stats in pictures):
        return None
    numbers = sorted({int(value) & 255 for value in values})
    named, ignored = split_ignored(numbers)
    if ignored is not None and float(np.median([stats.brightness for stats in pictures])) > MOSTLY_WHITE:
        return None  # 255 is the white of a drawing, and the low numbers are the noise of its black
    # With more gaps they are shades, or the gaps have a meaning.
    return numbers if len([number for number in numbers if number < named]) >= named / 2 else None


def split_ignored(numbers: Sequence[int]) -> tuple[int, int | None]:
    """(number of classes, 255 if it is no class but marks pixels of which nothing is known) of class numbers in order."""
    if len(numbers) > 2 and numbers[-1] == 255 and numbers[-2] < 254 and len(numbers) - 1 >= (numbers[-2] + 1) / 2:
        return numbers[-2] + 1, 255
    return numbers[-1] + 1, None


def count_clusters(pictures: Sequence[PictureStats]) -> int | None:
    """The number of colours up to the noise of compression; None where the colours are exact, or too many.

    Colours that differ by little form one cluster. Without it, a drawing in black and white that was saved as JPEG would
    have a dozen colours near black and near white.
    """
    colours = all_colours(pictures)
    if colours is None or len(colours) < 2 or any(stats.depth != "8" for stats in pictures) or class_numbers(pictures):
        return None
    lossy = any(stats.tags.lossy for stats in pictures)
    channels = np.array([[int(colour) >> shift & 255 for shift in (16, 8, 0)] for colour in colours])
    near = np.abs(channels[:, None] - channels).max(-1) <= (LOSSY_NOISE if lossy else NOISE)
    from scipy.sparse.csgraph import connected_components

    count, members = connected_components(near, directed=False)
    # In a lossless file a few near colours may be classes; the noise of an earlier JPEG makes many of each.
    noisy = count < len(colours) if lossy else np.bincount(members).max() > 2 and count <= len(colours) / 2
    return int(count) if noisy else None


def kind_of_labels(pictures: Sequence[PictureStats]) -> str:
    """The kind of label maps that the pictures seem to be: "labels", "blurred" for inexact colours, or "" for none."""
    return "labels" if seem_labels(pictures) else "blurred" if seem_blurred_labels(pictures) else ""


def seem_labels(pictures: Sequence[PictureStats]) -> bool:
    """Whether the pictures have a few exact colours in flat areas, as label maps do."""
    colours = all_colours(pictures)
    if colours is None or len(colours) < 2 or count_clusters(pictures) is not None:
        return False
    return float(np.median([stats.flat for stats in pictures])) >= (FLAT_TWO_COLOURS if len(colours) == 2 else FLAT)


def seem_blurred_labels(pictures: Sequence[PictureStats]) -> bool:
    """Whether the pictures have a few inexact colours in nearly even areas, as label maps saved as JPEG have."""
    clusters = count_clusters(pictures)
    if clusters is not None:
        return clusters > 2 and float(np.median([stats.even for stats in pictures])) >= EVEN
    lossy = all(stats.tags.lossy for stats in pictures)
    even = float(np.median([stats.even for stats in pictures]))
    return lossy and even >= EVEN and float(np.median([stats.even_colours for stats in pictures])) >= EVEN_COLOURS


def pictures_by_side(pairs: Sequence[InspectedPair], letter: str) -> dict[str, list[PictureStats]]:
    """The pictures of the sides of one letter, "A" or "B"."""
    found: dict[str, list[PictureStats]] = {}
    for pair in pairs:
        for side in sides_of(pair.pictures, letter):
            found.setdefault(side, []).append(pair.pictures[side])
    return {side: found[side] for side in sides_of(found, letter)}


def colours_of(stats: PictureStats) -> int:
    """The number of channels without alpha."""
    return stats.channels - stats.has_alpha


def summarise_split(pairs: Sequence[InspectedPair]) -> dict[str, Summary]:
    """The summaries of one split by side: those of A, of B and of the masks."""
    masks = [pair.pictures["mask"] for pair in pairs if "mask" in pair.pictures]
    by_side = {**pictures_by_side(pairs, "A"), **pictures_by_side(pairs, "B"), **({"mask": masks} if masks else {})}
    return {side: summarise(pictures) for side, pictures in by_side.items()}

"""Summaries of the pictures of each side of a set, and which of them are label maps."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.data.doctor.inspection import MAX_COLOURS, InspectedPair, PictureStats
from p2p_jax.data.names import sides_of

FLAT = 0.6  # median of `PictureStats.flat` from which on pictures are taken for label maps
FLAT_TWO_COLOURS = 0.95  # the same where there are two colours, as line drawings have two colours as well
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
        labels="labels" if seem_labels(pictures) else "blurred" if seem_blurred_labels(pictures) else "",
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


def seem_labels(pictures: Sequence[PictureStats]) -> bool:
    """Whether the pictures have a few colours in flat areas, as label maps do. Those saved as JPEG do not."""
    colours = all_colours(pictures)
    if colours is None or len(colours) < 2:
        return False
    return float(np.median([stats.flat for stats in pictures])) >= (FLAT_TWO_COLOURS if len(colours) == 2 else FLAT)


def seem_blurred_labels(pictures: Sequence[PictureStats]) -> bool:
    """Whether the pictures are JPEGs with a few colours in nearly even areas, as label maps saved as JPEG are."""
    jpeg = all(stats.file.lower().endswith((".jpg", ".jpeg")) for stats in pictures)
    even = float(np.median([stats.even for stats in pictures]))
    return jpeg and even >= EVEN and float(np.median([stats.even_colours for stats in pictures])) >= EVEN_COLOURS


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

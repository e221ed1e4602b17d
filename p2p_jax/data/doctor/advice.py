"""The options of `p2p-jax train` that suit each side of a set."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from p2p_jax.data.doctor.inspection import InspectedPair, PictureStats
from p2p_jax.data.doctor.nodata import STAND_IN, Nodata, common_nodata
from p2p_jax.data.doctor.summaries import (
    all_colours,
    class_numbers,
    colours_of,
    pictures_by_side,
    seem_blurred_labels,
    seem_labels,
    split_ignored,
)

BITS = (8, 10, 12, 14)  # of cameras and sensors whose values are stored in 16 bits


class Advice(NamedTuple):
    """The options that suit one side, as fields of `p2p_jax.config.Side`, and notes for people.

    Attributes:
        channels: a number for each of its pictures.
        depth, range, classes: the options of those names; None means the default.
        labels: whether the side holds label maps.
        drop: whether transparency must be dropped.
        notes: further sentences.
        ignore: the value of pixels of which nothing is known.
    """

    channels: tuple[int, ...]
    depth: str
    range: tuple[float, float] | None
    labels: bool
    classes: int | None
    drop: bool
    notes: tuple[str, ...]
    ignore: float | None = None


def advise_sides(pairs: Sequence[InspectedPair]) -> dict[str, Advice]:
    """The options of both sides: {"input": of A, "target": of B}."""
    return {"input": advise(pairs, "A"), "target": advise(pairs, "B")}


def advise(pairs: Sequence[InspectedPair], letter: str) -> Advice:
    """Chooses the options of one side, "A" or "B"."""
    by_side = pictures_by_side(pairs, letter)
    pictures = [stats for some in by_side.values() for stats in some]
    if not pictures:
        return Advice((3,), "8", None, labels=False, classes=None, drop=False, notes=())
    channels = tuple(_choose_channels(some) for some in by_side.values())
    labels = all(seem_labels(some) for some in by_side.values())
    depth = _choose_depth(pictures)
    countable = labels and depth == "8" and len(by_side) == 1
    classes, ignore = _count_classes(pairs, letter, pictures) if countable else (None, None)
    nodata = common_nodata([stats.nodata for stats in pictures])
    if nodata is not None and (nodata.tagged or depth == "float"):
        ignore = _choose_ignored(nodata, pictures)
    dropped = any(
        stats.transparent and stats.channels != n
        for some, n in zip(by_side.values(), channels, strict=True)
        for stats in some
    )
    return Advice(
        channels=channels if classes is None else (3,),
        depth=depth,
        range=_choose_range(pictures, depth, ignore is not None),
        labels=labels,
        classes=classes,
        drop=dropped,
        notes=tuple(_write_notes(letter, pictures, labels, classes, channels, ignore)),
        ignore=ignore,
    )


def _choose_ignored(nodata: Nodata, pictures: Sequence[PictureStats]) -> float:
    """The value of the option: that of the pictures, or for NaN any value below all others."""
    value = nodata.value if math.isfinite(nodata.value) else STAND_IN
    while not math.isfinite(nodata.value) and value >= min(stats.known_low for stats in pictures):
        value *= 10
    return value


def _choose_channels(pictures: Sequence[PictureStats]) -> int:
    """The channels: with alpha only if all pictures have it and some use it; 3 if some have colours and others are grey."""
    counts = {stats.channels for stats in pictures}
    if len(counts) == 1 and any(stats.transparent for stats in pictures):
        return counts.pop()
    colours = Counter(map(colours_of, pictures))
    return max(colours) if set(colours) <= {1, 3} else colours.most_common(1)[0][0]


def _choose_depth(pictures: Sequence[PictureStats]) -> str:
    depths = Counter(stats.depth for stats in pictures)
    if depths["float"] > len(pictures) / 2:
        return "float"
    return "16" if depths["16"] else "8"


def _choose_range(pictures: Sequence[PictureStats], depth: str, ignored: bool) -> tuple[float, float] | None:
    pictures = [stats for stats in pictures if (stats.depth == "float") == (depth == "float")]
    low = min(stats.known_low if ignored else stats.low for stats in pictures)
    high = max(stats.known_high if ignored else stats.high for stats in pictures)
    if depth == "16" and all(stats.depth == "16" for stats in pictures):
        bits = next((bits for bits in BITS if high < 2**bits), 16)
        return (0, 2**bits - 1) if bits < 16 else None
    if depth != "float" or (low >= 0 and high <= 1):
        return None
    if low >= -1 and high <= 1:
        return -1, 1
    if low >= 0 and 127 < high <= 255:
        return 0, 255
    return (0 if low >= 0 else -_round_up(-low)), (0 if high <= 0 else _round_up(high))


def _round_up(value: float) -> float:
    """Rounds up to two digits, so that the range holds all pictures and is easy to read."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    rounded = float(f"{math.ceil(value / step) * step:.12g}")
    return int(rounded) if rounded == int(rounded) else rounded


def _count_classes(
    pairs: Sequence[InspectedPair], letter: str, pictures: Sequence[PictureStats]
) -> tuple[int | None, int | None]:
    """(classes, ignored value) if the pixels are class numbers, in grey files or in files with one palette."""
    palettes = {stats.palette for stats in pictures}
    if palettes == {None}:
        numbers = class_numbers(pictures)
    else:
        numbers = sorted({number for stats in pictures for number in stats.indices or ()})
        # Where a side-by-side picture has class numbers at one side and colours at the other, colours are safer for both.
        separate = all("pair" not in pair.files for pair in pairs)
        numbers = numbers if len(palettes) == 1 and separate and numbers[-1] >= 1 else None
    return split_ignored(numbers) if numbers else (None, None)


def _write_notes(
    letter: str,
    pictures: Sequence[PictureStats],
    labels: bool,
    classes: int | None,
    channels: tuple[int, ...],
    ignore: float | None,
) -> Iterable[str]:
    colours = all_colours(pictures)
    option = "--data." + {"A": "input", "B": "target"}[letter]
    if classes is None and labels and colours and len(channels) == 1 and colours_of(pictures[0]) == 3:
        palette = " ".join(f"'#{int(colour):06x}'" for colour in colours)
        yield f"{letter} is a label map of {len(colours)} colours; for a channel per class give {option}.palette {palette}"
    if classes is not None and ignore == 255:
        yield (
            f"{letter} holds the classes 0 to {classes - 1} and 255, which is taken for pixels of which nothing is known; "
            f"if it is a class, give {option}.classes 256 and omit {option}.ignore."
        )
    if not labels and seem_blurred_labels(pictures):
        yield (
            f"{letter} looks like a label map saved as JPEG: its colours are not exact, so it is used as an image; "
            f"if you know its colours, {option}.kind labels and {option}.palette assign each pixel the nearest one."
        )
    if classes is None and channels == (3,) and all(stats.colourless or colours_of(stats) == 1 for stats in pictures):
        yield f"{letter} is grey everywhere, though saved as RGB: {option}.channels 1 is enough."
    if any(stats.has_alpha for stats in pictures) and not any(stats.transparent for stats in pictures):
        yield f"{letter} has an alpha channel that is opaque everywhere: it is ignored."

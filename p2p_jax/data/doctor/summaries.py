"""What the pictures of each side of a set are, and which options of `train` that takes."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.data.doctor.look import MOST_COLOURS, Look, Pair
from p2p_jax.data.layout import side_parts

FLAT, FLAT_LINES = 0.6, 0.95  # of label maps; two colours that change more often may be drawn lines
EVEN, EVEN_COLOURS = 0.3, 5  # medians of the CMP label maps: 0.48 and 6; of their photos: 0.09 and 3
BITS = (8, 10, 12, 14)


class Summary(NamedTuple):
    """The pictures of one part in one split.

    Attributes:
        count: those that can be read.
        sizes: [((height, width), how many)], the most frequent first.
        channels, depths: [(value, how many)] likewise.
        low, high: the smallest and largest value of all.
        palettes, alpha, transparent, colourless: how many have a palette, an alpha channel, use it, are grey saved as RGB.
        colours: all their distinct colours (packed as 0xRRGGBB; of one channel the values), or None if they are many.
        labels: "labels" for what looks like a label map, "blurred" for one saved as JPEG, "" for anything else.
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


class Advice(NamedTuple):
    """What a side takes, as fields of `p2p_jax.config.Side`, and notes in words.

    Attributes:
        channels: one for each of its pictures.
        depth, range, labels, classes: as the options are called.
        drop: whether transparency has to be dropped.
        notes: what else is worth knowing.
    """

    channels: tuple[int, ...]
    depth: str
    range: tuple[float, float] | None
    labels: bool
    classes: int | None
    drop: bool
    notes: tuple[str, ...]


def summarise(looks: Sequence[Look]) -> Summary:
    """Counts what there is in the pictures of one part; at least one."""
    return Summary(
        count=len(looks),
        sizes=Counter(look.size for look in looks).most_common(),
        channels=Counter(look.channels for look in looks).most_common(),
        depths=Counter(look.depth for look in looks).most_common(),
        low=min(look.low for look in looks),
        high=max(look.high for look in looks),
        palettes=sum(look.palette is not None for look in looks),
        alpha=sum(look.has_alpha for look in looks),
        transparent=sum(look.transparent for look in looks),
        colourless=sum(look.colourless for look in looks),
        colours=all_colours(looks),
        labels="labels" if look_like_labels(looks) else "blurred" if _look_blurred(looks) else "",
    )


def all_colours(looks: Iterable[Look]) -> list[float] | None:
    """The distinct colours of all pictures, or None if there are over `MOST_COLOURS`, or if they cannot be told."""
    found: set[float] = set()
    kinds = set()
    for look in looks:
        if look.colours is None:
            return None
        found.update(look.colours)
        kinds.add(look.channels - look.has_alpha)
        if len(found) > MOST_COLOURS or len(kinds) > 1:
            return None
    return sorted(found)


def look_like_labels(looks: Sequence[Look]) -> bool:
    """Whether the pictures have a few colours in even areas, as label maps do, and no JPEG has."""
    colours = all_colours(looks)
    if colours is None or len(colours) < 2:
        return False
    return float(np.median([look.flat for look in looks])) >= (FLAT_LINES if len(colours) == 2 else FLAT)


def _look_blurred(looks: Sequence[Look]) -> bool:
    jpeg = all(look.file.lower().endswith((".jpg", ".jpeg")) for look in looks)
    even = float(np.median([look.even for look in looks]))
    return jpeg and even >= EVEN and float(np.median([look.even_colours for look in looks])) >= EVEN_COLOURS


def of_side(pairs: Sequence[Pair], letter: str) -> dict[str, list[Look]]:
    """The pictures of one side, "A" or "B", by part."""
    found: dict[str, list[Look]] = {}
    for pair in pairs:
        for part in side_parts(pair.looks, letter):
            found.setdefault(part, []).append(pair.looks[part])
    return {part: found[part] for part in side_parts(found, letter)}


def colours_of(look: Look) -> int:
    """Channels without alpha."""
    return look.channels - look.has_alpha


def advise(pairs: Sequence[Pair], letter: str) -> Advice:
    """What to tell `train` about one side, "A" or "B"."""
    parts = of_side(pairs, letter)
    looks = [look for some in parts.values() for look in some]
    if not looks:
        return Advice((3,), "8", None, labels=False, classes=None, drop=False, notes=())
    channels = tuple(_channels(some) for some in parts.values())
    labels = all(look_like_labels(some) for some in parts.values())
    depth = _depth(looks)
    classes = _classes(pairs, letter, looks) if labels and depth == "8" and len(parts) == 1 else None
    dropped = any(
        look.transparent and look.channels != n for some, n in zip(parts.values(), channels, strict=True) for look in some
    )
    return Advice(
        channels=channels if classes is None else (3,),
        depth=depth,
        range=_range(looks, depth),
        labels=labels,
        classes=classes,
        drop=dropped,
        notes=tuple(_notes(letter, looks, labels, classes, channels)),
    )


def _channels(looks: Sequence[Look]) -> int:
    """With alpha only if it is used and all have it; 3 if some have colours, as grey is repeated where it is needed."""
    counts = {look.channels for look in looks}
    if len(counts) == 1 and any(look.transparent for look in looks):
        return counts.pop()
    colours = Counter(map(colours_of, looks))
    return max(colours) if set(colours) <= {1, 3} else colours.most_common(1)[0][0]


def _depth(looks: Sequence[Look]) -> str:
    depths = Counter(look.depth for look in looks)
    if depths["float"] > len(looks) / 2:
        return "float"
    return "16" if depths["16"] else "8"


def _range(looks: Sequence[Look], depth: str) -> tuple[float, float] | None:
    looks = [look for look in looks if (look.depth == "float") == (depth == "float")]
    low, high = min(look.low for look in looks), max(look.high for look in looks)
    if depth == "16" and all(look.depth == "16" for look in looks):
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
    """To two digits, so that it holds all pictures and reads well."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    rounded = float(f"{math.ceil(value / step) * step:.12g}")
    return int(rounded) if rounded == int(rounded) else rounded


def _classes(pairs: Sequence[Pair], letter: str, looks: Sequence[Look]) -> int | None:
    """How many classes there are, if pixels hold their numbers: in grey files, or in those with one palette."""
    palettes = {look.palette for look in looks}
    if palettes != {None}:
        indices = [look.highest_index for look in looks if look.highest_index is not None]
        # In side-by-side pictures numbers are read only if both halves are classes, so that colours are safer.
        apart = all("pair" not in pair.files for pair in pairs)
        return max(indices) + 1 if len(palettes) == 1 and apart and 1 <= max(indices) < 256 else None
    values = all_colours(looks)
    if values is None or not all(look.colourless or colours_of(look) == 1 for look in looks):
        return None
    numbers = [int(value) & 255 for value in values]
    count = max(numbers) + 1
    return count if len(numbers) >= count / 2 else None  # others are shades, or have gaps that mean something


def _notes(
    letter: str, looks: Sequence[Look], labels: bool, classes: int | None, channels: tuple[int, ...]
) -> Iterable[str]:
    colours = all_colours(looks)
    option = "--data." + {"A": "input", "B": "target"}[letter]
    if classes is None and labels and colours and len(channels) == 1 and colours_of(looks[0]) == 3:
        palette = " ".join(f"'#{int(colour):06x}'" for colour in colours)
        yield f"{letter} is a map of {len(colours)} flat colours; one channel per class: {option}.palette {palette}"
    if not labels and _look_blurred(looks):
        yield (
            f"{letter} looks like a label map saved as JPEG: its colours are not exact, so it is trained on as a picture; "
            f"if you know the colours, {option}.kind labels and {option}.palette give each pixel the nearest."
        )
    if classes is None and channels == (3,) and all(look.colourless or colours_of(look) == 1 for look in looks):
        yield f"{letter} is grey throughout, though saved as RGB: {option}.channels 1 would do."
    if any(look.has_alpha for look in looks) and not any(look.transparent for look in looks):
        yield f"{letter} has an alpha channel that is opaque everywhere: it is left out."

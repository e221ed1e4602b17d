"""The warnings about a set: what would not stop training, but may spoil its results."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from p2p_jax.data.doctor.advice import advise
from p2p_jax.data.doctor.duplicates import find_duplicates
from p2p_jax.data.doctor.findings import Finding, is_usable, keys_of, label, size_of
from p2p_jax.data.doctor.inspection import InspectedPair, PictureStats
from p2p_jax.data.doctor.match import UNRELATED, find_swapped, match
from p2p_jax.data.doctor.split_warnings import find_split_warnings
from p2p_jax.data.doctor.summaries import pictures_by_side, seem_labels
from p2p_jax.data.names import sides_of
from p2p_jax.data.pictures import seems_channels_first

CONSTANT_STD, CONSTANT_SPAN = 2 / 255, 0.1  # limits of a constant picture, as fractions of the range of its side
MIN_PAIRS_UNRELATED = 16  # with fewer pairs, A and B are not reported as unrelated


def find_warnings(pairs: Sequence[InspectedPair]) -> Iterator[Finding]:
    """Yields the warnings about a set, whose pairs are in the order of splits and names."""
    constant = find_constant(pairs)
    names = {(split, name) for split, name, _ in constant}
    comparable = [pair for pair in pairs if is_usable(pair) and (pair.split, pair.name) not in names]
    yield from _find_sizes(pairs)
    yield from find_duplicates(pairs, constant)
    yield from _report_constant(pairs, constant)
    yield from _find_nodata(pairs)
    yield from _find_rotated(pairs)
    yield from _find_channels_first(pairs)
    yield from find_split_warnings(pairs)
    for split in dict.fromkeys(pair.split for pair in pairs):
        yield from _find_unmatched(split, [pair for pair in comparable if pair.split == split])
    yield from _find_swapped(comparable)


def _find_nodata(pairs: Sequence[InspectedPair]) -> Iterator[Finding]:
    """Values that mean that nothing is known of a pixel, which would stretch the range of a side."""
    for letter, option in (("A", "--data.input"), ("B", "--data.target")):
        pictures = [stats for some in pictures_by_side(pairs, letter).values() for stats in some]
        held = [stats for stats in pictures if stats.nodata is not None]
        if not held or (seem_labels(pictures) and not any(stats.nodata and stats.nodata.tagged for stats in held)):
            continue
        values = sorted({f"{stats.nodata.value:.9g}" for stats in held if stats.nodata})
        tagged = any(stats.nodata and stats.nodata.tagged for stats in held)
        low, high = min(stats.known_low for stats in pictures), max(stats.known_high for stats in pictures)
        why = "which their headers mark as unknown" if tagged else f"far from all others, which are {low:g} to {high:g}"
        advised = advise(pairs, letter).ignore
        value = f"{advised:.9g}" if advised is not None else values[0]
        yield Finding(
            "nodata",
            f"{letter} holds {' and '.join(values[:3])}, {why}, in {len(held)} pictures. If nothing is known of such "
            f"pixels, give {option}.ignore {value}: as targets they do not count.",
            tuple(f"{stats.file}: {stats.nodata.pixels} pixels" for stats in held if stats.nodata),
            keys_of([pair for pair in pairs if any(one.nodata for one in pair.pictures.values())]),
        )


def _find_rotated(pairs: Sequence[InspectedPair]) -> Iterator[Finding]:
    """Pairs of which EXIF turns one picture only."""
    found = [pair for pair in pairs if len({stats.tags.orientation for stats in pair.pictures.values()}) > 1]
    if found:
        turned = [[stats for stats in pair.pictures.values() if stats.tags.orientation > 1] for pair in found]
        sentence = (
            f"Pairs in which EXIF turns one side only: {len(found)}. It is turned upright, the other side is not: if they "
            "no longer fit, save both without the orientation."
        )
        items = tuple(f"{stats.file} (EXIF orientation {stats.tags.orientation})" for some in turned for stats in some)
        yield Finding("turned", sentence, items, keys_of(found))


def _find_channels_first(pairs: Sequence[InspectedPair]) -> Iterator[Finding]:
    found = [
        (pair, stats)
        for pair in pairs
        for stats in pair.pictures.values()
        if seems_channels_first((*stats.size, stats.channels))
    ]
    if found:
        sentence = (
            f"Arrays that seem to be (channels, height, width): {len(found)}. They are read as (height, width, channels): "
            "move the first axis to the end."
        )
        items = tuple(f"{stats.file}: {(*stats.size, stats.channels)}" for _, stats in found)
        yield Finding("channels_first", sentence, items, keys_of([pair for pair, _ in found]))


def _find_sizes(pairs: Sequence[InspectedPair]) -> Iterator[Finding]:
    usable = [pair for pair in pairs if is_usable(pair)]
    sizes = Counter(map(size_of, usable))
    if len(sizes) > 1:
        items = tuple(f"{width} x {height}: {count} pairs" for (height, width), count in sizes.most_common())
        sentence = f"The pairs have {len(sizes)} different sizes; by default all are resized to one."
        yield Finding("many_sizes", sentence, items)
    odd = [pair for pair in usable if any(length % 2 for length in size_of(pair))]
    if odd:
        sentence = f"Pairs of an odd height or width: {len(odd)}."
        yield Finding("uneven_sizes", sentence, tuple(map(label, odd)), keys_of(odd))


def find_constant(pairs: Sequence[InspectedPair]) -> set[tuple[str, str, str]]:
    """Pictures that are nearly constant compared with the others of their side: (split, name, side), without masks."""
    ranges: dict[tuple[str, str], tuple[float, float]] = {}
    for pair in pairs:
        for side, stats in pair.pictures.items():
            low, high = ranges.get((side, stats.depth), (stats.known_low, stats.known_high))
            ranges[side, stats.depth] = min(low, stats.known_low), max(high, stats.known_high)
    found = set()
    for pair in pairs:
        for side, stats in pair.pictures.items():
            low, high = ranges[side, stats.depth]
            nearly = stats.std < CONSTANT_STD * (high - low) and stats.span < CONSTANT_SPAN * (high - low)
            if side != "mask" and (nearly or stats.span == 0):
                found.add((pair.split, pair.name, side))
    return found


def _report_constant(pairs: Sequence[InspectedPair], constant: set[tuple[str, str, str]]) -> Iterator[Finding]:
    found = [
        (pair, stats)
        for pair in pairs
        for side, stats in pair.pictures.items()
        if (pair.split, pair.name, side) in constant
    ]
    if found:
        items = tuple(stats.file for _, stats in found)
        sentence = f"Pictures of one colour, or nearly so: {len(found)}."
        yield Finding("constant", sentence, items, keys_of([pair for pair, _ in found]))


def _first_pictures(pair: InspectedPair) -> tuple[PictureStats, PictureStats]:
    return pair.pictures[sides_of(pair.pictures, "A")[0]], pair.pictures[sides_of(pair.pictures, "B")[0]]


def _find_unmatched(split: str, usable: Sequence[InspectedPair]) -> Iterator[Finding]:
    """Pairs of one split whose A and B do not belong together."""
    pictures = [_first_pictures(pair) for pair in usable]
    found = match([a.edges for a, _ in pictures], [b.edges for _, b in pictures])
    if found.lag:
        first, other = (usable[0], usable[found.lag]) if found.lag > 0 else (usable[-found.lag], usable[0])
        yield Finding(
            "shifted",
            f"B seems to be shifted against A in most of {split}: the A of pair n fits the B of pair n "
            f"{'+' if found.lag > 0 else '-'} {abs(found.lag)}.",
            (f"{label(first)}: its A fits the B of {other.name}",),
            keys_of([first, other]),
        )
    elif found.similarity is not None and found.similarity < UNRELATED and len(usable) >= MIN_PAIRS_UNRELATED:
        yield Finding(
            "unrelated",
            f"A and B do not seem to belong together in {split}: their edges agree no better than those of shuffled pairs.",
        )
    if found.misplaced:
        items = tuple(
            f"{label(usable[i])}: its A fits the B of {usable[j].name} better" for i, j in found.misplaced.items()
        )
        sentence = f"Pairs in {split} that seem to have the B of another pair: {len(items)}."
        yield Finding("misplaced", sentence, items, keys_of([usable[i] for i in found.misplaced]))


def _find_swapped(usable: Sequence[InspectedPair]) -> Iterator[Finding]:
    if not usable:
        return
    pictures = [_first_pictures(pair) for pair in usable]
    found = [
        usable[i]
        for i in find_swapped(np.array([a.traits for a, _ in pictures]), np.array([b.traits for _, b in pictures]))
    ]
    if found:
        sentence = f"Pairs whose A and B seem to be swapped, compared with all others: {len(found)}."
        yield Finding("swapped", sentence, tuple(map(label, found)), keys_of(found))

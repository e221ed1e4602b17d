"""The problems of a set: what would stop training."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from p2p_jax.data.doctor.findings import Finding, is_usable, keys_of
from p2p_jax.data.doctor.inspection import InspectedPair, PictureStats
from p2p_jax.data.doctor.summaries import colours_of, pictures_by_side

OF_PAIRS = {
    "unreadable": "Pictures that cannot be read",
    "too_small": "Pictures that are too small",
    "odd_width": "Side-by-side pictures of an odd width, whose halves differ in size",
    "sizes_differ": "Pairs that hold pictures of different sizes",
    "mask": "Masks that cannot be used",
}
"""The problems of single pairs: {kind: words of the finding}."""


def find_problems(pairs: Sequence[InspectedPair], unmatched: Sequence[str]) -> Iterator[Finding]:
    """Yields the problems of a set.

    Args:
        pairs: in the order of splits and names.
        unmatched: sentences on pictures that lack their other half.
    """
    if unmatched:
        sentence = f"Pictures that lack their other half, so that training does not start: {len(unmatched)}."
        yield Finding("alone", sentence, tuple(unmatched))
    for kind, words in OF_PAIRS.items():
        found = [(pair, sentence) for pair in pairs for each, sentence in pair.problems if each == kind]
        if found:
            items = tuple(sentence.rstrip(".") for _, sentence in found)
            yield Finding(kind, f"{words}: {len(found)}.", items, keys_of([pair for pair, _ in found]))
    if not any(pair.split == "train" for pair in pairs):
        yield Finding("no_training_pairs", "There are no pairs to train on: a train split is needed.")
    elif not any(pair.split == "train" and is_usable(pair) for pair in pairs):
        yield Finding("no_training_pairs", "None of the pairs to train on can be used.")
    for letter in "AB":
        yield from _find_mixed_channels(pairs, letter)
        yield from _find_mixed_depths(pairs, letter)


def _find_mixed_channels(pairs: Sequence[InspectedPair], letter: str) -> Iterator[Finding]:
    """Numbers of channels that no option accepts together."""
    for side, pictures in pictures_by_side(pairs, letter).items():
        counts = Counter(map(colours_of, pictures))
        if len(counts) > 1 and not set(counts) <= {1, 3}:
            words = f"{side} has pictures of {_join_counts(counts)} channels, which no --data option accepts together."
            yield _find_unusual("channels_differ", words, pairs, side, counts, colours_of)


def _find_mixed_depths(pairs: Sequence[InspectedPair], letter: str) -> Iterator[Finding]:
    """Integers and floating-point numbers, which no option accepts together."""
    by_side = pictures_by_side(pairs, letter)
    kinds = Counter(_kind_of_number(stats) for pictures in by_side.values() for stats in pictures)
    if len(kinds) > 1:
        words = f"{letter} has pictures of {_join_counts(kinds)} numbers, which no --data option accepts together."
        for side in by_side:
            finding = _find_unusual("depths_differ", words, pairs, side, kinds, _kind_of_number)
            if finding.items:
                yield finding


def _kind_of_number(stats: PictureStats) -> str:
    return "floating-point" if stats.depth == "float" else "integer"


def _join_counts(counts: Counter) -> str:
    return " and ".join(f"{value} ({count})" for value, count in counts.most_common())


def _find_unusual(
    kind: str,
    words: str,
    pairs: Sequence[InspectedPair],
    side: str,
    counts: Counter,
    trait: Callable[[PictureStats], object],
) -> Finding:
    """A finding that names the pictures of a side whose trait is not the most common one."""
    usual = counts.most_common(1)[0][0]
    unusual = [pair for pair in pairs if side in pair.pictures and trait(pair.pictures[side]) != usual]
    items = tuple(f"{pair.pictures[side].file} ({trait(pair.pictures[side])})" for pair in unusual)
    return Finding(kind, words, items, keys_of(unusual))

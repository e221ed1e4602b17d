"""What is wrong with a set of pairs, and what is odd: pure functions of what was seen of each pair."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.data.doctor.kinds import Summary, colours_of, of_side, summarise
from p2p_jax.data.doctor.look import Look, Pair
from p2p_jax.data.doctor.match import UNRELATED, find_swapped, match
from p2p_jax.data.layout import side_parts

CONSTANT, NEARLY = 2 / 255, 0.1  # spread and range, as shares of those of the whole set, of a picture that shows nothing
FEWEST_UNRELATED = 16  # pairs, before it is said that A and B have nothing in common


class Finding(NamedTuple):
    """One kind of thing that is wrong or odd.

    Attributes:
        kind: a word for programs.
        sentence: for people.
        items: a line for each file, pair or group that it is about.
        pairs: (split, name) of the pairs concerned, as far as they are pairs.
    """

    kind: str
    sentence: str
    items: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()


class Findings(NamedTuple):
    """All that is known of a set.

    Attributes:
        pairs: every pair, those that cannot be used included.
        summaries: {split: {part: summary}}.
        problems: what a training would stop at.
        warnings: what it would not.
    """

    pairs: list[Pair]
    summaries: dict[str, dict[str, Summary]]
    problems: list[Finding]
    warnings: list[Finding]


BREAKING = {
    "unreadable": "Pictures that cannot be read",
    "too_small": "Pictures that are too small",
    "odd_width": "Side-by-side pictures of an odd width, whose halves differ in size",
    "sizes_differ": "Pairs that hold pictures of different sizes",
}


def draw_conclusions(pairs: list[Pair], alone: Sequence[str]) -> Findings:
    """Everything that follows from what was seen.

    Args:
        pairs: in the order of splits and names.
        alone: sentences on pictures that lack their other half.
    """
    splits = {split: [pair for pair in pairs if pair.split == split] for split in dict.fromkeys(p.split for p in pairs)}
    summaries = {
        split: {part: summarise(looks) for part, looks in _by_part(some).items()} for split, some in splits.items()
    }
    problems = [*_breaking(pairs, alone), *_mixed(pairs), *_masks_that_break(pairs)]
    constant = find_constant(pairs)
    names = {(split, name) for split, name, _ in constant}
    telling = [pair for pair in pairs if usable(pair) and (pair.split, pair.name) not in names]
    warnings = [*_odd_sizes(pairs), *_duplicates(pairs, constant), *_constant(pairs, constant), *_odd_masks(pairs)]
    for split in splits:
        warnings += _unmatched(split, [pair for pair in telling if pair.split == split])
    return Findings(pairs, summaries, problems, [*warnings, *_swapped(telling)])


def label(pair: Pair) -> str:
    """What to call a pair."""
    return f"{pair.split}: {pair.name}"


def _by_part(pairs: Sequence[Pair]) -> dict[str, list[Look]]:
    masks = [pair.looks["mask"] for pair in pairs if "mask" in pair.looks]
    return {**of_side(pairs, "A"), **of_side(pairs, "B"), **({"mask": masks} if masks else {})}


def _keys(pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
    return tuple((pair.split, pair.name) for pair in pairs)


def _breaking(pairs: Sequence[Pair], alone: Sequence[str]) -> Iterator[Finding]:
    if alone:
        sentence = f"Pictures that lack their other half, so that no training starts: {len(alone)}."
        yield Finding("alone", sentence, tuple(alone))
    for kind, words in BREAKING.items():
        found = [(pair, sentence) for pair in pairs for each, sentence in pair.wrong if each == kind]
        if found:
            items = tuple(sentence.rstrip(".") for _, sentence in found)
            yield Finding(kind, f"{words}: {len(found)}.", items, _keys([pair for pair, _ in found]))
    if not any(pair.split == "train" for pair in pairs):
        yield Finding("no_training_pairs", "There are no pairs to train on: a train split is needed.")
    elif not any(pair.split == "train" and usable(pair) for pair in pairs):
        yield Finding("no_training_pairs", "Not one of the pairs to train on can be used.")


def usable(pair: Pair) -> bool:
    """Whether nothing is wrong with a pair by itself."""
    return not pair.wrong and bool(side_parts(pair.looks, "A")) and bool(side_parts(pair.looks, "B"))


def _mixed(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Channels and depths that no option of a side takes together."""
    for letter in "AB":
        for part, looks in of_side(pairs, letter).items():
            counts = Counter(map(colours_of, looks))
            if len(counts) > 1 and not set(counts) <= {1, 3}:
                words = f"{part} has pictures of {_listed(counts)} channels, which no --data option takes together."
                yield _odd_ones("channels_differ", words, pairs, part, counts, colours_of)
        looks = [look for some in of_side(pairs, letter).values() for look in some]
        kinds = Counter(map(_kind_of_number, looks))
        if len(kinds) > 1:
            words = f"{letter} has pictures of {_listed(kinds)} numbers, which no --data option takes together."
            for part in of_side(pairs, letter):
                finding = _odd_ones("depths_differ", words, pairs, part, kinds, _kind_of_number)
                if finding.items:
                    yield finding


def _kind_of_number(look: Look) -> str:
    return "real" if look.depth == "float" else "whole"


def _listed(counts: Counter) -> str:
    return " and ".join(f"{value} ({count})" for value, count in counts.most_common())


def _odd_ones(
    kind: str, words: str, pairs: Sequence[Pair], part: str, counts: Counter, trait: Callable[[Look], object]
) -> Finding:
    usual = counts.most_common(1)[0][0]
    odd = [pair for pair in pairs if part in pair.looks and trait(pair.looks[part]) != usual]
    return Finding(kind, words, tuple(f"{pair.looks[part].file} ({trait(pair.looks[part])})" for pair in odd), _keys(odd))


def _masks_that_break(pairs: Sequence[Pair]) -> Iterator[Finding]:
    odd = [
        pair for pair in pairs
        if "mask" in pair.looks and (pair.looks["mask"].depth != "8" or colours_of(pair.looks["mask"]) not in (1, 3))
    ]  # fmt: skip
    if odd:
        items = tuple(pair.looks["mask"].file for pair in odd)
        yield Finding("mask", f"Masks that are not grey pictures of 8 bits, from 0 to 255: {len(odd)}.", items, _keys(odd))


def _odd_masks(pairs: Sequence[Pair]) -> Iterator[Finding]:
    masks = [pair.looks["mask"] for pair in pairs if "mask" in pair.looks]
    if masks and max(mask.high for mask in masks) == 1 and all(mask.depth == "8" for mask in masks):
        yield Finding("mask_values", "The masks hold 0 and 1 only: 255 counts in full, so 1 counts next to nothing.")


def _odd_sizes(pairs: Sequence[Pair]) -> Iterator[Finding]:
    sizes = Counter(next(iter(pair.looks.values())).size for pair in pairs if usable(pair))
    if len(sizes) > 1:
        items = tuple(f"{width} x {height}: {count} pairs" for (height, width), count in sizes.most_common())
        yield Finding(
            "many_sizes", f"The pairs have {len(sizes)} different sizes; by default all are resized to one.", items
        )
    odd = [pair for pair in pairs if usable(pair) and any(side % 2 for side in next(iter(pair.looks.values())).size)]
    if odd:
        yield Finding("uneven_sizes", f"Pairs of an odd height or width: {len(odd)}.", tuple(map(label, odd)), _keys(odd))


def _duplicates(pairs: Sequence[Pair], constant: set[tuple[str, str, str]]) -> Iterator[Finding]:
    """Same pixels, whatever the files are: whole pairs first, then single halves of pairs that differ otherwise."""

    def digests(pair: Pair) -> tuple[str, ...]:
        return tuple(pair.looks[part].digest for letter in "AB" for part in side_parts(pair.looks, letter))

    good = [pair for pair in pairs if usable(pair)]
    whole = _groups(good, digests)
    yield from _told_apart("pair", "Identical pairs", whole)
    for letter in "AB":
        # A constant picture is the same as others by its nature, and is named as constant already.
        named = {(split, name) for split, name, part in constant if part[0] == letter}
        showing = [pair for pair in good if (pair.split, pair.name) not in named]
        halves = _groups(showing, lambda p, on=letter: tuple(p.looks[part].digest for part in side_parts(p.looks, on)))
        differing = [group for group in halves if len({digests(pair) for pair in group}) > 1]
        yield from _told_apart(f"{letter.lower()}", f"Different pairs with an identical {letter}", differing)
    same = [p for p in good if len(set(digests(p))) == 1 and len(digests(p)) == 2]
    if same:
        sentence = f"Pairs whose A and B are the same picture, so that they teach nothing: {len(same)}."
        yield Finding("a_is_b", sentence, tuple(map(label, same)), _keys(same))


def _groups(pairs: Sequence[Pair], digest: Callable[[Pair], tuple[str, ...]]) -> list[list[Pair]]:
    found: dict[tuple[str, ...], list[Pair]] = {}
    for pair in pairs:
        found.setdefault(digest(pair), []).append(pair)
    return [group for group in found.values() if len(group) > 1]


def _told_apart(kind: str, words: str, groups: Sequence[list[Pair]]) -> Iterator[Finding]:
    across = [group for group in groups if len({pair.split for pair in group}) > 1]
    within = [group for group in groups if len({pair.split for pair in group}) == 1]
    for some, where, note in (
        (across, "across", "in several splits, so that what is measured on them is too good"),
        (within, "within", "in one split"),
    ):
        if some:
            items = tuple(" = ".join(map(label, group)) for group in some)
            pairs = _keys([pair for group in some for pair in group])
            yield Finding(f"same_{kind}_{where}", f"{words} {note}: {len(some)}.", items, pairs)


def find_constant(pairs: Sequence[Pair]) -> set[tuple[str, str, str]]:
    """Pictures that show next to nothing beside the others of their part: (split, name, part), masks aside."""
    ranges: dict[tuple[str, str], tuple[float, float]] = {}
    for pair in pairs:
        for part, look in pair.looks.items():
            low, high = ranges.get((part, look.depth), (look.low, look.high))
            ranges[part, look.depth] = min(low, look.low), max(high, look.high)
    found = set()
    for pair in pairs:
        for part, look in pair.looks.items():
            low, high = ranges[part, look.depth]
            nearly = look.std < CONSTANT * (high - low) and look.span < NEARLY * (high - low)
            if part != "mask" and (nearly or look.span == 0):
                found.add((pair.split, pair.name, part))
    return found


def _constant(pairs: Sequence[Pair], constant: set[tuple[str, str, str]]) -> Iterator[Finding]:
    found = [
        (pair, look) for pair in pairs for part, look in pair.looks.items() if (pair.split, pair.name, part) in constant
    ]
    if found:
        items = tuple(look.file for _, look in found)
        sentence = f"Pictures of one colour throughout, or nearly: {len(found)}."
        yield Finding("constant", sentence, items, _keys([pair for pair, _ in found]))


def _first(pair: Pair) -> tuple[str, str]:
    return side_parts(pair.looks, "A")[0], side_parts(pair.looks, "B")[0]


def _unmatched(split: str, good: Sequence[Pair]) -> Iterator[Finding]:
    edges = [[pair.looks[_first(pair)[side]].edges for pair in good] for side in (0, 1)]
    found = match(*edges)
    if found.lag:
        first, other = (good[0], good[found.lag]) if found.lag > 0 else (good[-found.lag], good[0])
        yield Finding(
            "shifted",
            f"B seems to be shifted against A in most of {split}: the A of a pair fits the B of the one "
            f"{abs(found.lag)} {'after' if found.lag > 0 else 'before'} it.",
            (f"{label(first)}: its A fits the B of {other.name}",),
            _keys([first, other]),
        )
    elif found.similarity is not None and found.similarity < UNRELATED and len(good) >= FEWEST_UNRELATED:
        yield Finding(
            "unrelated",
            f"A and B do not seem to belong together in {split}: their edges agree no better than those of shuffled pairs.",
        )
    if found.misplaced:
        items = tuple(f"{label(good[i])}: its A fits the B of {good[j].name} better" for i, j in found.misplaced.items())
        sentence = f"Pairs in {split} that seem to have the B of another pair: {len(items)}."
        yield Finding("misplaced", sentence, items, _keys([good[i] for i in found.misplaced]))


def _swapped(good: Sequence[Pair]) -> Iterator[Finding]:
    if not good:
        return
    traits = [np.array([pair.looks[_first(pair)[side]].traits for pair in good]) for side in (0, 1)]
    found = [good[i] for i in find_swapped(*traits)]
    if found:
        sentence = f"Pairs whose A and B seem to be the other way round than in all others: {len(found)}."
        yield Finding("swapped", sentence, tuple(map(label, found)), _keys(found))

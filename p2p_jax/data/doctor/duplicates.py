"""Pairs and single pictures that occur more than once in a set."""

from collections.abc import Callable, Iterator, Sequence

from p2p_jax.data.doctor.findings import Finding, is_usable, keys_of, label
from p2p_jax.data.doctor.inspection import InspectedPair
from p2p_jax.data.names import sides_of


def find_duplicates(pairs: Sequence[InspectedPair], constant: set[tuple[str, str, str]]) -> Iterator[Finding]:
    """Yields findings on pictures with equal pixels: first equal pairs, then equal halves of different pairs.

    Args:
        pairs: in the order of splits and names.
        constant: (split, name, side) of constant pictures. Many of these are equal, so they count only in equal pairs.
    """
    usable = [pair for pair in pairs if is_usable(pair)]
    yield from _report("pair", "Identical pairs", _group(usable, _hash_pair))
    for letter in "AB":
        excluded = {(split, name) for split, name, side in constant if side[0] == letter}
        compared = [pair for pair in usable if (pair.split, pair.name) not in excluded]
        groups = _group(compared, lambda pair, letter=letter: _hash_half(pair, letter))
        different = [group for group in groups if len(set(map(_hash_pair, group))) > 1]
        yield from _report(letter.lower(), f"Different pairs with an identical {letter}", different)
    same = [pair for pair in usable if len(set(_hash_pair(pair))) == 1 and len(_hash_pair(pair)) == 2]
    if same:
        sentence = f"Pairs whose A and B are the same picture, so that training learns nothing from them: {len(same)}."
        yield Finding("a_is_b", sentence, tuple(map(label, same)), keys_of(same))


def _hash_half(pair: InspectedPair, letter: str) -> tuple[str, ...]:
    return tuple(pair.pictures[side].digest for side in sides_of(pair.pictures, letter))


def _hash_pair(pair: InspectedPair) -> tuple[str, ...]:
    return _hash_half(pair, "A") + _hash_half(pair, "B")


def _group(pairs: Sequence[InspectedPair], digest: Callable[[InspectedPair], tuple[str, ...]]) -> list[list[InspectedPair]]:
    """Groups of at least two pairs with equal digests."""
    found: dict[tuple[str, ...], list[InspectedPair]] = {}
    for pair in pairs:
        found.setdefault(digest(pair), []).append(pair)
    return [group for group in found.values() if len(group) > 1]


def _report(kind: str, words: str, groups: Sequence[list[InspectedPair]]) -> Iterator[Finding]:
    across = [group for group in groups if len({pair.split for pair in group}) > 1]
    within = [group for group in groups if len({pair.split for pair in group}) == 1]
    for some, where, note in (
        (across, "across", "in several splits, so that metrics measured on them are too good"),
        (within, "within", "in one split"),
    ):
        if some:
            items = tuple(" = ".join(map(label, group)) for group in some)
            pairs = keys_of([pair for group in some for pair in group])
            yield Finding(f"same_{kind}_{where}", f"{words} {note}: {len(some)}.", items, pairs)

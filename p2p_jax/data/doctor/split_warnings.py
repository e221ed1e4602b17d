"""Warnings about splits that differ from the training split, so that their metrics would say nothing about the training."""

from collections.abc import Iterator, Sequence

import numpy as np

from p2p_jax.data.doctor.findings import Finding, is_usable, keys_of, label
from p2p_jax.data.doctor.inspection import InspectedPair, PictureStats
from p2p_jax.data.doctor.match import are_exchanged
from p2p_jax.data.doctor.summaries import kind_of_labels
from p2p_jax.data.names import sides_of

SAME = 4.0  # difference, of 255, up to which two pictures differ by compression only; JPEG of quality 50 has 3.5
OTHER = 4.0  # factor by which the pairs of the training split must differ more
CLEARLY = 0.2  # difference of the medians of `PictureStats.flat` of two kinds of pictures
MAX_SHARE = 0.5  # of the training pairs that may be nearly equal themselves, as in sets for denoising


def find_split_warnings(pairs: Sequence[InspectedPair]) -> Iterator[Finding]:
    """Yields the warnings about pairs, in the order of splits and names, that are unlike those of the training split."""
    usable = [pair for pair in pairs if is_usable(pair)]
    splits = {split: [pair for pair in usable if pair.split == split] for split in dict.fromkeys(p.split for p in usable)}
    train = splits.pop("train", [])
    yield from _find_nearly_equal(usable, train)
    for split, some in splits.items() if train else ():
        yield from _compare_kinds(train, some, split)


def _find_nearly_equal(usable: Sequence[InspectedPair], train: Sequence[InspectedPair]) -> Iterator[Finding]:
    """Pairs whose A equals their B up to the noise of compression, unlike those of the training split."""
    usual = [pair.difference for pair in train if pair.difference is not None]
    if not usual or float(np.mean([difference <= SAME for difference in usual])) > MAX_SHARE:
        return
    limit = min(SAME, float(np.median(usual)) / OTHER)
    found = [pair for pair in usable if pair.difference is not None and 0 < pair.difference <= limit]
    if found:
        sentence = (
            "Pairs whose A and B are the same picture up to the noise of compression, unlike most training pairs: "
            f"{len(found)}. Their A may be a copy of B, and then metrics measured on them say nothing."
        )
        yield Finding("a_nearly_b", sentence, tuple(map(label, found)), keys_of(found))


def _compare_kinds(train: Sequence[InspectedPair], others: Sequence[InspectedPair], split: str) -> Iterator[Finding]:
    """Another split whose sides are exchanged, or hold pictures of another kind than those of the training split."""
    traits = [[np.array([_first(pair, letter).traits for pair in some]) for letter in "AB"] for some in (train, others)]
    if are_exchanged(traits[0], traits[1]):
        yield Finding(
            "exchanged",
            f"A and B seem to be exchanged in {split}: its A resembles the B of train, and its B resembles the A of train.",
            pairs=keys_of(others),
        )
        return
    for letter in "AB":
        kinds = [_describe([_first(pair, letter) for pair in some]) for some in (train, others)]
        flat = [np.median([_first(pair, letter).flat for pair in some]) for some in (train, others)]
        if kinds[0] != kinds[1] and abs(flat[0] - flat[1]) >= CLEARLY:
            yield Finding(
                "other_kind",
                f"{letter} is another kind of picture in {split} ({kinds[1]}) than in train ({kinds[0]}): the splits do "
                "not seem to come from one set.",
                pairs=keys_of(others),
            )


def _first(pair: InspectedPair, letter: str) -> PictureStats:
    return pair.pictures[sides_of(pair.pictures, letter)[0]]


def _describe(pictures: Sequence[PictureStats]) -> str:
    return "label maps" if kind_of_labels(pictures) else "no label maps"

"""The results of a check, and functions that both problems and warnings use."""

from collections.abc import Sequence
from typing import NamedTuple

from p2p_jax.data.doctor.inspection import InspectedPair
from p2p_jax.data.doctor.summaries import Summary
from p2p_jax.data.layout import Layout
from p2p_jax.data.names import sides_of

PairKey = tuple[str, str]
"""(split, name)."""


class Finding(NamedTuple):
    """One kind of problem or warning.

    Attributes:
        kind: the identifier of the finding, for programs.
        sentence: the description of the finding, for people.
        items: a line for each file, pair or group concerned.
        pairs: (split, name) of the pairs concerned.
    """

    kind: str
    sentence: str
    items: tuple[str, ...] = ()
    pairs: tuple[PairKey, ...] = ()


class Findings(NamedTuple):
    """The results of a check.

    Attributes:
        pairs: every pair, including those that cannot be used.
        summaries: {split: {side: summary}}.
        problems: what would stop training.
        warnings: what would not stop it, but may spoil its results.
        notes: what the user should know about the files, in sentences.
        layout: how the files of a pair were found, as in `Data.layout`.
    """

    pairs: list[InspectedPair]
    summaries: dict[str, dict[str, Summary]]
    problems: list[Finding]
    warnings: list[Finding]
    notes: tuple[str, ...] = ()
    layout: Layout = "auto"


def label(pair: InspectedPair) -> str:
    """The name of a pair with its split."""
    return f"{pair.split}: {pair.name}"


def keys_of(pairs: Sequence[InspectedPair]) -> tuple[PairKey, ...]:
    """(split, name) of each pair."""
    return tuple((pair.split, pair.name) for pair in pairs)


def is_usable(pair: InspectedPair) -> bool:
    """Whether a pair has no problem of its own."""
    return not pair.problems and bool(sides_of(pair.pictures, "A")) and bool(sides_of(pair.pictures, "B"))


def size_of(pair: InspectedPair) -> tuple[int, int]:
    """(height, width) in pixels of a usable pair."""
    return next(iter(pair.pictures.values())).size

"""Pictures that come in twos: the two words by which the names of a pair differ, such as input and target."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from p2p_jax.data.names import in_nfc, is_known

Kind = Literal["folder", "suffix", "prefix"]
KINDS: tuple[Kind, ...] = ("folder", "suffix", "prefix")
BREAKS = re.compile(r"[_\- ]")
COMPLETE = 0.8  # fraction of the names that must belong to pairs before unknown words are taken for sides
CANDIDATES = 12  # of the most frequent words


class Twos(NamedTuple):
    """How the names of pictures come in twos.

    Attributes:
        words: the two words; "" where one picture has no word, as in 0 and 0_mask.
        kind: where they stand: the name of a folder, the end of a file's name (or all of it), or its beginning.
        names: {name of the pair: {word: name of the picture}}, with one word where the other picture is missing.
        alone: names without either word.
    """

    words: tuple[str, str]
    kind: Kind
    names: dict[str, dict[str, str]]
    alone: list[str]


def find_twos(names: Sequence[str], kinds: Iterable[Kind] = KINDS) -> Twos | None:
    """Finds the two words that make most names of pictures come in twos.

    Args:
        names: paths of pictures in a folder and its sub-folders, without endings.
        kinds: where words may stand.

    Returns:
        the twos; None where fewer than four fifths of the names have a partner, unless both words are known for sides.
    """
    best: tuple[tuple[int, bool], Kind, tuple[str, str]] | None = None
    for kind in kinds:
        stems = _stems_by_word(names, kind)
        frequent = sorted(stems, key=lambda word: (-len(stems[word]), word))[:CANDIDATES]
        frequent += [word for word in stems if is_known(word) and word not in frequent]
        for pair in combinations(sorted(frequent), 2):
            known, common = all(map(is_known, pair)), len(stems[pair[0]] & stems[pair[1]])
            enough = known or 2 * common >= COMPLETE * len(names)
            if common and enough and (best is None or (common, known) > best[0]):
                best = (common, known), kind, pair
    return None if best is None else divide(names, best[2], best[1])


def divide(names: Sequence[str], words: tuple[str, str], kind: Kind) -> Twos:
    """Divides names by two known words."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    alone = []
    for name in names:
        splits = [(stem, word) for stem, word in _splits(name, kind) if word in words]
        if splits:
            stem, word = min(splits, key=lambda each: len(each[0]))
            found[in_nfc(stem)][word] = name
        else:
            alone.append(name)
    return Twos(words, kind, dict(found), alone)


def _stems_by_word(names: Sequence[str], kind: Kind) -> dict[str, set[str]]:
    stems: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for stem, word in _splits(name, kind):
            stems[word].add(in_nfc(stem))
    return stems


def _splits(name: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """All ways to divide a name into a stem and a word. A number is no word."""
    *folders, base = name.split("/")
    if kind == "folder":
        found = [("/".join([*folders[:i], *folders[i + 1 :], base]), folder) for i, folder in enumerate(folders)]
    else:
        parts = [(base[: match.start()], base[match.end() :]) for match in BREAKS.finditer(base)]
        parts = [(end, start) for start, end in parts] if kind == "prefix" else parts
        found = [("/".join([*folders, stem]), word) for stem, word in parts if stem]
        if kind == "suffix":
            found += [(name, "")] + ([("/".join(folders), base)] if folders else [])
    yield from ((stem, word) for stem, word in found if not word or re.search(r"[^\W\d_]", word))

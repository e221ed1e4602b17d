"""The names in a set of pairs: of its splits, of the sides of a pair, and the order of the pairs."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
"""The splits, and the words for each, in any case."""

SIDE = re.compile(r"[AB](?:[1-9]\d*)?|mask")
"""A side of a pair: A, or A1, A2, … where several pictures are stacked; B likewise; and a mask."""

OTHER_NAMES = {"input": "A", "target": "B"}
"""Other names of sides, in folders and in lists."""

WORDS_OF_A = frozenset(
    """
    a input inputs source src label labels labelmap labelmaps seg segmentation masks edge edges sketch sketches
    lines lineart annotation annotations condition semantic low lr lq noisy blurred rainy hazy gray grey before
    """.split()  # noqa: SIM905
)
"""Words for the side that is usually the input, in lower case, beside a word for the other side."""

WORDS_OF_B = frozenset(
    """
    b target targets output outputs tgt dst img imgs image images photo photos picture pictures real gt
    groundtruth high hr hq clean sharp clear color colors colour colours after
    """.split()  # noqa: SIM905
)
"""Words for the side that is usually the target, in lower case, beside a word for the other side."""

Files = tuple[str, dict[str, Path]]
"""A pair's name and its files by side: {"A": file, "B": file}, with "A1", "A2", … and "mask" likewise; or {"pair": file}
for a side-by-side picture, which holds A at the left and B at the right."""


def sides_of(sides: Iterable[str], letter: str) -> list[str]:
    """The sides of one letter, "A" or "B", in order: ["A"], or ["A1", "A2", …]."""
    return sorted((side for side in sides if side[0] == letter), key=lambda side: int(side[1:] or 0))


def natural_key(name: str) -> list[tuple[str, int, str]]:
    """A sorting key that puts 2 before 10, folder by folder; a number that no file name can hold counts as text."""
    return [("", int(part), "") if part.isdecimal() and len(part) < 256 else ("~", 0, part) for part in name.split("/")]


def in_nfc(name: str) -> str:
    """A name with composed characters, for comparisons: macOS writes é as two characters, other systems as one."""
    return unicodedata.normalize("NFC", name)


def find_file(folder: Path, name: str) -> Path:
    """The path of a file that a list names; a part that does not exist may be spelled with other Unicode characters.

    Args:
        folder: in which the name starts.
        name: a relative or absolute path.
    """
    path = folder / name
    if str(path).isascii() or path.exists():
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        below = found / part
        if not below.exists() and found.is_dir():
            below = next((each for each in found.iterdir() if in_nfc(each.name) == in_nfc(part)), below)
        found = below
    return found if found.exists() else path


def find_split(word: str) -> str | None:
    """The split that a word names, such as "val" for "Valid"; None for other words."""
    return next((split for split, words in SPLITS.items() if word.casefold() in words), None)


def find_side(word: str) -> str | None:
    """The side that a word surely names, in any case: "A" for "a" or "Input", "A2" for "a2"; None for other words."""
    word = OTHER_NAMES.get(word.casefold(), word)
    proper = word.lower() if word.lower() == "mask" else word.upper()
    return proper if SIDE.fullmatch(proper) else None


def order_sides(words: Iterable[str]) -> dict[str, str]:
    """{word: side} for two words: by `WORDS_OF_A` and `WORDS_OF_B`, otherwise in alphabetical order."""
    first, second = sorted(words, key=str.casefold)
    scores = [(word.casefold() in WORDS_OF_B) - (word.casefold() in WORDS_OF_A) for word in (first, second)]
    return {first: "A", second: "B"} if scores[0] <= scores[1] else {second: "A", first: "B"}


def is_known(word: str) -> bool:
    """Whether a word is one for a side."""
    return word.casefold() in WORDS_OF_A | WORDS_OF_B or find_side(word) is not None


_SPLIT_WORD = "|".join(sorted((word for words in SPLITS.values() for word in words), key=len, reverse=True))
_SPLIT_FIRST = re.compile(rf"(?P<split>{_SPLIT_WORD})(?P<gap>[ _.-]?)(?P<word>.+)", re.IGNORECASE)
_SPLIT_LAST = re.compile(rf"(?P<word>.+)[ _.-](?P<split>{_SPLIT_WORD})", re.IGNORECASE)
_NNUNET = re.compile(r"(?P<word>[a-z]+)(?P<split>Tr|Ts)")


def parse_folder(name: str) -> tuple[str | None, str]:
    """The split and the side's word in the name of a folder.

    >>> parse_folder("train_label"), parse_folder("testB"), parse_folder("Valid"), parse_folder("photos")
    (('train', 'label'), ('test', 'B'), ('val', ''), (None, 'photos'))
    """
    if split := find_split(name):
        return split, ""
    match = _SPLIT_FIRST.fullmatch(name)
    if match and not match["word"].isdecimal() and (match["gap"] or find_side(match["word"])):
        return find_split(match["split"]), match["word"]
    if match := _SPLIT_LAST.fullmatch(name):
        return find_split(match["split"]), match["word"]
    if match := _NNUNET.fullmatch(name):
        return {"Tr": "train", "Ts": "test"}[match["split"]], match["word"]
    return None, name

"""The names in a set of pairs: of its splits, of the sides of a pair, and the order of the pairs."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
"""The splits, and the folders that may hold each."""

SIDE = re.compile(r"[AB](?:[1-9]\d*)?|mask")
"""A side of a pair: A, or A1, A2, … where several pictures are stacked; B likewise; and a mask."""

OTHER_NAMES = {"input": "A", "target": "B"}
"""Other names of sides, in folders and in lists."""

Files = tuple[str, dict[str, Path]]
"""A pair's name and its files by side: {"A": file, "B": file}, with "A1", "A2", … and "mask" likewise; or {"pair": file}
for a side-by-side picture, which holds A at the left and B at the right."""


def sides_of(sides: Iterable[str], letter: str) -> list[str]:
    """The sides of one letter, "A" or "B", in order: ["A"], or ["A1", "A2", …]."""
    return sorted((side for side in sides if side[0] == letter), key=lambda side: int(side[1:] or 0))


def natural_key(name: str) -> list[tuple[str, int, str]]:
    """A sorting key that puts 2 before 10, folder by folder."""
    return [("", int(part), "") if part.isdecimal() else ("~", 0, part) for part in name.split("/")]


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

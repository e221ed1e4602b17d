"""The names in a set of pairs: of its splits, of the sides of a pair, and the order of the pairs."""

import re
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
    """A sorting key that puts 2 before 10, folder by folder; a number that no file name can hold counts as text."""
    return [("", int(part), "") if part.isdecimal() and len(part) < 256 else ("~", 0, part) for part in name.split("/")]

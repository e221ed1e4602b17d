"""The folders of a set: of its splits, and of the sides of its pairs."""

from pathlib import Path
from typing import NamedTuple

from p2p_jax.data.listing import list_folders, list_pictures
from p2p_jax.data.matching import count_common_names
from p2p_jax.data.names import WORDS_OF_A, WORDS_OF_B, find_side, order_sides, parse_folder, sides_of
from p2p_jax.data.pictures import is_picture
from p2p_jax.errors import UserError


class Place(NamedTuple):
    """Where the pictures of a split may lie.

    Attributes:
        folder: the split's own folder; None if there are only folders such as trainA.
        words: {word: folder}: trainA and trainB as A and B, and the sub-folders of `folder` by their names.
        named: those of `words` whose names hold a split and a word, such as train_label or label/train.
    """

    folder: Path | None
    words: dict[str, Path]
    named: frozenset[str]


def enter(root: Path) -> Path:
    """Goes down through folders that hold nothing but one folder."""
    while True:
        below = list_folders(root)
        if len(below) != 1 or parse_folder(below[0].name)[0] or find_side(below[0].name) or _holds_pictures(root):
            return root
        root = below[0]


def divide_by_split(root: Path) -> dict[str, Place]:
    """{"train" | "val" | "test": place}; without folders of splits {"train": the whole folder}.

    Raises:
        UserError: two folders are for the same split.
    """
    own: dict[str, Path] = {}
    named: dict[str, dict[str, Path]] = {}
    for folder in list_folders(root):
        split, word = parse_folder(folder.name)
        if split and word:
            named.setdefault(split, {})[word] = folder
        elif split in own:
            raise UserError(f"{own[split]} and {folder} both name the {split} pairs: put them into one folder.")
        elif split:
            own[split] = folder
        else:
            for inner in list_folders(folder):
                inner_split, rest = parse_folder(inner.name)
                if inner_split and not rest:
                    named.setdefault(inner_split, {})[word] = inner
    splits = [split for split in ("train", "val", "test") if split in own or split in named]
    if not splits:
        return {"train": Place(root, {folder.name: folder for folder in list_folders(root)}, frozenset())}
    places = {}
    for split in splits:
        below = {folder.name: folder for folder in list_folders(own[split])} if split in own else {}
        places[split] = Place(own.get(split), {**below, **named.get(split, {})}, frozenset(named.get(split, {})))
    return places


def choose_sides(place: Place) -> dict[str, str]:
    """{word: side} of the folders of a place that hold the sides of its pairs; empty where there are none.

    Words that surely name sides (A, B, A1, mask, input, target) come first, then one word that is usual for an input with
    one that is usual for a target, such as label and img, then the only two folders whose names hold the split and a word.
    """
    sure = {word: side for word in place.words if (side := find_side(word))}
    if sides_of(sure.values(), "A") and sides_of(sure.values(), "B"):
        return sure
    full = [word for word in place.words if list_pictures(place.words[word])]
    inputs = [word for word in full if word.casefold() in WORDS_OF_A]
    targets = [word for word in full if word.casefold() in WORDS_OF_B]
    two = [*inputs, *targets] if len(inputs) == len(targets) == 1 else [word for word in full if word in place.named]
    if len(two) == 2 and count_common_names(place.words[word] for word in two):
        return order_sides(two)
    return {}


def _holds_pictures(folder: Path) -> bool:
    return any(is_picture(path) for path in folder.iterdir())

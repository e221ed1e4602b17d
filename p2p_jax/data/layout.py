"""Finding the files of each pair in a folder, in all common layouts."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from p2p_jax.data import pair_lists
from p2p_jax.data.names import OTHER_NAMES, SIDE, SPLITS, Files, in_nfc, natural_key, sides_of
from p2p_jax.data.pictures import is_picture
from p2p_jax.errors import UserError

LAYOUTS = "side-by-side pictures (in it, or in train/, val/, test/), or folders A and B with pictures of the same names"

SUFFIX = re.compile(r"(?P<name>.*?)[_-](?:(?P<made>fake|rec)[_-])?(?:real[_-])?(?P<side>[AB](?:[1-9]\d*)?|mask)")
"""A name that ends in its side, such as 1_A or 1_real_A; the PyTorch original calls the pictures that it makes 1_fake_B."""


def find_pairs(path: Path, *, unmatched: list[str] | None = None) -> dict[str, list[Files]]:
    """Finds the splits of a folder or list and the files of each pair; without splits all pairs are "train".

    Layouts, in sub-folders too: ROOT/*.png side by side; ROOT/{train,val,test}/*.png side by side; ROOT/A and ROOT/B;
    ROOT/{split}A and ROOT/{split}B; ROOT/{split}/A and /B; ROOT/A/{split} and ROOT/B/{split}; or one folder with names
    that end in _A and _B, or in _real_A and _real_B. The folders of a side may be A1, A2, …, and there may be one named
    mask. The names of a pair are equal, or equal without an ending that all names of a folder share (1_photo.jpg,
    1_label.png). For lists see `pair_lists.read_pair_list`.

    Args:
        path: the folder or list.
        unmatched: collects a sentence for each picture that lacks its other half, and the picture is skipped; None
            refuses such pictures.

    Returns:
        {"train" | "val" | "test": pairs in the natural order of their names}; empty where all pictures were skipped.

    Raises:
        UserError: the path is missing, holds no pairs, or a picture lacks its other half.
    """
    if path.is_file() and path.suffix.lower() in pair_lists.SUFFIXES:
        return pair_lists.read_pair_list(path, unmatched)
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise UserError(f"the folder {path} {what}: give a list (.csv, .tsv, .jsonl) or a folder with {LAYOUTS}.")
    splits = {}
    for split, words in SPLITS.items():
        for word in words:
            places = _find_folders(path, f"{word}*"), _find_folders(path / word, "*"), _find_folders(path, "*", below=word)
            folders = next((folders for folders in places if folders), None)
            pairs = match_folders(folders, unmatched=unmatched) if folders else _find_in_one(path / word, unmatched)
            if pairs:
                splits[split] = pairs
    if not splits:
        folders = _find_folders(path, "*")
        pairs = match_folders(folders, unmatched=unmatched) if folders else _find_in_one(path, unmatched)
        splits = {"train": pairs} if pairs else {}
    if not splits and not unmatched:
        raise UserError(f"the folder {path} holds no pairs: it needs {LAYOUTS}.")
    return splits


def _find_folders(root: Path, pattern: str, *, below: str = "") -> dict[str, Path]:
    """The folders of the sides: those in `root` that are named as the pattern, with a side in place of the *."""
    prefix = pattern.rstrip("*")
    found = {}
    for folder in sorted(root.glob(pattern)) if root.is_dir() else ():
        side = folder.name.removeprefix(prefix)
        side = OTHER_NAMES.get(side, side)
        if SIDE.fullmatch(side) and (folder / below).is_dir():
            found[side] = folder / below
    return found if sides_of(found, "A") and sides_of(found, "B") else {}


def match_folders(folders: dict[str, Path], *, unmatched: list[str] | None = None) -> list[Files]:
    """Pairs of pictures of the same name in several folders, one for each side.

    Args:
        folders: {side: folder}.
        unmatched: as for `find_pairs`.

    Raises:
        UserError: a picture has no counterpart, or two of one folder have the same name.
    """
    exact = {side: _files_by_name(folder) for side, folder in folders.items()}
    shortened = {side: _without_common_ending(named) for side, named in exact.items()}
    composed = [
        {side: {in_nfc(name): file for name, file in files.items()} for side, files in some.items()}
        for some in (exact, shortened)
    ]
    named = max(exact, shortened, *composed, key=lambda files: len(_names_in_all(files)))
    for files in named.values():
        for other in folders:
            missing = sorted(set(files) - set(named[other]), key=natural_key)
            sentences = [f"{files[name]} has no picture of the same name in {folders[other]}" for name in missing]
            _report_unmatched(sentences, unmatched)
    names = sorted(_names_in_all(named), key=natural_key)
    return [(name, {side: named[side][name] for side in folders}) for name in names]


def find_inputs(path: Path, sides: list[str]) -> list[Files]:
    """The pictures that are stacked to one input: from folders named as the sides, or by the endings of names.

    Raises:
        UserError: the path is no folder, holds no such pictures, or some lack their counterparts.
    """
    if all((path / side).is_dir() for side in sides):
        found = match_folders({side: path / side for side in sides})
    else:
        named = {name: files for name, files in _files_by_ending(path)[0].items() if set(sides) & set(files)}
        _report_unmatched(_describe_incomplete(named, sides), None)
        found = sorted(named.items(), key=lambda item: natural_key(item[0]))
    if not found:
        raise UserError(
            f"{path} does not hold the inputs of this network, which are {len(sides)} stacked pictures: give a folder with "
            f"the folders {', '.join(sides)}, which hold pictures of the same names."
        )
    return found


def _names_in_all(named: dict[str, dict[str, Path]]) -> set[str]:
    return set.intersection(*map(set, named.values()))


def _report_unmatched(sentences: list[str], unmatched: list[str] | None) -> None:
    if unmatched is not None:
        unmatched += sentences
    elif sentences:
        raise UserError(f"{sentences[0]} ({len(sentences)} such): add the other half or remove it.")


def _without_common_ending(named: dict[str, Path]) -> dict[str, Path]:
    """The same files, by their names without the ending that all of them share, which begins with a _ or -."""
    ending = os.path.commonprefix([name[::-1] for name in named])[::-1]  # noqa: RUF071 (characters are meant)
    start = re.search(r"[_-]", ending)
    cut = len(ending) - start.start() if start else 0
    return {name[: len(name) - cut]: file for name, file in named.items()} if cut else named


def _find_in_one(folder: Path, unmatched: list[str] | None) -> list[Files]:
    """Pairs in one folder: by the endings _A and _B, or side by side."""
    found, others = _files_by_ending(folder)
    sides = {side for pair in found.values() for side in pair}
    if not (sides_of(sides, "A") and sides_of(sides, "B")):
        return _find_side_by_side(folder, unmatched)
    _report_unmatched(_describe_incomplete(found, sides), unmatched)
    _report_unmatched([f"{file} ends neither in _A nor in _B, unlike others in {folder}" for file in others], unmatched)
    complete = ((name, files) for name, files in found.items() if set(files) == sides)
    return sorted(complete, key=lambda item: natural_key(item[0]))


def _describe_incomplete(found: dict[str, dict[str, Path]], sides: Iterable[str]) -> list[str]:
    return [
        f"{next(iter(files.values()))} has no counterpart whose name ends in _{side}"
        for files in found.values()
        for side in sorted(set(sides) - set(files))
    ]


def _find_side_by_side(folder: Path, unmatched: list[str] | None) -> list[Files]:
    """All pictures of a folder as pairs; those in its sub-folder mask are the masks of the others."""
    named = _files_by_name(folder)
    pairs = {name: {"pair": file} for name, file in named.items() if not name.startswith("mask/")}
    spelling = {in_nfc(name): name for name in pairs}
    found = {name.removeprefix("mask/"): file for name, file in named.items() if name.startswith("mask/")}
    masks = {spelling.get(in_nfc(name), name): file for name, file in found.items()}
    _refuse_halves(folder, pairs)
    if masks:
        lacking = [f"{pairs[name]['pair']} has no mask of the same name" for name in pairs if name not in masks]
        _report_unmatched(lacking, unmatched)
        _report_unmatched([f"{masks[name]} belongs to no picture" for name in masks if name not in pairs], unmatched)
        pairs = {name: {**pair, "mask": masks[name]} for name, pair in pairs.items() if name in masks}
    return sorted(pairs.items(), key=lambda item: natural_key(item[0]))


def _refuse_halves(folder: Path, pairs: Iterable[str]) -> None:
    """Refuses two folders that hold pictures of the same names, as halves of pairs do, but are not named A and B."""
    below: dict[str, set[str]] = {}
    for name in pairs:
        first, _, rest = name.rpartition("/")
        below.setdefault(first, set()).add(rest)
    if len(below) == 2 and len(set(map(frozenset, below.values()))) == 1:
        one, other = (folder / name for name in sorted(below))
        raise UserError(
            f"{one} and {other} hold pictures of the same names, as halves of pairs do: name the folders A and B, or if "
            "these are side-by-side pictures, put them into one folder."
        )


def _files_by_ending(folder: Path) -> tuple[dict[str, dict[str, Path]], list[Path]]:
    """({name: {side: file}} of pictures whose names end in _A, _B and so on, all others); skips what a network made."""
    found: dict[str, dict[str, Path]] = {}
    others = []
    spelling: dict[str, str] = {}  # of the first file of a pair, by its composed name
    for name, file in _files_by_name(folder).items():
        match = SUFFIX.fullmatch(name)
        if match is None:
            others.append(file)
        elif not match["made"]:
            first = spelling.setdefault(in_nfc(match["name"]), match["name"])
            found.setdefault(first, {})[match["side"]] = file
    return found, others


def _files_by_name(folder: Path) -> dict[str, Path]:
    """All pictures in a folder and its sub-folders, by their relative paths without endings."""
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if hidden or not is_picture(file) or not file.is_file():
            continue
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UserError(f"{found[name]} and {file} have the same name, so their pair is not clear: remove one.")
        found[name] = file
    return found

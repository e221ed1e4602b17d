"""Finding the pictures of each pair: in folders, by the layouts that people have, or in a list."""

import csv
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from p2p_jax.data.pictures import is_picture
from p2p_jax.errors import UserError

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


LISTS = (".csv", ".tsv", ".jsonl")


LAYOUTS = "side-by-side pictures (in it, or in train/, val/, test/), or folders A and B with pictures of the same names"


# The pictures of a pair: "pair" holds A and B side by side; else A, or A1, A2, … stacked; B likewise; and a mask.
SIDE = re.compile(r"[AB](?:[1-9]\d*)?|mask")


OTHER_NAMES = {"input": "A", "target": "B"}


SUFFIX = re.compile(r"(?P<name>.*?)[_-](?:(?P<made>fake|rec)[_-])?(?:real[_-])?(?P<part>[AB](?:[1-9]\d*)?|mask)")


Files = tuple[str, dict[str, Path]]
"""A pair's name and its pictures: {"pair": file}, or {"A": file, "B": file}, with "A1", "A2", … and "mask" likewise."""


def find_parts(path: Path, *, alone: list[str] | None = None) -> dict[str, list[Files]]:
    """Finds the splits of a folder or list and the pictures of each pair; without splits all is "train".

    Layouts, in sub-folders too: ROOT/*.png side by side; ROOT/{train,val,test}/*.png side by side; ROOT/A and ROOT/B;
    ROOT/{split}A and ROOT/{split}B; ROOT/{split}/A and /B; ROOT/A/{split} and ROOT/B/{split}; or one folder with names
    that end in _A and _B, _real_A and _real_B. Folders may be A1, A2, … and there may be one named mask. Names match
    exactly, or but for what all names of a folder end in (1_photo.jpg, 1_label.png). A list is CSV, TSV or JSON lines
    with columns A and B (or input and target), A1, A2, …, mask, split; paths are taken from its folder.

    Args:
        path: the folder or list.
        alone: collects what is said of pictures that lack their other half, which are then left out; None refuses them.

    Returns:
        {"train" | "val" | "test": pairs in the natural order of their names}.

    Raises:
        UserError: the path is missing, holds no pairs, or a picture lacks its other half.
    """
    if path.is_file() and path.suffix.lower() in LISTS:
        return _read_list(path, alone)
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise UserError(f"the folder {path} {what}: give a list (.csv, .tsv, .jsonl) or a folder with {LAYOUTS}.")
    splits = {}
    for split, words in SPLITS.items():
        for word in words:
            places = _folders(path, f"{word}*"), _folders(path / word, "*"), _folders(path, "*", below=word)
            folders = next((folders for folders in places if folders), None)
            pairs = match_folders(folders, alone=alone) if folders else _in_one(path / word, alone)
            if pairs:
                splits[split] = pairs
    if not splits:
        folders = _folders(path, "*")
        pairs = match_folders(folders, alone=alone) if folders else _in_one(path, alone)
        splits = {"train": pairs} if pairs else {}
    if not splits:
        raise UserError(f"the folder {path} holds no pairs: it needs {LAYOUTS}.")
    return splits


def side_parts(parts: Iterable[str], letter: str) -> list[str]:
    """The parts of one side, "A" or "B", in their order: ["A"], or ["A1", "A2", …]."""
    return sorted((part for part in parts if part[0] == letter), key=lambda part: int(part[1:] or 0))


def _folders(root: Path, pattern: str, *, below: str = "") -> dict[str, Path]:
    """The folders of parts: those below `root` whose name, less the pattern's text before the *, is that of a part."""
    prefix = pattern.rstrip("*")
    found = {}
    for folder in sorted(root.glob(pattern)) if root.is_dir() else ():
        part = folder.name.removeprefix(prefix)
        part = OTHER_NAMES.get(part, part)
        if SIDE.fullmatch(part) and (folder / below).is_dir():
            found[part] = folder / below
    return found if side_parts(found, "A") and side_parts(found, "B") else {}


def match_folders(folders: dict[str, Path], *, alone: list[str] | None = None) -> list[Files]:
    """Pairs of pictures of the same name in several folders, one for each part.

    Args:
        folders: {part: folder}.
        alone: as for `find_parts`.

    Raises:
        UserError: a picture has no counterpart, or two of one folder have the same name.
    """
    exact = {part: _by_name(folder) for part, folder in folders.items()}
    shortened = {part: _without_ending(named) for part, named in exact.items()}
    named = max(exact, shortened, key=lambda files: len(_in_all(files)))
    for files in named.values():
        for other in folders:
            missing = sorted(set(files) - set(named[other]), key=natural)
            _say_alone([f"{files[name]} has no picture of the same name in {folders[other]}" for name in missing], alone)
    return [(name, {part: named[part][name] for part in folders}) for name in sorted(_in_all(named), key=natural)]


def find_inputs(path: Path, parts: list[str]) -> list[Files]:
    """The pictures that are stacked to one input: from folders of the parts' names, or by the endings of names.

    Raises:
        UserError: the path is no folder, holds no such pictures, or some lack their counterparts.
    """
    if all((path / part).is_dir() for part in parts):
        found = match_folders({part: path / part for part in parts})
    else:
        named = {name: files for name, files in _by_ending(path)[0].items() if set(parts) & set(files)}
        _say_alone(_lacking(named, parts), None)
        found = sorted(named.items(), key=lambda item: natural(item[0]))
    if not found:
        raise UserError(
            f"{path} does not hold what this network takes, {len(parts)} pictures at once: give a folder with folders "
            f"{', '.join(parts)} of pictures of the same names."
        )
    return found


def _in_all(named: dict[str, dict[str, Path]]) -> set[str]:
    return set.intersection(*map(set, named.values()))


def _say_alone(sentences: list[str], alone: list[str] | None) -> None:
    if alone is not None:
        alone += sentences
    elif sentences:
        raise UserError(f"{sentences[0]} ({len(sentences)} such): add the other half or remove it.")


def _without_ending(named: dict[str, Path]) -> dict[str, Path]:
    """The same files by their names without what all of them end in, from a _ or - on."""
    ending = os.path.commonprefix([name[::-1] for name in named])[::-1]  # noqa: RUF071 (characters are meant)
    start = re.search(r"[_-]", ending)
    cut = len(ending) - start.start() if start else 0
    return {name[: len(name) - cut]: file for name, file in named.items()} if cut else named


def _in_one(folder: Path, alone: list[str] | None) -> list[Files]:
    """Pairs in one folder: by the endings _A and _B, or side by side."""
    found, others = _by_ending(folder)
    parts = {part for pair in found.values() for part in pair}
    if not (side_parts(parts, "A") and side_parts(parts, "B")):
        return _side_by_side(folder, alone)
    _say_alone(_lacking(found, parts), alone)
    _say_alone([f"{file} ends neither in _A nor in _B as others in {folder} do" for file in others], alone)
    return sorted(((n, p) for n, p in found.items() if set(p) == parts), key=lambda item: natural(item[0]))


def _lacking(found: dict[str, dict[str, Path]], parts: Iterable[str]) -> list[str]:
    return [
        f"{next(iter(files.values()))} has no picture whose name ends in _{part} instead"
        for files in found.values()
        for part in sorted(set(parts) - set(files))
    ]


def _side_by_side(folder: Path, alone: list[str] | None) -> list[Files]:
    """All pictures of a folder as pairs; those in its sub-folder mask are the masks of the others."""
    named = _by_name(folder)
    masks = {name.removeprefix("mask/"): file for name, file in named.items() if name.startswith("mask/")}
    pairs = {name: {"pair": file} for name, file in named.items() if not name.startswith("mask/")}
    _refuse_halves(folder, pairs)
    if masks:
        _say_alone([f"{pairs[name]['pair']} has no mask of the same name" for name in pairs if name not in masks], alone)
        _say_alone([f"{masks[name]} is the mask of no picture" for name in masks if name not in pairs], alone)
        pairs = {name: {**pair, "mask": masks[name]} for name, pair in pairs.items() if name in masks}
    return sorted(pairs.items(), key=lambda item: natural(item[0]))


def _refuse_halves(folder: Path, pairs: Iterable[str]) -> None:
    """Refuses two folders of the same names, which are halves under other names than A and B."""
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


def _by_ending(folder: Path) -> tuple[dict[str, dict[str, Path]], list[Path]]:
    """Pictures of names that end in _A, _B and so on, and those of other names; what a network made is left out."""
    found: dict[str, dict[str, Path]] = {}
    others = []
    for name, file in _by_name(folder).items():
        match = SUFFIX.fullmatch(name)
        if match is None:
            others.append(file)
        elif not match["made"]:
            found.setdefault(match["name"], {})[match["part"]] = file
    return found, others


def _by_name(folder: Path) -> dict[str, Path]:
    """All pictures in a folder and its sub-folders, by their paths in it without endings."""
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


def natural(name: str) -> list[tuple[str, int, str]]:
    """A sorting key that puts 2 before 10, as people number their pictures, folder by folder."""
    return [("", int(part), "") if part.isdecimal() else ("~", 0, part) for part in name.split("/")]


def _read_list(path: Path, alone: list[str] | None) -> dict[str, list[Files]]:
    columns = {"input": "A", "target": "B"}
    words = {word: split for split, words in SPLITS.items() for word in words}
    splits: dict[str, list[Files]] = {}
    for number, row in _rows(path):
        where = f"line {number} of {path}"
        values = {columns.get(key, key): value for key, value in row.items() if value not in (None, "")}
        parts = {k: path.parent / str(v) for k, v in values.items() if SIDE.fullmatch(str(k)) or k == "pair"}
        if "pair" not in parts and not (side_parts(parts, "A") and side_parts(parts, "B")):
            raise UserError(f"{where} names no pair: it needs A and B (or input and target), or pair for side by side.")
        missing = [file for file in parts.values() if not file.is_file()]
        if missing and alone is not None:
            alone.append(f"{where} names {missing[0]}, which does not exist")
            continue
        if missing:
            raise UserError(f"{where} names {missing[0]}, which does not exist: paths start at the list's folder.")
        split = words.get(str(values.get("split", "train")))
        if split is None:
            raise UserError(f"{where} has the split {values['split']}: it must be train, val or test.")
        first = next(iter(parts.values()))
        splits.setdefault(split, []).append((os.path.relpath(first.with_suffix(""), path.parent), parts))
    if not splits:
        raise UserError(f"{path} lists no pairs: it needs a line for each, with A and B (or input and target).")
    if len({frozenset(parts) for pairs in splits.values() for _, parts in pairs}) > 1:
        raise UserError(f"the pairs of {path} do not all have the same pictures (A, B, mask, …): fill in what is missing.")
    return splits


def _rows(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8: save the list as such.") from None
    if path.suffix.lower() != ".jsonl":
        reader = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        try:
            yield from ((reader.line_num, row) for row in reader)
        except csv.Error as error:
            raise UserError(f"line {reader.line_num + 1} of {path} cannot be read ({error}): correct the list.") from None
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError(f"line {number} of {path} is not a JSON object: write {{'A': …, 'B': …}} with double quotes.")
        yield number, row

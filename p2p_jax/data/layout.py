"""Finding the files of each pair: one search for all commands, in all common layouts.

Names and folders decide where they are clear. Pictures that may be side-by-side pairs are sampled: a pair has a seam in
the middle. Where neither decides, the search ends with what was seen and the option that decides.
"""

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from p2p_jax.config.data_schema import Layout as Layout
from p2p_jax.data import pair_lists
from p2p_jax.data.listing import list_content, list_pictures
from p2p_jax.data.matching import (
    describe_incomplete,
    files_by_ending,
    files_by_name,
    match_folders,
    report_unmatched,
    types_of_pairs,
)
from p2p_jax.data.names import Files, find_side, is_known, natural_key, order_sides, sides_of
from p2p_jax.data.seams import look_for_seams
from p2p_jax.data.side_by_side import find_side_by_side
from p2p_jax.data.split_folders import Place, choose_sides, divide_by_split, enter
from p2p_jax.data.words import KINDS, Kind, Twos, divide, find_twos
from p2p_jax.errors import UserError

KINDS_OF: dict[str, tuple[Kind, ...]] = {"auto": KINDS, "folders": ("folder",), "suffixes": ("suffix", "prefix")}
"""Where the words for the sides may stand in each layout."""

LAYOUTS = "side-by-side pictures (in it, or in train/, val/, test/), or folders A and B with pictures of the same names"


class Found(NamedTuple):
    """The pairs of a folder or a list.

    Attributes:
        splits: {"train" | "val" | "test": pairs in the natural order of their names}.
        alone: {split: pictures of one side}, for splits that hold inputs without targets, or targets without inputs; the
            side is "single" for inputs that lie in the split's own folder.
        words: {word: side} if other words than A and B name the sides, such as {"label": "A", "img": "B"}.
        passed_over: one phrase for each kind of file that is not used.
    """

    splits: dict[str, list[Files]]
    alone: dict[str, list[Files]]
    words: dict[str, str]
    passed_over: list[str]

    def notes(self, path: Path) -> list[str]:
        """What a user of the folder at `path` should know, in sentences."""
        notes = []
        if self.words:
            a, b = sorted(self.words, key=lambda word: self.words[word])
            notes.append(f"A is {a or 'the picture without a word'} and B is {b or 'the picture without a word'}.")
        for split, files in self.alone.items():
            lacking = "inputs" if sides_of(files[0][1], "B") else "targets"
            notes.append(f"The {len(files)} pictures of {split} have no {lacking}: they can be translated, but not scored.")
        if self.passed_over:
            notes.append(f"Not used in {path}: {'; '.join(self.passed_over)}.")
        return notes


def find_pairs(path: Path, *, layout: Layout = "auto", unmatched: list[str] | None = None) -> dict[str, list[Files]]:
    """The splits of `search`."""
    return search(path, layout=layout, unmatched=unmatched).splits


def search(path: Path, *, layout: Layout = "auto", unmatched: list[str] | None = None) -> Found:
    """Finds the splits of a folder or list and the files of each pair; without splits all pairs are "train".

    Layouts, in sub-folders too, with names in any case: side-by-side pictures; folders A and B, or two folders of other
    words, with pictures of the same names; names that end or begin with the sides (1_A and 1_B, 1_input and 1_target), or
    one file per side in a folder for each pair. Each may lie in folders of splits (train/A, A/train, trainA, train_label),
    all in an outer folder. The folders of a side may be A1, A2, …, and there may be one named mask. The names of a pair are
    equal, or equal without an ending that all names of a folder share. For lists see `pair_lists.read_pair_list`.

    Args:
        path: the folder or list.
        layout: "auto" finds the layout from names, folders and pictures; any other value fixes it.
        unmatched: collects a sentence for each picture that lacks its other half, and the picture is skipped; None
            refuses such pictures.

    Raises:
        UserError: the path is missing, holds no pairs, a picture lacks its other half, or the layout is not clear.
    """
    if path.is_file() and path.suffix.lower() in pair_lists.SUFFIXES and layout in ("auto", "list"):
        return Found(pair_lists.read_pair_list(path, unmatched), {}, {}, [])
    what = "is a folder" if path.is_dir() else "is a file" if path.exists() else "does not exist"
    if layout == "list":
        raise UserError(f"--data.layout list was given, but {path} {what}: give a list (.csv, .tsv, .jsonl).")
    if not path.is_dir():
        raise UserError(f"the folder {path} {what}: give a list (.csv, .tsv, .jsonl) or a folder with {LAYOUTS}.")
    content = list_content(path)
    root = enter(path)
    places = divide_by_split(root)
    found = _find_in_places(root, places, layout, unmatched)
    if not found.splits and not unmatched:
        extra = f" (passed over: {'; '.join(content.passed_over)})" if content.passed_over else ""
        raise UserError(f"the folder {path} holds no pairs: it needs {LAYOUTS}{extra}.")
    all_files = [files for some in (*found.splits.values(), *found.alone.values()) for _, files in some]
    used = {file for files in all_files for file in files.values()}
    others = [picture for picture in content.pictures if picture not in used] if not unmatched else []
    return found._replace(passed_over=[*content.passed_over, *_describe_unused(others)])


def _find_in_places(root: Path, places: dict[str, Place], layout: Layout, unmatched: list[str] | None) -> Found:
    main = places.get("train") or next(iter(places.values()))
    sides = choose_sides(main) if layout in ("auto", "folders") else {}
    if sides:
        return _find_in_folders(places, sides, unmatched)
    if layout == "side_by_side":
        return Found(*find_side_by_side(places, unmatched, sure=True), {}, [])
    if main.folder is not None and (found := _find_by_names(main.folder, places, layout, unmatched)):
        return found
    if layout != "auto":
        what = "two folders with pictures of the same names" if layout == "folders" else "names that come in twos"
        raise UserError(f"--data.layout {layout} was given, but {root} does not hold {what}: give another --data.layout.")
    return Found(*find_side_by_side(places, unmatched, sure=False), {}, [])


def _find_in_folders(places: dict[str, Place], sides: dict[str, str], unmatched: list[str] | None) -> Found:
    """Pairs whose sides lie in folders; a split that has the pictures of one side only holds inputs without targets."""
    by_word = {word.casefold(): side for word, side in sides.items()}
    splits: dict[str, list[Files]] = {}
    alone: dict[str, list[Files]] = {}
    for split, place in places.items():
        folders = {by_word[word.casefold()]: folder for word, folder in place.words.items() if word.casefold() in by_word}
        if sides_of(folders, "A") and sides_of(folders, "B"):
            splits[split] = match_folders(folders, unmatched=unmatched)
        elif folders := {side: folder for side, folder in folders.items() if side != "mask"}:
            alone[split] = match_folders(folders, unmatched=unmatched)
        elif place.folder is not None:
            alone[split] = [(name, {"single": file}) for name, file in files_by_name(place.folder).items()]
    return Found(_not_empty(splits), _not_empty(alone), _list_unusual(sides), [])


def _find_by_names(main: Path, places: dict[str, Place], layout: Layout, unmatched: list[str] | None) -> Found | None:
    """Pairs by the words in the names of pictures; None where names do not come in twos."""
    if layout != "folders" and (types := types_of_pairs(main)):
        words, sides = dict(zip(types, "AB", strict=True)), {"A", "B"}
        find = lambda folder: _pairs_by_type(folder, words)
        return _find_in_splits(places, find, sides, words, unmatched)
    named = files_by_name(main)
    sides = {side for pair in files_by_ending(named)[0].values() for side in pair}
    if layout != "folders" and sides_of(sides, "A") and sides_of(sides, "B"):
        find = lambda folder: _pairs_by_ending(folder, unmatched)
        return _find_in_splits(places, find, sides, {}, unmatched)
    twos = find_twos(list(named), KINDS_OF[layout])
    if twos is None or (layout == "auto" and not _are_sides(main, twos, named)):
        return None
    words = order_sides(twos.words)
    find = lambda folder: _pairs_by_word(folder, twos, words, unmatched)
    return _find_in_splits(places, find, {"A", "B"}, words, unmatched)


def _find_in_splits(
    places: dict[str, Place],
    find: Callable[[Path], dict[str, dict[str, Path]]],
    sides: Collection[str],
    words: dict[str, str],
    unmatched: list[str] | None,
) -> Found:
    """Pairs of the splits that have folders of their own; a split with one side only holds inputs without targets."""
    splits: dict[str, list[Files]] = {}
    alone: dict[str, list[Files]] = {}
    for split, place in places.items():
        pairs = find(place.folder) if place.folder is not None else {}
        held = {side for files in pairs.values() for side in files}
        if sides_of(held, "A") and sides_of(held, "B"):
            splits[split] = _keep_complete(pairs, sides, unmatched)
        else:
            alone[split] = _keep_complete(pairs, held, unmatched)
    return Found(_not_empty(splits), _not_empty(alone), _list_unusual(words), [])


def _pairs_by_ending(folder: Path, unmatched: list[str] | None) -> dict[str, dict[str, Path]]:
    found, others = files_by_ending(files_by_name(folder))
    report_unmatched([f"{file} ends neither in _A nor in _B, unlike others in {folder}" for file in others], unmatched)
    return found


def _pairs_by_type(folder: Path, sides: dict[str, str]) -> dict[str, dict[str, Path]]:
    pairs: dict[str, dict[str, Path]] = {}
    for file in list_pictures(folder):
        if side := sides.get(file.suffix.lower()):
            pairs.setdefault(file.relative_to(folder).with_suffix("").as_posix(), {})[side] = file
    return pairs


def _pairs_by_word(
    folder: Path, twos: Twos, words: dict[str, str], unmatched: list[str] | None
) -> dict[str, dict[str, Path]]:
    files = files_by_name(folder)
    found = divide(list(files), twos.words, twos.kind)
    either = " nor ".join(repr(word) for word in twos.words if word)
    report_unmatched(
        [f"the name of {files[name]} holds neither {either}, unlike others" for name in found.alone], unmatched
    )
    return {stem: {words[word]: files[name] for word, name in pair.items()} for stem, pair in found.names.items()}


def _are_sides(folder: Path, twos: Twos, named: dict[str, Path]) -> bool:
    """Whether names that come in twos are those of the sides of pairs, rather than of side-by-side pictures.

    Raises:
        UserError: it is not clear.
    """
    seams = look_for_seams(list(named.values()))
    if seams.are_pairs:
        return False
    if all(map(is_known, twos.words)) or twos.kind == "suffix" or (twos.kind == "folder" and seams.are_single):
        return True
    one, other = (named[name] for name in next(pair for pair in twos.names.values() if len(pair) == 2).values())
    option = "folders" if twos.kind == "folder" else "suffixes"
    raise UserError(
        f"the pictures in {folder} come in twos, such as {one} and {other}, but it is not clear what they are: give "
        f"--data.layout {option} if these are the two sides of a pair, or side_by_side if each picture holds a pair."
    )


def _keep_complete(pairs: dict[str, dict[str, Path]], sides: Collection[str], unmatched: list[str] | None) -> list[Files]:
    report_unmatched(describe_incomplete(pairs, sides), unmatched)
    complete = ((name, files) for name, files in pairs.items() if set(files) == set(sides))
    return sorted(complete, key=lambda item: natural_key(item[0]))


def _list_unusual(words: dict[str, str]) -> dict[str, str]:
    """The words for A and B, if they are other words."""
    chosen = {word: side for word, side in words.items() if side in ("A", "B")}
    return {} if all(find_side(word) == side for word, side in chosen.items()) else chosen


def _not_empty(splits: dict[str, list[Files]]) -> dict[str, list[Files]]:
    return {split: pairs for split, pairs in splits.items() if pairs}


def _describe_unused(pictures: list[Path]) -> list[str]:
    """Pictures that belong to no pair, folder by folder."""
    folders = Counter(picture.parent for picture in pictures)
    return [f"{number} picture{'s' * (number > 1)} in {folder}" for folder, number in sorted(folders.items())]


def find_inputs(path: Path, sides: list[str]) -> list[Files]:
    """The pictures that are stacked to one input: from folders named as the sides, or by the endings of names.

    Raises:
        UserError: the path is no folder, holds no such pictures, or some lack their counterparts.
    """
    if all((path / side).is_dir() for side in sides):
        found = match_folders({side: path / side for side in sides})
    else:
        endings = files_by_ending(files_by_name(path))[0]
        named = {name: files for name, files in endings.items() if set(sides) & set(files)}
        report_unmatched(describe_incomplete(named, sides), None)
        found = sorted(named.items(), key=lambda item: natural_key(item[0]))
    if not found:
        raise UserError(
            f"{path} does not hold the inputs of this network, which are {len(sides)} stacked pictures: give a folder with "
            f"the folders {', '.join(sides)}, which hold pictures of the same names."
        )
    return found

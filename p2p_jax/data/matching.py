"""Matching pictures by their names: in several folders, or by the endings _A and _B in one folder."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from p2p_jax.data.listing import list_pictures
from p2p_jax.data.names import Files, in_nfc, natural_key
from p2p_jax.errors import UserError

SUFFIX = re.compile(r"(?P<name>.*?)[_-](?:(?P<made>fake|rec)[_-])?(?:real[_-])?(?P<side>[AB](?:[1-9]\d*)?|mask)")
"""A name that ends in its side, such as 1_A or 1_real_A; the PyTorch original calls the pictures that it makes 1_fake_B."""

LOSSY = (".jpg", ".jpeg", ".jfif", ".webp")


def match_folders(folders: dict[str, Path], *, unmatched: list[str] | None = None) -> list[Files]:
    """Pairs of pictures of the same name in several folders, one for each side.

    The names may differ in an ending that all names of a folder share (1_photo.jpg, 1_label.png).

    Args:
        folders: {side: folder}.
        unmatched: as for `layout.find_pairs`.

    Raises:
        UserError: a picture has no counterpart, or two of one folder have the same name.
    """
    exact = {side: files_by_name(folder) for side, folder in folders.items()}
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
            report_unmatched(sentences, unmatched)
    names = sorted(_names_in_all(named), key=natural_key)
    return [(name, {side: named[side][name] for side in folders}) for name in names]


def count_common_names(folders: Iterable[Path]) -> int:
    """The number of names that are in all of some folders, see `match_folders`; 0 if one holds two equal names."""
    try:
        return len(match_folders({str(folder): folder for folder in folders}, unmatched=[]))
    except UserError:
        return 0


def files_by_name(folder: Path) -> dict[str, Path]:
    """All pictures in a folder and its sub-folders, by their relative paths without endings.

    Raises:
        UserError: two pictures have the same name.
    """
    found: dict[str, Path] = {}
    for file in list_pictures(folder):
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UserError(f"{found[name]} and {file} have the same name, so their pair is not clear: remove one.")
        found[name] = file
    return found


def types_of_pairs(folder: Path) -> tuple[str, str] | None:
    """The two types of files, if every name has a file of each, as 1.png and 1.jpg; a lossy type, of photos, comes last."""
    found: dict[str, list[str]] = {}
    for file in list_pictures(folder):
        found.setdefault(file.relative_to(folder).with_suffix("").as_posix(), []).append(file.suffix.lower())
    types = {tuple(sorted(suffixes, key=lambda suffix: (suffix in LOSSY, suffix))) for suffixes in found.values()}
    if len(types) != 1 or len(set(two := types.pop())) != 2 or len(two) != 2:
        return None
    return two[0], two[1]


def files_by_ending(named: dict[str, Path]) -> tuple[dict[str, dict[str, Path]], list[Path]]:
    """({name: {side: file}} of pictures whose names end in _A, _B and so on, all others); skips what a network made."""
    found: dict[str, dict[str, Path]] = {}
    others = []
    spelling: dict[str, str] = {}  # of the first file of a pair, by its composed name
    for name, file in named.items():
        match = SUFFIX.fullmatch(name)
        if match is None:
            others.append(file)
        elif not match["made"]:
            first = spelling.setdefault(in_nfc(match["name"]), match["name"])
            found.setdefault(first, {})[match["side"]] = file
    return found, others


def describe_incomplete(found: dict[str, dict[str, Path]], sides: Iterable[str]) -> list[str]:
    """A sentence for each picture that lacks the picture of another side."""
    return [
        f"{next(iter(files.values()))} has no counterpart whose name ends in _{side}"
        for files in found.values()
        for side in sorted(set(sides) - set(files))
    ]


def report_unmatched(sentences: list[str], unmatched: list[str] | None) -> None:
    """Collects sentences about pictures that lack their other half, or raises UserError with the first if None."""
    if unmatched is not None:
        unmatched += sentences
    elif sentences:
        raise UserError(f"{sentences[0]} ({len(sentences)} such): add the other half or remove it.")


def _names_in_all(named: dict[str, dict[str, Path]]) -> set[str]:
    return set.intersection(*map(set, named.values()))


def _without_common_ending(named: dict[str, Path]) -> dict[str, Path]:
    """The same files, by their names without the ending that all of them share, which begins with a _ or -."""
    ending = os.path.commonprefix([name[::-1] for name in named])[::-1]  # noqa: RUF071 (characters are meant)
    start = re.search(r"[_-]", ending)
    cut = len(ending) - start.start() if start else 0
    return {name[: len(name) - cut]: file for name, file in named.items()} if cut else named

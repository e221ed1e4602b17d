"""Reading a list of pairs: CSV, TSV or JSON lines."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from p2p_jax.data.names import OTHER_NAMES, SIDE, SPLITS, Files, find_file, sides_of
from p2p_jax.errors import UserError
from p2p_jax.files.decode import Mismatch, parse_json

SUFFIXES = (".csv", ".tsv", ".jsonl")
DELIMITERS = ",;\t"
MAX_QUOTED = 200  # characters of a header in a message


def read_pair_list(path: Path, unmatched: list[str] | None) -> dict[str, list[Files]]:
    """Reads a list with columns A and B (or input and target), or pair; A1, A2, …, mask and split are optional.

    The columns of a CSV are separated by commas, semicolons or tabs. Their names may be in any case, with spaces around.

    Args:
        path: the list; the paths in it start at its folder.
        unmatched: collects a sentence for each line that names a missing file, and such lines are skipped; None refuses
            them.

    Returns:
        {"train" | "val" | "test": pairs in the order of the list}; empty where all lines were skipped.

    Raises:
        UserError: a line cannot be read, names no pair, a missing file or an unknown split; there are no lines; or the
            pairs do not all have the same sides.
    """
    splits: dict[str, list[Files]] = {}
    for number, row in _read_rows(path):
        where = f"line {number} of {path}"
        values = {_column(key): value for key, value in row.items() if value not in (None, "")}
        files = {key: find_file(path.parent, str(value)) for key, value in values.items() if _names_pictures(key)}
        if not _names_pair(files):
            raise UserError(f"{where} names no pair: {_explain_columns(row)}")
        missing = [file for file in files.values() if not file.is_file()]
        if missing and unmatched is not None:
            unmatched.append(f"{where} names {missing[0]}, which does not exist")
            continue
        if missing:
            raise UserError(f"{where} names {missing[0]}, which does not exist: paths start at the list's folder.")
        first = next(iter(files.values()))
        splits.setdefault(_find_split(values, where), []).append(
            (os.path.relpath(first.with_suffix(""), path.parent), files)
        )
    if not splits and not unmatched:
        raise UserError(f"{path} lists no pairs: it needs a line for each, with A and B (or input and target).")
    if len({frozenset(files) for pairs in splits.values() for _, files in pairs}) > 1:
        raise UserError(f"the pairs of {path} do not all have the same pictures (A, B, mask, …): fill in what is missing.")
    return splits


def _column(key: Any) -> str:
    """The name of a column as it is used here: "A", "B", "A1", …, "pair", "mask" or "split"; any other one unchanged."""
    word = str(key).strip()
    lower = OTHER_NAMES.get(word.lower(), word.lower())
    if lower in ("pair", "mask", "split"):
        return lower
    return lower.upper() if SIDE.fullmatch(lower.upper()) else word


def _names_pictures(column: str) -> bool:
    return column == "pair" or bool(SIDE.fullmatch(column))


def _names_pair(columns: Iterable[str]) -> bool:
    named = set(columns)
    sides = [column for column in named if SIDE.fullmatch(column)]
    return "pair" in named or bool(sides_of(sides, "A") and sides_of(sides, "B"))


def _explain_columns(row: dict[str, Any]) -> str:
    """Says which columns a row needs; quotes those of the list if they name no pair."""
    if _names_pair(map(_column, row)):
        return "fill in A and B (or input and target), or pair for side by side."
    quoted = ", ".join(repr(str(key)) for key in row if key is not None)
    return (
        f"the columns of the list are {quoted[:MAX_QUOTED]}, but it needs A and B (or input and target), or pair for side "
        "by side."
    )


def _find_split(values: dict[str, Any], where: str) -> str:
    words = {word: split for split, words in SPLITS.items() for word in words}
    split = words.get(str(values.get("split", "train")).strip().lower())
    if split is None:
        raise UserError(f"{where} has the split {values['split']}: it must be train, val or test.")
    return split


def _read_rows(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    """Yields (number of the line, {column: value}) for each pair."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8: save the list as such.") from None
    if path.suffix.lower() == ".jsonl":
        yield from _read_json_lines(path, text)
        return
    lines = text.splitlines()
    reader = csv.DictReader(lines, delimiter=_find_delimiter(lines, path), skipinitialspace=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(f"line {reader.line_num + 1} of {path} cannot be read ({error}): correct the list.") from None
        if row is None:
            return
        yield reader.line_num, {key: value.strip() if isinstance(value, str) else value for key, value in row.items()}


def _find_delimiter(lines: list[str], path: Path) -> str:
    """The character that divides the first line into columns that name a pair; by default that of the file's ending."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    header = next((line for line in lines if line.strip()), "")
    for delimiter in (usual, *DELIMITERS):
        words = [word.strip().strip('"') for word in header.split(delimiter)]
        if _names_pair(map(_column, words)):
            return delimiter
    return max((usual, *DELIMITERS), key=header.count)


def _read_json_lines(path: Path, text: str) -> Iterable[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except Mismatch:
            row = None
        if not isinstance(row, dict):
            raise UserError(f"line {number} of {path} is not a JSON object: write {{'A': …, 'B': …}} with double quotes.")
        yield number, row

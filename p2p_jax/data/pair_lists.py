"""Reading a list of pairs: CSV, TSV or JSON lines."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from p2p_jax.data.names import OTHER_NAMES, SIDE, SPLITS, Files, sides_of
from p2p_jax.errors import UserError
from p2p_jax.files.decode import Mismatch, parse_json

SUFFIXES = (".csv", ".tsv", ".jsonl")


def read_pair_list(path: Path, unmatched: list[str] | None) -> dict[str, list[Files]]:
    """Reads a list with columns A and B (or input and target), or pair; A1, A2, …, mask and split are optional.

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
        values = {OTHER_NAMES.get(key, key): value for key, value in row.items() if value not in (None, "")}
        files = {
            key: path.parent / str(value) for key, value in values.items() if SIDE.fullmatch(str(key)) or key == "pair"
        }
        if "pair" not in files and not (sides_of(files, "A") and sides_of(files, "B")):
            raise UserError(f"{where} names no pair: it needs A and B (or input and target), or pair for side by side.")
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


def _find_split(values: dict[str, Any], where: str) -> str:
    words = {word: split for split, words in SPLITS.items() for word in words}
    split = words.get(str(values.get("split", "train")))
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
    reader = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(f"line {reader.line_num + 1} of {path} cannot be read ({error}): correct the list.") from None
        if row is None:
            return
        yield reader.line_num, row


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

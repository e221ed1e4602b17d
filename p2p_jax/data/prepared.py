"""Finding and reading prepared sets of tensorflow-datasets, by random access, without TensorFlow."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.errors import PROGRAM, UserError
from p2p_jax.files.decode import Mismatch, parse_json
from p2p_jax.files.names import join_inside, printable

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""{name of a split here: its name in TFDS}."""

RECORD = "p2p_jax.json"
"""The file beside the shards of a set that this program prepared: its source, and a checksum of all its records."""

INFO = "dataset_info.json"
FEATURES = "features.json"
CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
"""The fields in which a set names the classes of its features."""

REFERENCE = re.compile(r"(?P<set>\w+)(?:/(?P<config>[\w.+-]+))?(?::(?P<version>\d+\.\d+\.\d+))?")
VERSION = re.compile(r"\d+\.\d+\.\d+")


class Opened(NamedTuple):
    """An opened set.

    Attributes:
        splits: those of "train", "val" and "test" that exist: `len` and `[i] -> {feature: value}` with pictures as encoded
            bytes, text as bytes, and everything else as arrays; thread-safe, and picklable.
        fingerprint: hash that changes with the data.
    """

    splits: dict[str, Sequence[dict[str, Any]]]
    fingerprint: str


def data_root(data_dir: str | Path | None = None) -> Path:
    """The folder of prepared sets; by default that of tensorflow-datasets (TFDS_DATA_DIR or ~/tensorflow_datasets)."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def open_prepared(name: str, data_dir: str | Path | None = None) -> Opened:
    """Opens a set that this program or tensorflow-datasets prepared; reads no picture yet.

    Args:
        name: SET, SET/CONFIG or SET/CONFIG:VERSION, by default the latest version; for the paper's sets pix2pix/ may be
            omitted.
        data_dir: folder of prepared sets; by default that of tensorflow-datasets.

    Raises:
        UserError: there is no such set, it lacks files, has no train, validation or test split, its format allows no
            random access, it names files outside of its folder, or it would import code.
    """
    folder = find_prepared(name, data_dir)
    _refuse_foreign_classes(folder)
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(folder)
    pictures = [key for key, feature in builder.info.features.items() if isinstance(feature, tfds.features.Image)]
    decoders = {key: tfds.decode.SkipDecoding() for key in pictures}
    names = {
        split: next((n for n in (theirs, split, "valid") if n in builder.info.splits), None)
        for split, theirs in SPLITS.items()
    }
    try:
        splits = {
            split: builder.as_data_source(split=theirs, decoders=decoders)
            for split, theirs in names.items()
            if theirs and (theirs != "valid" or split == "val")
        }
    except NotImplementedError:
        raise UserError(
            f"{name} in {folder} is stored as {builder.info.file_format.value}, which allows no random access: prepare it "
            'again with file_format="array_record".'
        ) from None
    if not splits:
        raise UserError(f"{name} has the splits {', '.join(builder.info.splits)}: it needs train, validation or test.")
    files = [file for split in builder.info.splits.values() for file in split.filepaths]
    for file in files:
        join_inside(folder, os.path.relpath(file, folder), f"the set {name}")
    missing = [file for file in files if not file.exists()]
    if missing:
        raise UserError(f"{name} is not complete, {missing[0]} is missing: remove {folder} and prepare it again.")
    return Opened(splits, fingerprint(folder))


def _refuse_foreign_classes(folder: Path) -> None:
    """Refuses a set whose features are classes outside of TFDS, because TFDS would import their modules."""
    path = folder / FEATURES
    for name in _class_names(_read_json(path)) if path.is_file() else ():
        if not name.startswith(("tensorflow_datasets.", "tfds.")):
            raise UserError(
                f"{path} names the class {printable(name)}, for which code outside of tensorflow-datasets would run: use a "
                "set with features of tensorflow-datasets."
            )


def _class_names(value: Any) -> Iterator[str]:
    """The names of all classes in the description of features."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield from (value[key] for key in CLASS_KEYS if isinstance(value.get(key), str))
            stack += value.values()
        elif isinstance(value, list):
            stack += value


def _read_json(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes())
    except Mismatch as mismatch:
        raise UserError(f"{path} is damaged ({mismatch}): remove {path.parent} and prepare the set again.") from None


def find_prepared(name: str, data_dir: str | Path | None = None) -> Path:
    """The folder of the shards of a set; see `open_prepared` for the arguments.

    Raises:
        UserError: there is no such set.
    """
    root = data_root(data_dir)
    match = REFERENCE.fullmatch(name)
    if match is None:
        raise UserError(f"{name!r} is not the name of a set: it must be SET, SET/CONFIG or SET/CONFIG:VERSION.")
    folder = root / match["set"] / (match["config"] or "")
    if match["set"] in PAPER_SETS and not folder.exists():
        folder = root / "pix2pix" / match["set"]
    versions = [path for path in folder.iterdir() if VERSION.fullmatch(path.name)] if folder.is_dir() else []
    versions = [path for path in versions if is_prepared(path) and match["version"] in (None, path.name)]
    if versions:
        return max(versions, key=lambda path: [int(number) for number in path.name.split(".")])
    configs = [path.name for path in sorted(folder.iterdir()) if any(path.glob(f"*/{INFO}"))] if folder.is_dir() else []
    if configs and not match["config"]:
        raise UserError(f"{name} has several configs in {root}: name one of {', '.join(f'{name}/{c}' for c in configs)}.")
    raise UserError(f"{name} is not prepared in {root}: {_advise(match, data_dir)}")


def _advise(match: re.Match[str], data_dir: str | Path | None) -> str:
    """How to prepare a set that does not exist."""
    where = f" --data-dir {data_dir}" if data_dir else ""
    paper = match["config"] if match["set"] == "pix2pix" else match["set"]
    if paper in PAPER_SETS and not match["version"]:
        return f"run {PROGRAM} data prepare {paper}{where}."
    title = match[0]
    return (
        f"prepare pictures of your own with {PROGRAM} data prepare --from FOLDER --name {match['set']}{where}, or a set of "
        f'tensorflow-datasets with tfds.builder("{title}", file_format="array_record").download_and_prepare().'
    )


def is_prepared(folder: Path) -> bool:
    """Whether the folder of a version holds a complete set."""
    return (folder / INFO).is_file()


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a set that this program prepared; empty for other sets."""
    path = folder / RECORD
    record = _read_json(path) if path.is_file() else {}
    if not isinstance(record, dict):
        raise UserError(f"{path} is damaged: remove {folder} and prepare the set again.")
    return record


def count_pairs(folder: Path) -> dict[str, int]:
    """The number of records in each split of a prepared set: {"train" | "val" | "test": number}."""
    theirs = {name: split for split, name in SPLITS.items()}
    return {theirs[name]: sum(lengths) for name, lengths in _read_splits(folder).items() if name in theirs}


def _read_splits(folder: Path) -> dict[str, list[int]]:
    """The lengths of the shards of each split."""
    try:
        listed = _read_json(folder / INFO)["splits"]
        return {str(split["name"]): [int(number) for number in split["shardLengths"]] for split in listed}
    except (LookupError, TypeError, ValueError):
        raise UserError(f"{folder / INFO} is damaged: remove {folder} and prepare the set again.") from None


def fingerprint(folder: Path) -> str:
    """A hash of a prepared set: its name, version and splits, the sizes of its shards and the checksum in its record."""
    splits, info = _read_splits(folder), _read_json(folder / INFO)
    known: list[Any] = [info.get(key) for key in ("name", "configName", "version")]
    known += sorted([name, lengths] for name, lengths in splits.items())
    known.append(sorted((path.name, path.stat().st_size) for path in folder.iterdir() if ".array_record" in path.name))
    known.append(read_record(folder).get("content"))
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

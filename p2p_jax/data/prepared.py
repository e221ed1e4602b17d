"""Finding and reading prepared sets of tensorflow-datasets, by random access, without TensorFlow."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.records import ArrivingRecords
from p2p_jax.data.remote_sets import INFO, RECORD, check_listed, describe_arrival, list_folders_with, open_shards
from p2p_jax.errors import PROGRAM, UserError
from p2p_jax.files.decode import Mismatch, parse_json
from p2p_jax.files.names import join_inside, printable
from p2p_jax.storage.urls import EXTRAS, has_scheme, is_url

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""{name of a split here: its name in TFDS}."""

FEATURES = "features.json"
CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
"""The fields in which a set names the classes of its features."""

REFERENCE = re.compile(r"(?P<set>\w+)(?:/(?P<config>(?!\.)[\w.+-]+))?(?::(?P<version>\d+\.\d+\.\d+))?")
VERSION = re.compile(r"\d+\.\d+\.\d+")


class Opened(NamedTuple):
    """An opened set.

    Attributes:
        splits: those of "train", "val" and "test" that exist: `len` and `[i] -> {feature: value}` with pictures as encoded
            bytes, text as bytes, and everything else as arrays; thread-safe, and picklable.
        fingerprint: hash that changes with the data.
        features: names of the features of a record.
        notes: what the user should know about the set, in sentences.
    """

    splits: dict[str, Sequence[dict[str, Any]]]
    fingerprint: str
    features: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def data_root(data_dir: str | Path | None = None) -> Path:
    """The folder of prepared sets; by default that of tensorflow-datasets (TFDS_DATA_DIR or ~/tensorflow_datasets).

    Raises:
        UserError: a URL was given.
    """
    place = _find_place(data_dir)
    if isinstance(place, str):
        raise UserError(
            f"{place} was given, but sets are prepared in a folder: give --data-dir FOLDER, then copy what it holds to the "
            "bucket with the cloud's own tools."
        )
    return place


def _find_place(data_dir: str | Path | None) -> Path | str:
    """The folder of prepared sets, or its URL in a bucket without a slash at its end."""
    place = str(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    if is_url(place):
        return place.rstrip("/")
    if has_scheme(place):
        raise UserError(
            f"{place} was given: prepared sets are in a folder, or in a bucket ({', '.join(f'{e}://' for e in EXTRAS)})."
        )
    return Path(place).expanduser()


def open_prepared(name: str, data_dir: str | Path | None = None) -> Opened:
    """Opens a set that this program or tensorflow-datasets prepared; reads no picture yet.

    Of a set in a bucket only the description is fetched, into the local cache. Reading a record fetches its shard if it is
    not in the cache yet.

    Args:
        name: SET, SET/CONFIG or SET/CONFIG:VERSION, by default the latest version; for the paper's sets pix2pix/ may be
            omitted.
        data_dir: folder of prepared sets, or its URL in a bucket; by default that of tensorflow-datasets.

    Raises:
        UserError: there is no such set, it lacks files, has no train, validation or test split, its format allows no random
            access, it names files outside of its folder, it would import code, or the bucket cannot be read.
    """
    place = _find_place(data_dir)
    if not isinstance(place, str):
        folder = find_prepared(name, data_dir)
        builder, splits = _open_splits(name, folder, str(folder))
        files = [file for split in builder.info.splits.values() for file in split.filepaths]
        for file in files:
            join_inside(folder, os.path.relpath(file, folder), f"the set {name}")
        missing = [file for file in files if not file.exists()]
        if missing:
            raise UserError(f"{name} is not complete, {missing[0]} is missing: remove {folder} and prepare it again.")
        return Opened(splits, fingerprint(folder), frozenset(builder.info.features))
    shards = open_shards(f"{place}/{_choose(name, place)}")
    builder, splits = _open_splits(name, shards.folder, shards.url)
    for split in builder.info.splits.values():
        check_listed(shards, split.filepaths, name)
    arriving: dict[str, Sequence[dict[str, Any]]] = {}
    for split, records in splits.items():
        info = builder.info.splits[_find_split(builder, split) or split]
        names = tuple(Path(file).name for file in info.filepaths)
        arriving[split] = ArrivingRecords(records, shards, names, tuple(accumulate(info.shard_lengths)))
    sizes = {file: listed.size for file, listed in shards.files.items()}
    notes = describe_arrival(shards, name)
    return Opened(arriving, fingerprint(shards.folder, sizes), frozenset(builder.info.features), notes)


def _find_split(builder: Any, split: str) -> str | None:
    """The name that a set has for one of our splits, or None if it has no such split."""
    others = ("valid",) if split == "val" else ()
    return next((name for name in (SPLITS[split], split, *others) if name in builder.info.splits), None)


def _open_splits(name: str, folder: Path, place: str) -> tuple[Any, dict[str, Sequence[dict[str, Any]]]]:
    """Opens the splits of a set by their names here, without looking for its shards; `place` is for messages."""
    _refuse_foreign_classes(folder)
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(folder)
    pictures = [key for key, feature in builder.info.features.items() if isinstance(feature, tfds.features.Image)]
    decoders = {key: tfds.decode.SkipDecoding() for key in pictures}
    try:
        splits = {
            split: builder.as_data_source(split=theirs, decoders=decoders)
            for split in SPLITS
            if (theirs := _find_split(builder, split))
        }
    except NotImplementedError:
        raise UserError(
            f"{name} in {place} is stored as {builder.info.file_format.value}, which allows no random access: prepare it "
            'again with file_format="array_record".'
        ) from None
    if not splits:
        raise UserError(f"{name} has the splits {', '.join(builder.info.splits)}: it needs train, validation or test.")
    return builder, splits


def _refuse_foreign_classes(folder: Path) -> None:
    """Refuses a set whose features are classes outside of TFDS, because TFDS would import their modules."""
    path = folder / FEATURES
    for name in _class_names(_read_json(path)) if path.is_file() else ():
        if not name.startswith(("tensorflow_datasets.core.features.", "tfds.features.")):
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
    """The folder of the shards of a set in a folder; see `open_prepared` for the arguments.

    Raises:
        UserError: there is no such set.
    """
    root = data_root(data_dir)
    return root / _choose(name, root, data_dir)


def _choose(name: str, root: Path | str, data_dir: str | Path | None = None) -> str:
    """The folder of a set, relative to the folder or URL of all sets.

    Args:
        name: as for `open_prepared`.
        root: of all sets.
        data_dir: what the user gave, for messages.

    Raises:
        UserError: there is no such set, or the bucket cannot be read.
    """
    match = REFERENCE.fullmatch(name)
    if match is None:
        raise UserError(f"{name!r} is not the name of a set: it must be SET, SET/CONFIG or SET/CONFIG:VERSION.")
    folder = "/".join(filter(None, (match["set"], match["config"])))
    found = _list_prepared(root, folder)
    if match["set"] in PAPER_SETS and not found:
        folder = f"pix2pix/{match['set']}"
        found = _list_prepared(root, folder)
    names = [path.removeprefix(f"{folder}/") for path in found]
    versions = [each for each in names if VERSION.fullmatch(each) and match["version"] in (None, each)]
    if versions:
        return f"{folder}/{max(versions, key=lambda each: [int(number) for number in each.split('.')])}"
    configs = sorted({each.split("/")[0] for each in names if "/" in each})
    if configs and not match["config"]:
        raise UserError(f"{name} has several configs in {root}: name one of {', '.join(f'{name}/{c}' for c in configs)}.")
    raise UserError(f"{name} is not prepared in {root}: {_advise(match, root if isinstance(root, str) else data_dir)}")


def _list_prepared(root: Path | str, folder: str) -> list[str]:
    """The folders of complete sets up to two levels below a folder; all names are relative to `root`."""
    if isinstance(root, str):
        return list_folders_with(root, folder, INFO)
    paths = [path for depth in ("*", "*/*") for path in (root / folder).glob(f"{depth}/{INFO}")]
    return [path.parent.relative_to(root).as_posix() for path in paths]


def _advise(match: re.Match[str], data_dir: str | Path | None) -> str:
    """How to prepare a set that does not exist."""
    if isinstance(data_dir, str) and is_url(data_dir):
        return f"prepare it with {PROGRAM} data prepare in a folder, and copy what that folder holds there."
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


def fingerprint(folder: Path, sizes: Mapping[str, int] | None = None) -> str:
    """A hash of a prepared set: its name, version and splits, the sizes of its shards and the checksum in its record.

    Args:
        folder: of the version.
        sizes: of all files of the set, by name; by default those in the folder.
    """
    sizes = sizes or {path.name: path.stat().st_size for path in folder.iterdir()}
    splits, info = _read_splits(folder), _read_json(folder / INFO)
    known: list[Any] = [info.get(key) for key in ("name", "configName", "version")]
    known += sorted([name, lengths] for name, lengths in splits.items())
    known.append(sorted((name, size) for name, size in sizes.items() if ".array_record" in name))
    known.append(read_record(folder).get("content"))
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

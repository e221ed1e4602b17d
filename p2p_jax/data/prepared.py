"""Finding and reading sets of tensorflow-datasets that were prepared, by random access, without TensorFlow."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.errors import PROGRAM, UserError

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""Our names of splits, and those that TFDS has for them."""


RECORD = "p2p_jax.json"
"""Beside the shards of a set that was prepared here: what it was prepared from, and a checksum of all its records."""


INFO = "dataset_info.json"


REFERENCE = re.compile(r"(?P<set>\w+)(?:/(?P<config>[\w.+-]+))?(?::(?P<version>\d+\.\d+\.\d+))?")


VERSION = re.compile(r"\d+\.\d+\.\d+")


class Opened(NamedTuple):
    """A prepared set, opened.

    Attributes:
        splits: "train", "val", "test", as far as it has them: `len` and `[i] -> {feature: value}` with pictures as encoded
            bytes, text as bytes, and all else as arrays; safe in threads, and picklable.
        fingerprint: hash that changes when the data do.
    """

    splits: dict[str, Sequence[dict[str, Any]]]
    fingerprint: str


def data_root(data_dir: str | Path | None = None) -> Path:
    """The folder of prepared sets: the given one, or that of tensorflow-datasets."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def open_prepared(name: str, data_dir: str | Path | None = None) -> Opened:
    """Opens a set that was prepared, by this program or by tensorflow-datasets; reads no picture yet.

    Args:
        name: SET, SET/CONFIG, either with :VERSION (else the latest); a paper's set also without pix2pix/ before it.
        data_dir: folder of prepared sets; by default that of tensorflow-datasets.

    Raises:
        UserError: there is none, it lacks files, has none of our splits, or its format allows no random access.
    """
    folder = find_prepared(name, data_dir)
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
            f"{name} in {folder} is stored as {builder.info.file_format.value}, which cannot be read in any order: prepare "
            'it again with file_format="array_record".'
        ) from None
    if not splits:
        raise UserError(f"{name} has the splits {', '.join(builder.info.splits)}: it needs train, validation or test.")
    lacking = [file for split in builder.info.splits.values() for file in split.filepaths if not file.exists()]
    if lacking:
        raise UserError(f"{name} is not whole, {lacking[0]} is missing: remove {folder} and prepare it again.")
    return Opened(splits, fingerprint(folder))


def find_prepared(name: str, data_dir: str | Path | None = None) -> Path:
    """The folder of the shards of a set; see `open_prepared`.

    Raises:
        UserError: there is none.
    """
    root = data_root(data_dir)
    match = REFERENCE.fullmatch(name)
    if match is None:
        raise UserError(f"{name!r} is no name of a set: it must be SET, SET/CONFIG or SET/CONFIG:VERSION.")
    folder = root / match["set"] / (match["config"] or "")
    if match["set"] in PAPER_SETS and not folder.exists():
        folder = root / "pix2pix" / match["set"]
    versions = [path for path in folder.iterdir() if VERSION.fullmatch(path.name)] if folder.is_dir() else []
    versions = [path for path in versions if is_prepared(path) and match["version"] in (None, path.name)]
    if versions:
        return max(versions, key=lambda path: [int(number) for number in path.name.split(".")])
    configs = [path.name for path in sorted(folder.iterdir()) if any(path.glob(f"*/{INFO}"))] if folder.is_dir() else []
    if configs and not match["config"]:
        raise UserError(f"{name} has several kinds in {root}: name one of {', '.join(f'{name}/{c}' for c in configs)}.")
    raise UserError(f"{name} is not prepared in {root}: {_how(match, data_dir)}")


def _how(match: re.Match[str], data_dir: str | Path | None) -> str:
    """What to do about a set that is not there."""
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
    """Whether the folder of a version holds a whole set."""
    return (folder / INFO).is_file()


def read_record(folder: Path) -> dict[str, Any]:
    """What was noted when a set was prepared here; empty for one that was not."""
    path = folder / RECORD
    return json.loads(path.read_text()) if path.is_file() else {}


def count_pairs(folder: Path) -> dict[str, int]:
    """How many records each split of a prepared set has, by our names of splits."""
    theirs = {name: split for split, name in SPLITS.items()}
    listed = json.loads((folder / INFO).read_text())["splits"]
    return {
        theirs[split["name"]]: sum(int(n) for n in split["shardLengths"]) for split in listed if split["name"] in theirs
    }


def fingerprint(folder: Path) -> str:
    """A hash of a prepared set: its name and version, its splits, the sizes of its shards, and its own checksum."""
    info = json.loads((folder / INFO).read_text())
    known: list[Any] = [info.get(key) for key in ("name", "configName", "version")]
    for split in sorted(info["splits"], key=lambda split: split["name"]):
        known.append([split["name"], [int(length) for length in split["shardLengths"]]])
    known.append(sorted((path.name, path.stat().st_size) for path in folder.iterdir() if ".array_record" in path.name))
    known.append(read_record(folder).get("content"))
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

"""Preparing one's own pictures. The records are {"name"} and the file of each side (see `names.Files`), byte for byte."""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from p2p_jax.data.names import SIDE, Files
from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.prepared import SPLITS, count_pairs, data_root, is_prepared, read_record
from p2p_jax.data.sets.shards import (
    SHARD_BYTES,
    VERSION,
    Planned,
    Prepared,
    Progress,
    locked,
    new_version,
    no_progress,
    write_set,
)
from p2p_jax.errors import UserError
from p2p_jax.files.names import name_bytes, printable
from p2p_jax.files.outputs import check_outputs

NAME = re.compile(r"[a-z][a-z0-9_]*")

logging.getLogger("absl").setLevel(logging.ERROR)  # messages of TFDS about its own work


def prepare_folder(
    folder: Path,
    name: str,
    splits: Mapping[str, Sequence[Files]],
    *,
    data_dir: Path | None = None,
    overwrite: bool = False,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress = no_progress,
) -> Prepared:
    """Makes a set of one's own pictures. A set that was made from the same files before is kept.

    Args:
        folder: of the pictures, for messages and the record of the set.
        name: of the set: lower-case letters, digits and _.
        splits: {"train" | "val" | "test": [(name, {side: file})]}, in the order of the records (`layout.find_pairs`).
        data_dir, overwrite, shard_bytes, on_progress: as for `builders.prepare_archive`.

    Raises:
        UserError: the name is invalid or taken, the set would lie among the pictures, the pairs do not all have the same
            sides, or a file does not exist.
        OSError: the disk is full, or a file or folder cannot be read or written.
    """
    _check_name(name)
    splits = {split: splits[split] for split in SPLITS if splits.get(split)}
    sides = _find_sides(folder, splits)
    root = data_root(data_dir)
    final = root / name / VERSION
    check_outputs(final, {}, inputs=[folder], option="--data-dir")
    sizes, listing = _list_files(splits)
    with locked(final):
        if is_prepared(final):
            _refuse_other_pictures(final, name, folder, listing, overwrite)
            if not overwrite:
                return Prepared(final, count_pairs(final), new=False)
        elif any(root.joinpath(name).iterdir()):
            raise UserError(f"{root / name} already holds something else: give another --name.")
        plans = {split: Planned(len(pairs), sizes[split], _read_records(pairs)) for split, pairs in splits.items()}
        source = {"folder": str(folder.absolute()), "listing": listing}
        with new_version(final) as fresh:
            info = _describe_set(name, fresh, sides, folder)
            write_set(info, fresh, plans, source=source, shard_bytes=shard_bytes, on_progress=on_progress)
        return Prepared(final, count_pairs(final), new=True)


def _check_name(name: str) -> None:
    if name == "pix2pix" or name in PAPER_SETS or name == "downloads":
        raise UserError(f"--name was given {name}, which is taken: choose another name for your pictures.")
    if not NAME.fullmatch(name):
        raise UserError(f"--name was given {name!r}: give lower-case letters, digits and _, with a letter first.")


def _find_sides(folder: Path, splits: Mapping[str, Sequence[Files]]) -> list[str]:
    """The sides of every pair."""
    kinds = {frozenset(files) for pairs in splits.values() for _, files in pairs}
    if not kinds:
        raise UserError(f"{folder} holds no pairs of pictures: give another folder.")
    if len(kinds) > 1 or not all(side == "pair" or SIDE.fullmatch(side) for kind in kinds for side in kind):
        described = ", or ".join(" and ".join(sorted(kind)) for kind in kinds)
        raise UserError(f"the pairs of {folder} do not all have the same pictures (some {described}): add what is missing.")
    return sorted(kinds.pop())


def _list_files(splits: Mapping[str, Sequence[Files]]) -> tuple[dict[str, int], str]:
    """The bytes of each split, and a hash of the names, sizes and times of all files."""
    digest, sizes = hashlib.sha256(), dict.fromkeys(splits, 0)
    for split, pairs in splits.items():
        for name, files in pairs:
            for side, path in sorted(files.items()):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    raise _missing(path) from None
                sizes[split] += status.st_size
                digest.update(name_bytes(f"{split} {name} {side} {status.st_size} {status.st_mtime_ns}\n"))
    return sizes, digest.hexdigest()


def _read_records(pairs: Sequence[Files]) -> Iterator[dict[str, Any]]:
    for name, files in pairs:
        try:
            yield {"name": printable(name), **{side: path.read_bytes() for side, path in files.items()}}
        except FileNotFoundError as error:
            raise _missing(error.filename) from None


def _missing(path: Any) -> UserError:
    return UserError(f"{path} does not exist: it was removed, or is a broken link; remove its pair, or restore the file.")


def _refuse_other_pictures(final: Path, name: str, folder: Path, listing: str, overwrite: bool) -> None:
    """Refuses a set that was not made from a folder, and one made from other files unless it may be overwritten."""
    record = read_record(final)
    if "listing" not in record:
        raise UserError(f"{final} holds a set that was not made from a folder: give another --name.")
    if record["listing"] == listing or overwrite:
        return
    if record["folder"] == str(folder.absolute()):
        raise UserError(f"the pictures in {folder} have changed since {name} was prepared: add --overwrite to do it again.")
    raise UserError(
        f"{name} holds the pictures of another folder, {record['folder']}: give another --name, or add --overwrite."
    )


def _describe_set(name: str, folder: Path, sides: Sequence[str], source: Path) -> tfds.core.DatasetInfo:
    from tensorflow_datasets.core.dataset_info import DatasetIdentity

    files = {side: tfds.features.Scalar(dtype=np.object_, doc="The file, byte for byte.") for side in sides}
    return tfds.core.DatasetInfo(
        builder=DatasetIdentity(name=name, version=tfds.core.Version(VERSION), data_dir=str(folder), module_name=""),
        description=f"Pairs of pictures from {printable(source.absolute())}.",
        features=tfds.features.FeaturesDict({"name": tfds.features.Text(), **files}),
        disable_shuffling=True,
    )

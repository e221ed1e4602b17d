"""Writing a set of tensorflow-datasets in shards, either completely or not at all.

TFDS writes splits of more than 1 GB through temporary files, for which it needs TensorFlow. Here the records are written
directly, in their order.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.data.prepared import RECORD, SPLITS
from p2p_jax.errors import UserError
from p2p_jax.files.names import name_bytes
from p2p_jax.files.writing import write_text

VERSION = "1.0.0"
"""The version of the sets that this program writes."""

SHARD_BYTES = 2**28  # largest size of a shard

OF_A_SET = re.compile(
    rf"LICENSE|(dataset_info|features|metadata)\.json|{re.escape(RECORD)}|[\w.]+-\w+\.(array_record|tfrecord)-\d+-of-\d+|[\w.]+\.labels\.txt"
)
"""The names of the files in the folder of a version, as this program and tensorflow-datasets write them."""

Progress = Callable[[str, int, int | None], Any]
"""Called with a stage, how much of it is done, and its total, which may be unknown (None): ("download", bytes, all),
("read", bytes, all) or ("write", pairs, all)."""


def no_progress(stage: str, done: int, total: int | None) -> None:
    """A `Progress` that does nothing."""


class Prepared(NamedTuple):
    """A prepared set.

    Attributes:
        path: folder of its shards.
        pairs: {"train" | "val" | "test": number of pairs}.
        new: whether this call wrote it.
    """

    path: Path
    pairs: dict[str, int]
    new: bool


class Planned(NamedTuple):
    """A split to write.

    Attributes:
        count: number of records.
        size: of all records in bytes, approximately.
        examples: the records in their order.
    """

    count: int
    size: int
    examples: Iterable[dict[str, Any]]


def write_set(
    info: Any,
    folder: Path,
    splits: Mapping[str, Planned],
    *,
    source: Mapping[str, Any],
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress = no_progress,
) -> None:
    """Writes a complete set into a folder.

    Args:
        info: the `tfds.core.DatasetInfo` without splits.
        folder: of the version, empty.
        splits: {"train" | "val" | "test": what to write}.
        source: of the pictures, for the record of the set.
        shard_bytes: largest size of a shard.
        on_progress: called after every record.
    """
    from tensorflow_datasets.core.splits import SplitDict

    info.set_file_format("array_record")
    infos, content = write_splits(info, folder, splits, shard_bytes=shard_bytes, on_progress=on_progress)
    info.set_splits(SplitDict(infos))
    info.write_to_directory(folder)
    record = {**source, "content": content, "shards": _sum_shards(folder)}
    write_text(folder / RECORD, json.dumps(record, indent=2))


def _sum_shards(folder: Path) -> dict[str, str]:
    """The SHA-256 of each shard in a folder, by its name; a copy of the set from a bucket is checked with it."""
    sums = {}
    for path in sorted(folder.glob("*.array_record*")):
        with path.open("rb") as file:
            sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def write_splits(
    info: Any,
    folder: Path,
    splits: Mapping[str, Planned],
    *,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress = no_progress,
) -> tuple[list[Any], str]:
    """Writes the shards, and returns the `tfds.core.SplitInfo` of each split and a checksum of all records."""
    digest = hashlib.sha256()
    done, total = 0, sum(plan.count for plan in splits.values())

    def serialized(split: str, examples: Iterable[dict[str, Any]]) -> Iterator[bytes]:
        nonlocal done
        for example in examples:
            _digest(digest, split, example)
            done += 1
            on_progress("write", done, total)
            yield info.features.serialize_example(example)

    infos = []
    for split, plan in splits.items():
        shards = max(1, min(plan.count, -(-plan.size // shard_bytes)))
        records = serialized(split, plan.examples)
        infos.append(_write_split(info.name, folder, split, records, count=plan.count, shards=shards))
    return infos, digest.hexdigest()


def _digest(digest: Any, split: str, example: dict[str, Any]) -> None:
    for feature, value in sorted(example.items()):
        data = name_bytes(value) if isinstance(value, str) else value
        digest.update(f"{split} {feature} {len(data)} ".encode() + data)


def _write_split(name: str, folder: Path, split: str, records: Iterator[bytes], *, count: int, shards: int) -> Any:
    """Writes the shards of one split, with about the same number of records each."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.splits import SplitInfo

    ends = [count * (shard + 1) // shards for shard in range(shards)]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    root: Any = folder  # TFDS accepts any path, but its annotation is narrower
    template = tfds.core.ShardedFileTemplate(
        data_dir=root, dataset_name=name, split=SPLITS[split], filetype_suffix="array_record"
    )
    size = 0
    for shard, length in enumerate(lengths):
        path = Path(template.sharded_filepath(shard_index=shard, num_shards=shards))
        size += _write_shard(path, islice(records, length))
    return SplitInfo(name=SPLITS[split], shard_lengths=lengths, num_bytes=size, filename_template=template)


def _write_shard(path: Path, records: Iterable[bytes]) -> int:
    """Writes one file of records, and returns their size in bytes.

    Raises:
        OSError: the disk is full or cannot be written. array_record itself raises only RuntimeError.
    """
    from array_record.python.array_record_module import ArrayRecordWriter

    size = 0
    try:
        writer = ArrayRecordWriter(str(path), "group_size:1")  # any other size makes random access slow
    except RuntimeError as error:
        raise _as_os_error(error, path) from None
    try:
        for record in records:
            writer.write(record)
            size += len(record)
    except BaseException:
        _close_quietly(writer)
        raise
    try:
        writer.close()
    except RuntimeError as error:
        raise _as_os_error(error, path) from None
    return size


def _close_quietly(writer: Any) -> None:
    with suppress(RuntimeError):  # the error that interrupted the writing is reported instead
        writer.close()


def _as_os_error(error: RuntimeError, path: Path) -> OSError:
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG)
    number = next((number for number in numbers if os.strerror(number) in str(error)), errno.EIO)
    return OSError(number, os.strerror(number), str(path))


@contextmanager
def locked(final: Path) -> Iterator[None]:
    """Locks a set against other processes, and removes the files that a killed process left.

    Args:
        final: folder of the version. Its parent is made, and removed again if it stays empty.

    Raises:
        UserError: another process is preparing the set.
    """
    import fcntl

    folder = final.parent
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is preparing {folder} now: wait until it is done.") from None
        fresh, old = _temporary_folders(final)
        if old.exists() and not final.exists():
            old.rename(final)
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)
        for empty in missing:
            with suppress(OSError):  # it is not empty
                empty.rmdir()


@contextmanager
def new_version(final: Path) -> Iterator[Path]:
    """Yields a new folder, which replaces `final` if the block ends without an error. The set must be locked.

    Raises:
        UserError: `final` is a link, or holds a file that is no part of a set, which would be removed.
    """
    _refuse_other_files(final)
    fresh, old = _temporary_folders(final)
    fresh.mkdir()
    try:
        yield fresh
        if final.exists():
            final.rename(old)
        fresh.rename(final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _refuse_other_files(final: Path) -> None:
    if final.is_symlink():
        raise UserError(f"{final} is a link, through which nothing is replaced: remove it, or give another --data-dir.")
    for path in sorted(final.iterdir()) if final.is_dir() else ():
        if not OF_A_SET.fullmatch(path.name) or not path.is_file():
            raise UserError(f"{path} is no part of a prepared set, and would be removed with {final}: move it away.")


def _temporary_folders(final: Path) -> tuple[Path, Path]:
    """The folder where the new version is written, and the folder of the old one while the new one replaces it."""
    return final.with_name(f"incomplete.new_{final.name}"), final.with_name(f"incomplete.old_{final.name}")

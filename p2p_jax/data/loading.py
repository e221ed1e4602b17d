"""Opens the splits of pairs that a config names, and reads them in batches that are a pure function of (seed, index)."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.config import Config, Data, count_classes
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.fit import Fit, fit_of_training, plan, to_canvas
from p2p_jax.data.layout import search
from p2p_jax.data.names import Files
from p2p_jax.data.pairs import Example, Pairs, ProceduralPairs, RecordedPairs, Replacing
from p2p_jax.data.palettes import read_palette
from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.records import FileRecords, PreparedRecords, Records, Subset
from p2p_jax.errors import UserError
from p2p_jax.files.names import name_bytes
from p2p_jax.storage.urls import has_scheme

WINDOW_KEY = 1  # separates the random numbers of crops from those for other purposes


class Dataset(NamedTuple):
    """The splits of a data set and a fingerprint that changes when they do.

    Attributes:
        splits: "train", and where they exist "val" and "test".
        fingerprint: hash of the names and sizes of all files or records; for built-in pictures, their seed and number.
        alone: {split: number of pictures} for splits that hold inputs without targets.
        notes: what the user should know about the pictures, in sentences.
    """

    splits: dict[str, Pairs]
    fingerprint: str
    alone: Mapping[str, int] = MappingProxyType({})
    notes: tuple[str, ...] = ()


def open_dataset(config: Config) -> Dataset:
    """Finds the pairs that a config names, without reading any.

    Raises:
        UserError: no pictures are named, they are missing or lack their other halves, or there are no training pairs.
    """
    data, alone, notes = config.data, {}, ()
    if data.source == "procedural":
        return _open_procedural(config)
    if data.path is not None and has_scheme(data.path):
        raise UserError(
            f"data.path was given {data.path}, but pictures are read from a folder: mount the bucket, or put a prepared "
            "set there and give data.tfds with data.tfds_dir."
        )
    if data.path is not None:
        found = search(Path(data.path), layout=data.layout)
        splits: dict[str, Records] = {split: FileRecords(pairs) for split, pairs in found.splits.items()}
        fingerprint = _fingerprint(found.splits)
        alone, notes = {split: len(files) for split, files in found.alone.items()}, found.notes(Path(data.path))
    elif data.tfds is not None:
        splits, fingerprint, notes = _open_prepared(data)
    else:
        raise UserError("no pictures were named: give --data.path FOLDER, or --data.source procedural.")
    if "train" not in splits:
        raise UserError(f"{describe_data(data)} has {' and '.join(splits)} pairs but none to train on: add train.")
    for split, fraction in (("val", data.val_fraction), ("test", data.test_fraction)):
        if fraction and split not in splits:
            splits["train"], splits[split] = _split_off(splits["train"], fraction, config.seed)
    pairs: dict[str, Pairs] = {split: RecordedPairs(records, data) for split, records in splits.items()}
    if data.on_error == "skip":
        pairs = {split: Replacing(some, config.seed, {}) for split, some in pairs.items()}
    return Dataset(pairs, fingerprint, alone, tuple(notes))


def _open_procedural(config: Config) -> Dataset:
    data = config.data
    for option, given in (("--data.path", data.path), ("--data.tfds", data.tfds)):
        if given is not None:
            raise UserError(
                f"{option} was given {given}, but this experiment draws its own pictures: add --data.source folder."
            )
    role, labels, photo = (
        ("input", data.input, data.target) if data.direction == "AtoB" else ("target", data.target, data.input)
    )
    one_hot = labels.palette is not None and np.array_equal(read_palette(labels.palette), COLOURS)
    for side in (replace(labels, palette=None) if one_hot else labels, photo):
        if side.channels != (3,) or side.depth != "8" or side.range or count_classes(side) or side.ignore is not None:
            raise UserError(
                "the built-in facades have 3 channels of 8 bits on both sides: do not change the options of a side, "
                f"except for --data.{role}.kind labels with --data.{role}.palette cmp."
            )
    held_out = max(data.count // 8, 1)
    numbers = {"train": data.count, "val": held_out, "test": held_out}
    splits, first = {}, 0
    for split, number in numbers.items():
        splits[split] = ProceduralPairs(config.seed, first, number, data.direction, one_hot)
        first += number
    return Dataset(splits, f"procedural {config.seed} {data.count}")


def _open_prepared(data: Data) -> tuple[dict[str, Records], str, tuple[str, ...]]:
    prepared = open_prepared(str(data.tfds), data.tfds_dir)
    features = data.tfds_features
    splits = {split: PreparedRecords(records, str(data.tfds), features) for split, records in prepared.splits.items()}
    known = prepared.features
    named = features is None and bool({"pair", "A", "A1"} & known)
    if not named and (features is None or len(features) < 2 or not set(features) <= known):
        raise UserError(
            f"{data.tfds} has the features {', '.join(sorted(known))}: name those that are A and B, such as "
            "--data.tfds-features image segmentation_mask."
        )
    return dict(splits), prepared.fingerprint, prepared.notes


class Reader(NamedTuple):
    """Reads the pairs of a split for training, through a cache if there is one.

    Attributes:
        pairs: of the split.
        fit: how they are brought to size.
        cache: {index: pair before the crop}; None to read every pair again each time.
    """

    pairs: Pairs
    fit: Fit
    cache: dict[int, Example] | None

    def read(self, index: int, position: tuple[float, float] = (0.0, 0.0)) -> Example:
        """Reads the pair at `index`; `position` is that of a crop, down and across, each in [0, 1)."""
        if self.cache is None:
            return self.pairs.read(index, self.fit, position)
        if index not in self.cache:
            self.cache[index] = self.pairs.read(index, self.fit._replace(uncropped=True))
        example = self.cache[index]
        if not self.fit.crops:
            return example
        canvas = plan(self.fit, example["input"].shape[:2], self.pairs.name(index)).canvas
        return {name: to_canvas(pixels, canvas, position) for name, pixels in example.items()}


def open_reader(
    pairs: Pairs, config: Config, on_read: Callable[[int], Any] = lambda done: None, *, ahead: bool = True
) -> Reader:
    """Makes the reader of a training split.

    With `ahead`, all pairs of a split that fits into the cache are read immediately, so that every unreadable file is found
    before the first step.

    Args:
        pairs: the split.
        config: the run.
        on_read: called with the number of pairs read so far.
        ahead: whether to fill the cache now; otherwise each pair is read when it is first needed.

    Raises:
        UserError: a pair cannot be read.
    """
    reader = Reader(pairs, fit_of_training(config), {})
    needed = sum(pixels.nbytes for pixels in reader.read(0).values()) * pairs.count()
    fits = needed <= config.data.cache_mib * 2**20 if config.data.cache == "auto" else config.data.cache != "none"
    if not fits:
        return reader._replace(cache=None)
    if not ahead:
        return reader
    with ThreadPoolExecutor(max(config.data.threads, 1)) as pool:
        for done, _ in enumerate(pool.map(reader.read, range(pairs.count())), start=1):
            on_read(done)
    return reader


def batches(
    reader: Reader,
    *,
    seed: int,
    batch_size: int,
    start: int,
    shard: tuple[int, int] = (0, 1),
    threads: int,
    processes: int = 0,
    read: bool = True,
) -> Iterator[Example]:
    """Yields batches without end, from index `start` on; batch k depends only on (seed, k). Each epoch has its own order.

    Args:
        reader: the training pairs.
        seed: of the order, and of the positions of crops.
        batch_size: pairs per batch, over all shards.
        start: index of the first batch, so that a run resumes where it stopped.
        shard: (i, n): yield and read only the i-th of n equal parts of every batch.
        threads: number of threads that prefetch; with 0 each batch is read when it is needed.
        processes: number of processes that prefetch in place of the threads.
        read: whether to read the pairs; otherwise only their indices are yielded.

    Yields:
        {"input": (n, h, w, c), "target": (n, h, w, c'), "weight": (n, h, w, 1) where there are masks}, stored values; or
        {"index": (n,)}.

    Raises:
        UserError: a pair cannot be read, or a process that reads was killed.
    """
    import grain

    read_element = ElementReader(reader, seed) if read else lambda place, index: {"index": np.int32(index)}
    dataset = grain.MapDataset.range(reader.pairs.count()).seed(seed).shuffle().repeat(None)
    index, count = shard
    # Each shard of a batch is read as a small batch: the shards alternate, and every n-th one belongs to this process.
    dataset = dataset.map_with_index(read_element).batch(batch_size // count, drop_remainder=True)
    dataset = dataset[start * count + index :: count]
    if processes:
        from absl import flags

        flags.FLAGS.mark_as_parsed()  # grain's workers do not start otherwise
        stream = dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=processes, per_worker_buffer_size=2))
    else:
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 * max(threads, 1))
        stream = dataset.to_iter_dataset(options)
    for batch in _explain_lost_process(stream):
        replaced = batch.pop("replaced", np.array([-1]))
        _note_replaced(reader, [int(index) for index in replaced if index >= 0])
        yield batch


def _explain_lost_process(stream: Iterable[Example]) -> Iterator[Example]:
    """Yields the same batches; a process that reads pictures and is killed ends the run with one sentence."""
    try:
        yield from stream
    except RuntimeError as error:
        lost = re.search(r"[Ww]orker process was terminated unexpectedly with exit code (-?\d+)", str(error))
        if lost is None:
            raise
        raise UserError(
            f"a process that reads pictures ended unexpectedly (exit code {lost[1]}; -9 is often a lack of memory): give "
            "fewer --data.processes, or 0 for threads; the same command resumes."
        ) from None


@dataclass(frozen=True, repr=False)  # grain prints the function of a map, and would print every cached picture with it
class ElementReader:
    """Reads the elements of a stream of training pairs.

    Attributes:
        reader: the training pairs.
        seed: of the positions of crops.
    """

    reader: Reader
    seed: int

    def __call__(self, place: int, index: int) -> dict[str, Any]:
        """Reads the pair at `index`; `place`, its position in the sequence over all epochs, decides on the crop.

        Returns:
            the pair, and `replaced`: the index if another pair was read in its place, otherwise -1.
        """
        index, crop = int(index), (0.0, 0.0)
        if self.reader.fit.crops:
            down, across = np.random.default_rng((self.seed, WINDOW_KEY, place)).random(2)
            crop = (float(down), float(across))
        example = self.reader.read(index, crop)
        pairs = self.reader.pairs
        replaced = isinstance(pairs, Replacing) and index in pairs.skipped
        return {**example, "replaced": np.int32(index if replaced else -1)}


def _note_replaced(reader: Reader, indices: list[int]) -> None:
    """Reads again, in this process, the pairs that another process replaced, to learn why they are unreadable."""
    for index in indices:
        if isinstance(reader.pairs, Replacing) and index not in reader.pairs.skipped:
            reader.pairs.read(index, reader.fit)


def _split_off(records: Records, fraction: float, seed: int) -> tuple[Records, Records]:
    number = round(fraction * len(records))
    if not 0 < number < len(records):
        raise UserError(
            f"a fraction of {fraction} of {len(records)} pairs leaves one split empty: choose another fraction."
        )
    chosen = set(np.random.default_rng(seed).permutation(len(records))[:number].tolist())
    rest = tuple(i for i in range(len(records)) if i not in chosen)
    return Subset(records, rest), Subset(records, tuple(sorted(chosen)))


def _fingerprint(splits: dict[str, list[Files]]) -> str:
    digest = hashlib.sha256()
    for split in sorted(splits):
        for name, files in splits[split]:
            for side, path in sorted(files.items()):
                digest.update(name_bytes(f"{split} {name} {side} {path.stat().st_size}\n"))
    return digest.hexdigest()[:16]


def describe_data(data: Data) -> str:
    """The name of a data set, for messages and the report."""
    return "built-in facades" if data.source == "procedural" else str(data.path or data.tfds)

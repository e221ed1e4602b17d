"""From a config to splits of pairs, and from a split to batches that are a pure function of (seed, index)."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from p2p_jax.config import Config, Data
from p2p_jax.data.folders import FolderPairs, PairFiles, find_pairs
from p2p_jax.data.procedural import facade

Pair = tuple[np.ndarray, np.ndarray]


class Pairs(Protocol):
    """One split, wherever it comes from."""

    def count(self) -> int:
        """How many pairs there are."""
        ...

    def name(self, index: int) -> str:
        """The name of a pair, without its ending."""
        ...

    def read(self, index: int, size: tuple[int, int]) -> Pair:
        """(input, target), uint8 (height, width, c), of the size asked for."""
        ...


class ProceduralPairs(NamedTuple):
    """Facades drawn by the program: labels to photo, or with "BtoA" photo to labels."""

    seed: int
    first: int
    number: int
    direction: str = "AtoB"

    def count(self) -> int:
        """How many pairs there are."""
        return self.number

    def name(self, index: int) -> str:
        """The name of a pair."""
        return f"facade_{self.first + index}"

    def read(self, index: int, size: tuple[int, int]) -> Pair:
        """(input, target), uint8 (height, width, 3), drawn at the size asked for."""
        photo, labels = facade(self.seed, self.first + index, size=size)
        return (labels, photo) if self.direction == "AtoB" else (photo, labels)


class Dataset(NamedTuple):
    """The splits of a data set and a fingerprint that changes when they do.

    Attributes:
        splits: "train", and where there are any "val" and "test".
        fingerprint: hash of the names and sizes of all files, or what the built-in pictures are drawn from.
    """

    splits: dict[str, Pairs]
    fingerprint: str


def open_dataset(config: Config) -> Dataset:
    """Finds the pairs that a config names; reads none yet.

    Raises:
        ValueError: the folder is not given, missing, empty, or lacks halves or training pairs.
    """
    data = config.data
    if data.source == "procedural":
        if data.path is not None:
            raise ValueError(
                f"--data.path was given {data.path}, but this experiment draws its own pictures: give --data.source folder "
                "as well."
            )
        if (data.input_channels, data.target_channels) != (3, 3):
            raise ValueError("the built-in facades have 3 channels on both sides: leave the channels at 3.")
        held_out = max(data.count // 8, 1)
        numbers = {"train": data.count, "val": held_out, "test": held_out}
        splits, first = {}, 0
        for split, number in numbers.items():
            splits[split] = ProceduralPairs(config.seed, first, number, data.direction)
            first += number
        return Dataset(splits, f"procedural {config.seed} {data.count}")
    if data.path is None:
        raise ValueError("no pictures were named: give --data.path FOLDER, or --data.source procedural.")
    files = find_pairs(Path(data.path))
    if "train" not in files:
        raise ValueError(f"the folder {data.path} has {' and '.join(files)} pairs but none to train on: add train.")
    fingerprint = _fingerprint(Path(data.path), files)
    for split, share in (("val", data.val_fraction), ("test", data.test_fraction)):
        if share and split not in files:
            files["train"], files[split] = _split_off(files["train"], share, config.seed)
    options = (data.direction, data.input_channels, data.target_channels, data.transparency, data.resize)
    splits: dict[str, Pairs] = {split: FolderPairs(pairs, *options) for split, pairs in files.items()}
    if data.on_error == "skip":
        splits = {split: Replacing(pairs, config.seed, {}) for split, pairs in splits.items()}
    return Dataset(splits, fingerprint)


def read_batch(pairs: Pairs, indices: list[int], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Reads some pairs: {"input": (n, h, w, c), "target": (n, h, w, c')}, uint8."""
    read = [pairs.read(index, size) for index in indices]
    return {"input": np.stack([a for a, _ in read]), "target": np.stack([b for _, b in read])}


class Replacing(NamedTuple):
    """Pairs of which unreadable ones are replaced: by the next good one in an order drawn from (seed, index).

    Attributes:
        pairs: as they are.
        seed: of the order.
        skipped: what was wrong with each unreadable pair met so far, by index.
    """

    pairs: Pairs
    seed: int
    skipped: dict[int, str]

    def count(self) -> int:
        """How many pairs there are, unreadable ones included."""
        return self.pairs.count()

    def name(self, index: int) -> str:
        """The name of a pair, replaced or not."""
        return self.pairs.name(index)

    def read(self, index: int, size: tuple[int, int]) -> Pair:
        """The pair at `index`, or the one that replaces it.

        Raises:
            ValueError: no pair can be read.
        """
        try:
            return self.pairs.read(index, size)
        except ValueError as error:
            self.skipped[index] = str(error)
        for other in np.random.default_rng((self.seed, index)).permutation(self.count()):
            try:
                return self.pairs.read(int(other), size)
            except ValueError:
                continue
        raise ValueError(f"none of the {self.count()} pairs can be read: {self.skipped[index]}")


class Reader(NamedTuple):
    """Pairs at one size, kept in memory once read if there is a cache."""

    pairs: Pairs
    size: tuple[int, int]
    cache: dict[int, Pair] | None

    def read(self, index: int) -> Pair:
        """The pair at `index`, uint8 (height, width, c) twice."""
        if self.cache is None:
            return self.pairs.read(index, self.size)
        if index not in self.cache:
            self.cache[index] = self.pairs.read(index, self.size)
        return self.cache[index]


def open_reader(pairs: Pairs, config: Config, on_read: Callable[[int], Any] = lambda done: None) -> Reader:
    """Makes the reader of a training split; a split that fits into the cache is read whole, at once.

    Reading all of it first also finds every unreadable file before the first step.

    Args:
        pairs: the split.
        config: the run.
        on_read: called with the number of pairs read so far, for a progress bar.
    """
    size = load_size(config)
    channels = config.data.input_channels + config.data.target_channels
    fits = pairs.count() * size * size * channels <= config.data.cache_mib * 2**20
    reader = Reader(pairs, (size, size), {} if fits else None)
    if fits:
        with ThreadPoolExecutor(max(config.data.threads, 1)) as pool:
            for done, _ in enumerate(pool.map(reader.read, range(pairs.count())), start=1):
                on_read(done)
    return reader


def load_size(config: Config) -> int:
    """Pixels a side before the random crop: the paper's 286 for 256, in proportion."""
    return config.data.load_size or round(config.image_size * 286 / 256)


def batches(reader: Reader, *, seed: int, batch_size: int, start: int, threads: int) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches from index `start` on; batch k depends on (seed, k) alone, each epoch in an order of its own.

    Args:
        reader: the training pairs.
        seed: of the order.
        batch_size: pairs per batch.
        start: index of the first batch, so that a run goes on where it stopped.
        threads: that read ahead; 0 reads when asked.

    Yields:
        {"input": (n, h, w, c), "target": (n, h, w, c')}, uint8.
    """
    import grain

    dataset = grain.MapDataset.range(reader.pairs.count()).seed(seed).shuffle().repeat(None)
    dataset = dataset.map(lambda index: dict(zip(("input", "target"), reader.read(int(index)), strict=True)))
    dataset = dataset.batch(batch_size, drop_remainder=True)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 * max(threads, 1))
    return iter(dataset[start:].to_iter_dataset(options))


def _split_off(
    files: tuple[PairFiles, ...], share: float, seed: int
) -> tuple[tuple[PairFiles, ...], tuple[PairFiles, ...]]:
    number = round(share * len(files))
    if not 0 < number < len(files):
        raise ValueError(f"a share of {share} of {len(files)} pairs leaves one side empty: choose another share.")
    chosen = set(np.random.default_rng(seed).permutation(len(files))[:number].tolist())
    rest = tuple(pair for i, pair in enumerate(files) if i not in chosen)
    return rest, tuple(pair for i, pair in enumerate(files) if i in chosen)


def _fingerprint(root: Path, files: dict[str, tuple[PairFiles, ...]]) -> str:
    digest = hashlib.sha256()
    for split in sorted(files):
        for file in dict.fromkeys(path for pair in files[split] for path in pair):
            digest.update(f"{split} {file.relative_to(root).as_posix()} {file.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]


def data_help(data: Data) -> str:
    """The data set in a few words, for messages and the report."""
    return "built-in facades" if data.source == "procedural" else str(data.path)

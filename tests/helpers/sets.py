"""Prepared sets of several small shards, in a folder that serves as a bucket."""

from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from p2p_jax.data.sets.own_pictures import prepare_folder


def prepare_set(root: Path, counts: dict[str, int] | None = None, *, name: str = "mine", shard_bytes: int = 2500) -> Path:
    """Prepares a set of side-by-side pairs of noise, 16 x 16 pixels each, one or two in a shard; returns its folder."""
    pictures, splits = root.parent / f"{name}-pictures", {}
    for split, count in (counts or {"train": 12, "val": 4, "test": 4}).items():
        splits[split] = []
        for i in range(count):
            path = pictures / split / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng((len(split), i)).integers(0, 256, (16, 32, 3), np.uint8)
            Image.fromarray(pixels).save(path)
            splits[split].append((path.stem, {"pair": path}))
    return prepare_folder(pictures, name, splits, data_dir=root, shard_bytes=shard_bytes).path


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Lists (name of the file, bytes) of every read from a bucket that is a folder."""
    reads: list[tuple[str, int]] = []
    real = LocalFileSystem.cat_file

    def cat_file(self, path, start=None, end=None, **options):
        data = real(self, path, start=start, end=end, **options)
        reads.append((Path(path).name, len(data)))
        return data

    monkeypatch.setattr(LocalFileSystem, "cat_file", cat_file)
    return reads


def shard_reads(reads: list[tuple[str, int]], split: str = "") -> dict[str, int]:
    """{name of a shard: bytes that were read of it}, of all splits or of one."""
    total: dict[str, int] = {}
    for name, size in reads:
        if ".array_record" in name and split in name:
            total[name] = total.get(name, 0) + size
    return total

"""Speed of reading: pairs per second from disk to training, by p2p_jax's reader and by a PyTorch DataLoader.

    python -m experiments.benchmark.data_speed                        # facades of 256 pixels, drawn here, as JPEG
    python -m experiments.benchmark.data_speed --path FOLDER          # your own side-by-side pictures

Both do the work of the PyTorch original: decode a side-by-side JPEG, resize both halves from 256 to 286 pixels by PIL's
bicubic, crop 256, mirror, and scale to [-1, 1]. Both have the same number of workers and are warm; the rounds take turns.

- Cold: each pair is decoded when it is needed.
- Cached: decoded pictures stay in memory, so only crop, mirroring and scaling are repeated. A DataLoader has no such cache.

The DataLoader's row needs PyTorch (`pip install torch`).
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from PIL import Image
from rich.console import Console
from rich.table import Table

from p2p_jax.config import Config, Data
from p2p_jax.data.augment import augment
from p2p_jax.data.loading import batches, open_dataset, open_reader
from p2p_jax.data.procedural import facade

SIZE, LOAD_SIZE = 256, 286
DATA_LOADER = "PyTorch DataLoader"


@dataclass(frozen=True)
class Options:
    """Measure how many pairs a second are read."""

    path: Path | None = None
    """Folder of side-by-side pictures; by default 200 facades are drawn."""
    pairs: int = 400
    """Pairs a round."""
    rounds: int = 5
    batch_size: int = 1
    workers: int = 2
    """Threads (in the second row processes) of p2p_jax's reader, and worker processes of the DataLoader."""


def main(argv: list[str] | None = None) -> int:
    """Measures, and prints medians of the rounds and their ratios; returns the exit code."""
    options = tyro.cli(Options, args=argv, prog="experiments.benchmark.data_speed")
    with tempfile.TemporaryDirectory() as folder:
        path = options.path or write_facades(Path(folder), 200)
        streams: dict[str, Generator[Any]] = {
            "cold, threads": our_batches(path, options, cache="none"),
            "cold, processes": our_batches(path, options, cache="none", processes=options.workers),
            "cached": our_batches(path, options, cache="memory"),
        }
        if importlib.util.find_spec("torch"):
            streams[DATA_LOADER] = torch_batches(path, options)
        else:
            print("PyTorch is not installed, so its row is missing: pip install torch.")
        seconds: dict[str, list[float]] = {name: [] for name in streams}
        for stream in streams.values():
            time_batches(stream, 50 // options.batch_size + 1)  # compiles, starts workers, fills the disk cache
        for _ in range(options.rounds):
            for name, stream in streams.items():
                seconds[name].append(time_batches(stream, options.pairs // options.batch_size))
        for stream in streams.values():
            stream.close()
    print_rates({name: options.pairs / float(np.median(values)) for name, values in seconds.items()}, options)
    return 0


def print_rates(rates: dict[str, float], options: Options) -> None:
    """Prints the pairs per second of each reader, and their ratio to the DataLoader's."""
    baseline = rates.get(DATA_LOADER)
    table = Table("", "pairs/s", "of the DataLoader's", title=f"batch {options.batch_size}, {options.workers} workers")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.0f}", f"{rate / baseline:.2f}" if baseline else "")
    Console().print(table)


def write_facades(folder: Path, count: int, *, size: int = SIZE) -> Path:
    """Writes side-by-side JPEGs of drawn facades, photo left, and returns the folder."""
    for index in range(count):
        Image.fromarray(np.concatenate(facade(0, index, size=size), axis=1)).save(folder / f"{index}.jpg", quality=90)
    return folder


def time_batches(stream: Generator[Any], count: int) -> float:
    """Returns the seconds until so many batches are read and computed."""
    started = time.perf_counter()
    for _ in range(count):
        batch = next(stream)
    jax.block_until_ready(batch)
    return time.perf_counter() - started


def our_batches(path: Path, options: Options, **data: Any) -> Generator[Any]:
    """Yields batches as in training: read by p2p_jax, augmented in a jitted function."""
    config = Config(image_size=SIZE, data=Data(path=str(path), load_size=LOAD_SIZE, threads=options.workers, **data))
    reader = open_reader(open_dataset(config).splits["train"], config)
    augment_batch: Callable[..., Any] = jax.jit(partial(augment, size=SIZE, options=config.augment))
    stream = batches(
        reader, seed=0, batch_size=options.batch_size, start=0, threads=options.workers, processes=config.data.processes
    )
    for index, batch in enumerate(stream):
        yield augment_batch(jax.random.key(index), batch)


def torch_batches(path: Path, options: Options, *, size: int = SIZE) -> Generator[Any]:
    """Yields batches of a DataLoader, whose worker processes read the pairs by `read_as_pytorch_original`."""
    import torch  # pyright: ignore[reportMissingImports]

    class Pairs(torch.utils.data.Dataset):
        def __init__(self) -> None:
            self.files = sorted(path.iterdir())

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return read_as_pytorch_original(self.files[index], size=size)

    pairs = Pairs()
    loader = torch.utils.data.DataLoader(
        pairs,
        batch_size=options.batch_size,
        shuffle=True,
        num_workers=options.workers,
        persistent_workers=True,
        drop_last=len(pairs) >= options.batch_size,
    )
    while True:
        yield from loader


def read_as_pytorch_original(file: Path, *, size: int = SIZE) -> Any:
    """Returns a pair as the PyTorch original prepares it: {"input", "target"}, float tensors (3, size, size) in [-1, 1]."""
    import torch  # pyright: ignore[reportMissingImports]

    load_size = round(size * LOAD_SIZE / SIZE)
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    row, column = (int(value) for value in torch.randint(0, load_size - size + 1, (2,)))
    mirrored = bool(torch.rand(()) < 0.5)
    pair = {}
    for name, left in (("input", 0), ("target", width // 2)):
        half = picture.crop((left, 0, left + width // 2, height)).resize((load_size, load_size), Image.Resampling.BICUBIC)
        half = half.crop((column, row, column + size, row + size))
        half = half.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else half
        pair[name] = torch.from_numpy(np.array(half)).permute(2, 0, 1).float().div(127.5).sub(1)
    return pair


if __name__ == "__main__":
    raise SystemExit(main())

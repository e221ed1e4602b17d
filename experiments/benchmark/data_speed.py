"""How many pairs a second reach training, side by side with a PyTorch DataLoader that does the same work.

    python -m experiments.data_speed                        # 256-pixel facades that the program draws, as JPEG
    python -m experiments.data_speed --path FOLDER          # side-by-side pictures of your own

Work, as the reference does it: decode a side-by-side JPEG, resize both halves from 256 to 286 pixels by PIL's bicubic,
crop 256, mirror, and scale to [-1, 1]. Both sides have as many workers; both are warm; the rounds take turns. Cold: every
pair is decoded. Cached: decoded pictures are kept in memory, so that only the crop, mirroring and scaling are done again; a
DataLoader has no such thing. PyTorch is needed for its row only (pip install torch).
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

SIZE, LOAD = 256, 286


@dataclass(frozen=True)
class Options:
    """What to measure."""

    path: Path | None = None
    """Folder of side-by-side pictures; by default 200 are drawn."""
    pairs: int = 400
    """Pairs per round and row."""
    rounds: int = 5
    batch_size: int = 1
    workers: int = 2
    """Threads (or processes, in the second row) here; worker processes there."""


def main(argv: list[str] | None = None) -> int:
    """Prints the medians of the rounds, and their ratios."""
    options = tyro.cli(Options, args=argv)
    with tempfile.TemporaryDirectory() as folder:
        path = options.path or draw(Path(folder), 200)
        runs: dict[str, Generator[Any]] = {
            "cold, threads": here(path, options, cache="none"),
            "cold, processes": here(path, options, cache="none", processes=options.workers),
            "cached": here(path, options, cache="memory"),
        }
        if importlib.util.find_spec("torch"):
            runs["PyTorch DataLoader"] = there(path, options)
        else:
            print("PyTorch is not installed, so its row is missing: pip install torch.")
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for stream in runs.values():
            take(stream, 50 // options.batch_size + 1)  # compilation, workers, disk cache
        for _ in range(options.rounds):
            for name, stream in runs.items():
                seconds[name].append(take(stream, options.pairs // options.batch_size))
        for stream in runs.values():
            stream.close()
    rates = {name: options.pairs / float(np.median(values)) for name, values in seconds.items()}
    report(rates, options)
    return 0


def report(rates: dict[str, float], options: Options) -> None:
    """Prints pairs per second of each way, and how often that of PyTorch it is."""
    other = rates.get("PyTorch DataLoader")
    table = Table("", "pairs/s", "of the DataLoader's", title=f"batch {options.batch_size}, {options.workers} workers")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.0f}", f"{rate / other:.2f}" if other else "")
    Console().print(table)


def draw(folder: Path, count: int, *, size: int = SIZE) -> Path:
    """Side-by-side JPEGs of facades, photo left."""
    for index in range(count):
        Image.fromarray(np.concatenate(facade(0, index, size=size), axis=1)).save(folder / f"{index}.jpg", quality=90)
    return folder


def take(stream: Generator[Any], count: int) -> float:
    """Seconds that it takes to have so many batches, each finished."""
    started = time.perf_counter()
    for _ in range(count):
        batch = next(stream)
    jax.block_until_ready(batch)
    return time.perf_counter() - started


def here(path: Path, options: Options, **data: Any) -> Generator[Any]:
    """Batches as training has them: read by this package, augmented in a jitted function."""
    config = Config(image_size=SIZE, data=Data(path=str(path), load_size=LOAD, threads=options.workers, **data))
    reader = open_reader(open_dataset(config).splits["train"], config)
    jitter: Callable[..., Any] = jax.jit(partial(augment, size=SIZE, options=config.augment))
    stream = batches(
        reader, seed=0, batch_size=options.batch_size, start=0, threads=options.workers, processes=config.data.processes
    )
    for index, batch in enumerate(stream):
        yield jitter(jax.random.key(index), batch)


def there(path: Path, options: Options, *, size: int = SIZE) -> Generator[Any]:
    """The same by a DataLoader: PIL in worker processes, then crop, mirroring and scaling on tensors."""
    import torch  # pyright: ignore[reportMissingImports]

    class Pairs(torch.utils.data.Dataset):
        def __init__(self) -> None:
            self.files = sorted(path.iterdir())

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return read_as_the_reference(self.files[index], size=size)

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


def read_as_the_reference(file: Path, *, size: int = SIZE) -> Any:
    """One pair as the PyTorch original prepares it: {"input", "target"}, float tensors (3, size, size) in [-1, 1]."""
    import torch  # pyright: ignore[reportMissingImports]

    load = round(size * LOAD / SIZE)
    with Image.open(file) as opened:
        whole = opened.convert("RGB")
    width, height = whole.size
    row, column = (int(value) for value in torch.randint(0, load - size + 1, (2,)))
    mirrored = bool(torch.rand(()) < 0.5)
    pair = {}
    for name, left in (("input", 0), ("target", width // 2)):
        half = whole.crop((left, 0, left + width // 2, height)).resize((load, load), Image.Resampling.BICUBIC)
        half = half.crop((column, row, column + size, row + size))
        half = half.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else half
        pair[name] = torch.from_numpy(np.array(half)).permute(2, 0, 1).float().div(127.5).sub(1)
    return pair


if __name__ == "__main__":
    raise SystemExit(main())

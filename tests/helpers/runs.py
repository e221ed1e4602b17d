"""Tiny runs that tests start from, and functions that read the results of a run."""

import atexit
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.training import loop, trainer
from p2p_jax.workdir import checkpoint

ROOT = Path(tempfile.mkdtemp(prefix="p2p_jax-tests-"))
atexit.register(shutil.rmtree, ROOT, ignore_errors=True)

# Two levels, the inner one with dropout; by its default rule a U-Net has dropout only from six levels on.
TINY = (
    *("--image-size", "16", "--data.load-size", "18"),
    *("--generator.widths", "2", "2", "--generator.width", "2", "--generator.dropout-levels", "innermost"),
    *("--discriminator.width", "2", "--discriminator.num-layers", "1", "--optimizer.learning-rate", "0.01"),
    # With the other schedules the compiled step depends on the length of the run.
    *("--optimizer.schedule", "constant"),
)
DRAWN = (*TINY, "--data.count", "8")
SMALL = (*DRAWN, "--log-every", "2", "--sample-every", "4", "--checkpoint-every", "3", "--keep", "3")
LINEAR = (*SMALL, "--steps", "8", "--optimizer.schedule", "linear")
WRITE_REPORT = trainer.write_report
NO_REPORT = lambda *_: (Path("report"), None)  # in place of trainer.write_report, which takes long

# One convolution for each network, which compiles quickly: for tests of inputs and outputs.
QUICK = """
import jax
from p2p_jax import ops, pix2pix
from p2p_jax.config import Config, Data, count_channels
from p2p_jax.network import Network

CONFIG = Config(image_size=16, epochs=None, steps=1, data=Data(load_size=18))

def build(config):
    made = count_channels(config.data.target)
    def net(channels, end):
        def init(key, x):
            return {"kernel": jax.random.normal(key, (3, 3, x.shape[-1], channels))}, {}
        def apply(params, state, x, *, train, key=None):
            return end(ops.conv2d(x, params["kernel"], padding=1)), state
        return Network(init, apply)
    return pix2pix.build(config)._replace(generator=net(made, ops.tanh), discriminator=net(1, lambda x: x))
"""


def quick_experiment(folder: Path) -> str:
    """The path of an experiment of one step with the smallest networks."""
    (folder / "quick.py").write_text(QUICK)
    return str(folder / "quick.py")


def train(workdir: Path, *options: str, name: str = "quickstart") -> int:
    """`p2p-jax train` of a tiny run."""
    return main(["train", name, "--workdir", str(workdir), *options])


def skip_report(patch: pytest.MonkeyPatch) -> None:
    """Makes training end without a report, which saves the time to draw curves."""
    patch.setattr(trainer, "write_report", NO_REPORT)


def keep_report(patch: pytest.MonkeyPatch) -> None:
    """Makes training write its report in spite of `skip_report`."""
    patch.setattr(trainer, "write_report", WRITE_REPORT)


@cache
def finished_run() -> Path:
    """A run of 8 steps on drawn pairs, with checkpoints 3, 6 and 8. Copy it before you change it."""
    with pytest.MonkeyPatch.context() as patch:
        keep_report(patch)
        assert train(ROOT / "finished", *LINEAR) == 0
    return ROOT / "finished"


def folder_of_pairs(folder: Path, count: int = 6) -> Path:
    """Side-by-side pairs of 32 x 32 pixels: a random picture and its negative."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        a = np.asarray(coarse.resize((32, 32), Image.Resampling.BICUBIC))
        Image.fromarray(np.concatenate([a, 255 - a], axis=1)).save(folder / f"{i}.png")
    return folder


@cache
def folder_run() -> Path:
    """A run of 4 steps on pictures from a folder, which lies beside it as `pairs`; no validation split."""
    pairs = folder_of_pairs(ROOT / "of_folder" / "pairs")
    workdir = ROOT / "of_folder" / "run"
    with pytest.MonkeyPatch.context() as patch:
        keep_report(patch)
        assert train(workdir, *TINY, "--data.source", "folder", "--data.path", str(pairs), "--steps", "4") == 0
    return workdir


def change_record(workdir: Path, **values: Any) -> None:
    """Changes fields of a record, and leaves out its checksum as older versions did."""
    record = json.loads((workdir / "experiment.json").read_text()) | values
    record.pop("checksum", None)
    (workdir / "experiment.json").write_text(json.dumps(record))


def rows_of(workdir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def steps_of(workdir: Path) -> list[int]:
    return sorted(int(path.name) for path in (workdir / "checkpoints").glob("[0-9]*") if path.name.isdigit())


def leaves_of(workdir: Path, step: int | str = "latest") -> dict[str, bytes]:
    """Every array of a checkpoint as bytes, by its place in the tree."""
    items, found = checkpoint.restore_items(workdir, ("generator", "discriminator", "ema", "training"), step)
    assert step in ("latest", found)
    leaves = jax.tree_util.tree_leaves_with_path(items)
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in leaves}


def stop_after(monkeypatch: pytest.MonkeyPatch, taken: int, action: Callable[[], None]) -> None:
    """Calls `action` in the main thread when the loop requests the next batch after `taken` batches."""

    def stopping(*args, **options):
        for index, batch in enumerate(real(*args, **options)):
            if index == taken:
                action()
            yield batch

    real = loop.open_stream
    monkeypatch.setattr(loop, "open_stream", stopping)


@contextmanager
def small_disk(folder: Path, size: str = "1200k") -> Iterator[Path]:
    """Mounts a file system of this size, and skips the test if that is not allowed."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Fills the rest of a disk with one file."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def crash() -> None:
    raise RuntimeError("a crash")

"""Kills a run at random moments with SIGKILL, starts it again, and compares the end with a run that was left in peace.

A tiny run on drawn facades is trained once as a whole. Then, for each kill, a new one is started in a process of its own,
killed at a random moment after its first checkpoint, and started again; every array of its last checkpoint (networks,
optimizers, random key, counters) has to be the same, bit for bit. Exits with 1 if one is not.

    python -m experiments.kill_and_resume --times 10
"""

import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from p2p_jax import checkpoint

STEPS = 120
OPTIONS = (
    "--image-size 16 --generator.architecture resnet --generator.num-blocks 1 --generator.width 4 "
    "--discriminator.width 4 --discriminator.num-layers 1 --data.load-size 18 --data.count 8 "
    f"--ema-decay 0.9 --steps {STEPS} --checkpoint-every 5 --log-every 1 --sample-every 50"
).split(" ")
ITEMS = ("generator", "discriminator", "ema", "training")
LONGEST = 300  # seconds until a process is given up


@dataclass(frozen=True)
class Kills:
    """Kill a tiny run at random moments, start it again, compare every array of the end."""

    times: int = 10
    """Runs that are killed, once each."""
    seed: int = 0
    """Of the moments."""


def start(workdir: Path, compiled: Path) -> subprocess.Popen[bytes]:
    """Starts, or goes on with, the run; what one process has compiled the next one need not."""
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    command = [sys.executable, "-m", "experiments.quickstart", "--workdir", str(workdir), *OPTIONS]
    with (workdir.parent / f"{workdir.name}.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def finish(workdir: Path, compiled: Path) -> float:
    """Trains to the end; gives the seconds it took."""
    began = time.monotonic()
    code = start(workdir, compiled).wait(LONGEST)
    if code:
        sys.exit(f"the run in {workdir} ended with {code}: {(workdir.parent / f'{workdir.name}.log').read_text()}")
    return time.monotonic() - began


def newest(workdir: Path) -> int:
    """The step of the newest whole checkpoint, 0 where there is none."""
    return max((int(path.name) for path in (workdir / "checkpoints").glob("*") if path.name.isdigit()), default=0)


def kill_late(workdir: Path, compiled: Path, moment: float) -> float:
    """Starts the run and kills it `moment` seconds after its first checkpoint; gives the seconds since the start."""
    began = time.monotonic()
    process = start(workdir, compiled)
    try:
        while not newest(workdir) and process.poll() is None and time.monotonic() - began < LONGEST:
            time.sleep(0.002)
        time.sleep(moment)
    finally:
        process.kill()
        process.wait()
    return time.monotonic() - began


def arrays(workdir: Path) -> dict[str, bytes]:
    """Every array of the last checkpoint as bytes, by its place in the tree."""
    items, _ = checkpoint.restore_items(workdir, ITEMS, STEPS)
    leaves = jax.tree_util.tree_leaves_with_path(items)
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in leaves}


def training_seconds(workdir: Path) -> float:
    """Seconds between the first checkpoint of a whole run and its last row: within them a run is killed."""
    first = (workdir / "samples" / "step_00000050.png").stat().st_mtime
    last = (workdir / "metrics.jsonl").stat().st_mtime
    return (last - first) * STEPS / (STEPS - 50)


def main() -> int:
    """Kills, compares and prints; returns the exit code."""
    options = tyro.cli(Kills)
    logging.getLogger("absl").setLevel(logging.ERROR)
    moments = random.Random(options.seed)
    console = Console()
    table = Table("Kill", "Seconds after the start", "Checkpoint at the kill", "The end", title=f"Runs of {STEPS} steps")
    differing = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        finish(folder / "whole", folder / "compiled")
        expected = arrays(folder / "whole")
        window = training_seconds(folder / "whole")
        for number in range(1, options.times + 1):
            workdir = folder / f"killed_{number}"
            seconds = kill_late(workdir, folder / "compiled", moments.uniform(0, 0.9 * window))
            reached = newest(workdir)
            finish(workdir, folder / "compiled")
            found = arrays(workdir)
            different = [place for place in expected.keys() | found.keys() if expected.get(place) != found.get(place)]
            differing += bool(different)
            verdict = f"{len(different)} arrays differ" if different else f"all {len(expected)} arrays equal"
            table.add_row(str(number), f"{seconds:.2f}", str(reached), verdict)
    console.print(table)
    console.print(f"{options.times - differing} of {options.times} runs ended as the one that was left in peace.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())

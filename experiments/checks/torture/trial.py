"""A run that is hit by faults: how it is started and watched, and which checkpoints and arrays it must have."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from p2p_jax.config import Config, Data
from p2p_jax.data.loading import open_dataset
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.metrics_file import read_rows

STEPS, CHECKPOINT_EVERY = 120, 3

VAL_FRACTION = 0.25

OPTIONS = (
    "--image-size 16 --data.load-size 18 --generator.widths 2 2 --generator.dropout-levels innermost "
    "--discriminator.width 2 --discriminator.num-layers 1 --ema-decay 0.9 --data.source folder "
    f"--data.val-fraction {VAL_FRACTION} --steps {STEPS} --checkpoint-every {CHECKPOINT_EVERY} --log-every 1 "
    "--sample-every 15"
).split(" ")


ITEMS = ("generator", "discriminator", "ema", "training")
"""The items of a checkpoint."""

LOSSES = ("step", "generator_gan", "generator_l1", "discriminator_loss")
"""Fields of metrics.jsonl that are compared."""

TIMEOUT = 300.0
"""Seconds that a process may take."""

POLL_INTERVAL = 0.002
"""Seconds between two checks of a process and its checkpoints."""

DISK_SIZE = "12m"
"""Size of the disk of a run, in the syntax of `mount`."""

READING = threading.Lock()
"""Held while a checkpoint is read: catching warnings is not thread-safe."""

PROGRAM = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup the check's processes would ignore it
from p2p_jax.cli import main
sys.exit(main())
"""


class Cancelled(Exception):
    """The check is to end."""


@dataclass
class Trial:
    """A run and the state of the check.

    Attributes:
        folder: holds its pictures, its log and, unless a disk is mounted there, its workdir.
        caches: folder of compiled programs, for all runs.
        random: source of all random choices.
        cancelled: set when the check is to end.
        keep: number of checkpoints that the run must keep.
        name: of its workdir.
        disk: separate file system of the run, or None if none can be mounted.
        finished: steps of the checkpoints that were seen finished since the last check.
        damaged: inodes of the checkpoint folders that a fault damaged; a new folder may get the name of a damaged one.
    """

    folder: Path
    caches: Path
    random: random.Random
    cancelled: threading.Event
    keep: int = 3
    name: str = "run"
    disk: Path | None = None
    finished: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)

    @property
    def workdir(self) -> Path:
        """Folder of the run."""
        return (self.disk or self.folder) / self.name

    @property
    def pictures(self) -> Path:
        """Folder of the pairs that the run trains on."""
        return self.folder / "pairs"

    @property
    def log(self) -> Path:
        """File with the output of its last process."""
        return self.folder / "log"


@contextmanager
def open_trial(folder: Path, caches: Path, seed: int, cancelled: threading.Event) -> Iterator[Trial]:
    """Prepares a run without starting it, on its own disk if one can be mounted.

    Args:
        folder: of the run; created.
        caches: folder of compiled programs, for all runs.
        seed: of all random choices.
        cancelled: set when the check is to end.
    """
    folder.mkdir(parents=True)
    trial = Trial(folder, caches, random.Random(seed), cancelled)
    trial.keep = trial.random.choice((1, 2, 4))
    draw_pictures(trial.pictures)
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "none", str(disk)]
    if sys.platform == "linux" and not subprocess.run(mount, capture_output=True).returncode:
        trial.disk = disk
    try:
        yield trial
    finally:
        if trial.disk:
            subprocess.run(["umount", "--lazy", str(disk)], check=False)


def draw_pictures(folder: Path) -> None:
    """Writes eight side-by-side pairs of 32 x 32 pixels, always the same."""
    folder.mkdir()
    values = np.random.default_rng(0)
    for index in range(8):
        Image.fromarray(values.integers(0, 256, (32, 64, 3), np.uint8)).save(folder / f"{index}.png")


def start(trial: Trial, *command: str, closed: bool = False) -> subprocess.Popen[bytes]:
    """Starts a command of p2p-jax, by default training. All processes have one cache of compiled programs.

    Args:
        trial: the run.
        command: a command line; without one, training is started or resumed.
        closed: print into a pipe that nobody reads, as with `| head -1`.
    """
    if not command:
        chosen = trial.random.choice(("--data.cache auto", "--data.cache none", "--data.cache none --data.threads 0"))
        where = ("--workdir", str(trial.workdir), "--data.path", str(trial.pictures), "--keep", str(trial.keep))
        command = ("train", "quickstart", *where, *OPTIONS, *chosen.split(" "))
    own = {"XDG_CACHE_HOME": str(trial.caches), "XDG_STATE_HOME": str(trial.caches)}
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"} | own
    with trial.log.open("wb") as log:
        line = [sys.executable, "-c", PROGRAM, *command]
        # In a new session Ctrl-C does not reach the process.
        output = subprocess.PIPE if closed else log
        process = subprocess.Popen(line, env=environment, stdout=output, stderr=log, start_new_session=True)
        if process.stdout is not None:
            process.stdout.close()
        return process


def validation_pictures(trial: Trial) -> list[Path]:
    """Returns the pictures that the run validates on."""
    data = Data(source="folder", path=str(trial.pictures), val_fraction=VAL_FRACTION)
    pairs = open_dataset(Config(data=data)).splits["val"]
    return [trial.pictures / f"{Path(pairs.name(index)).stem}.png" for index in range(pairs.count())]


def watch(trial: Trial, process: subprocess.Popen[bytes], until: Callable[[], bool], seconds: float = TIMEOUT) -> bool:
    """Waits until a condition holds, the process has ended, or the time is over; returns whether the condition held.

    Raises:
        Cancelled: the check is to end. The process is killed.
    """
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            trial.finished |= good_steps(trial)
            if until():
                return True
            if process.poll() is not None:
                return False
            if trial.cancelled.is_set():
                raise Cancelled
            time.sleep(POLL_INTERVAL)
    except (Cancelled, KeyboardInterrupt):
        kill(process)
        raise
    return False


def watch_training(trial: Trial, process: subprocess.Popen[bytes]) -> bool:
    """Waits until a run has saved a checkpoint since its start; returns whether it has."""
    before = max(good_steps(trial), default=0)
    return watch(trial, process, lambda: max(good_steps(trial), default=0) > before)


def pause(trial: Trial, process: subprocess.Popen[bytes], longest: float) -> None:
    """Lets a process run for a random time of up to `longest` seconds."""
    watch(trial, process, lambda: False, trial.random.uniform(0, longest))


def kill(process: subprocess.Popen[bytes]) -> bool:
    """Sends SIGKILL; returns whether the process was still running."""
    process.kill()
    return process.wait() < 0


def steps_of(trial: Trial) -> dict[int, int]:
    """Returns {step: inode of its folder} of the finished checkpoints."""
    steps = {}
    for path in (trial.workdir / "checkpoints").glob("*"):
        with suppress(FileNotFoundError):  # the run has removed it in the meantime
            if path.name.isdigit():
                steps[int(path.name)] = path.stat().st_ino
    return steps


def good_steps(trial: Trial) -> set[int]:
    """Returns the steps of the finished checkpoints that no fault damaged."""
    return {step for step, inode in steps_of(trial).items() if inode not in trial.damaged}


def is_saving(trial: Trial) -> bool:
    """Returns whether a checkpoint is being written."""
    return any((trial.workdir / "checkpoints").glob("*.orbax-checkpoint-tmp"))


def use_up_disk(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Leaves a process less disk space than a checkpoint needs."""
    if trial.disk is None:
        import resource

        size = trial.random.randint(100, 4000)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
        return
    kept_free = trial.random.randint(0, 60_000)
    with (trial.disk / "ballast").open("wb", buffering=0) as file:
        while (left := shutil.disk_usage(trial.disk).free - kept_free) > 0:
            try:
                file.write(bytes(min(left, 1 << 16)))
            except OSError:
                return


def restores(trial: Trial, step: int) -> bool:
    """Returns whether a checkpoint can be restored and has the checksums that it was saved with."""
    with READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            checkpoint.restore_items(trial.workdir, ITEMS, step)
        except ValueError:
            return False
    return True


def lost_checkpoints(trial: Trial) -> list[int]:
    """Returns the steps of finished checkpoints that the run should have kept, but that are gone or unreadable.

    Checkpoints that a fault damaged do not count. Forgets the checkpoints that are gone.
    """
    present = steps_of(trial)
    # The run does not notice harmless damage, so a damaged checkpoint can be one of those that it keeps.
    damaged = {step for step, inode in present.items() if inode in trial.damaged}
    due = set(sorted(trial.finished | present.keys())[-trial.keep :]) - damaged
    lost = [step for step in sorted(due) if step not in present or not restores(trial, step)]
    trial.finished = present.keys() - damaged
    return lost


def final_arrays(trial: Trial) -> dict[str, bytes]:
    """Returns the arrays of the last checkpoint, all losses, and the names of the sample grids, as bytes by name."""
    with READING:
        items, _ = checkpoint.restore_items(trial.workdir, ITEMS, STEPS)
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(items)}
    rows = read_rows(trial.workdir / "metrics.jsonl")
    others = {
        "losses": np.array([[row[name] for name in LOSSES] for row in rows]),
        "sample grids": np.array(sorted(path.name for path in (trial.workdir / "samples").iterdir())),
    }
    return {name: array.tobytes() for name, array in (arrays | others).items()}

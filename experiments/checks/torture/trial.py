"""One run that faults befall: how it is started and watched, what is damaged, and what has to be left of it."""

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

from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.metrics_file import read_rows

STEPS, EVERY = 120, 3


OPTIONS = (
    "--image-size 16 --data.load-size 18 --generator.widths 2 2 --generator.dropout-levels innermost "
    "--discriminator.width 2 --discriminator.num-layers 1 --ema-decay 0.9 --data.source folder --data.val-fraction 0.25 "
    f"--steps {STEPS} --checkpoint-every {EVERY} --log-every 1 --sample-every 15"
).split(" ")


ITEMS = ("generator", "discriminator", "ema", "training")


LOSSES = ("step", "generator_gan", "generator_l1", "discriminator_loss")


LONGEST = 300.0  # seconds until a process is given up


LOOK = 0.002  # seconds between two looks at what a process does


DISK = "12m"  # bytes of the disk that is filled


READING = threading.Lock()  # warnings are caught one at a time


PROGRAM = "import sys; from p2p_jax.cli import main; sys.exit(main())"


class Ended(Exception):
    """The whole is to end."""


@dataclass
class Trial:
    """A run and what is known of it.

    Attributes:
        folder: with its pictures, its log and, unless a disk is mounted there, its workdir.
        caches: folder of compiled programs, for all runs.
        moments: everything random.
        over: set when the whole is to end.
        keep: checkpoints that it is told to keep.
        disk: file system of its own, or None where none can be mounted.
        finished: steps of the checkpoints that were seen finished since the last check.
        damaged: folders that were damaged here, by their number on the disk: another one may get their name.
    """

    folder: Path
    caches: Path
    moments: random.Random
    over: threading.Event
    keep: int = 3
    disk: Path | None = None
    finished: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)

    @property
    def workdir(self) -> Path:
        """Of the run."""
        return (self.disk or self.folder) / "run"

    @property
    def pictures(self) -> Path:
        """Of the run."""
        return self.folder / "pairs"

    @property
    def log(self) -> Path:
        """What its processes said."""
        return self.folder / "log"


@contextmanager
def open_trial(folder: Path, caches: Path, seed: int, over: threading.Event) -> Iterator[Trial]:
    """A run that is not started yet, on a disk of its own where that is possible."""
    folder.mkdir(parents=True)
    trial = Trial(folder, caches, random.Random(seed), over)
    trial.keep = trial.moments.choice((1, 2, 4))
    draw_pictures(trial.pictures)
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(disk)]
    if sys.platform == "linux" and not subprocess.run(mount, capture_output=True).returncode:
        trial.disk = disk
    try:
        yield trial
    finally:
        if trial.disk:
            subprocess.run(["umount", "--lazy", str(disk)], check=False)


def draw_pictures(folder: Path) -> None:
    """Eight side-by-side pairs of 32 x 32 pixels, always the same."""
    folder.mkdir()
    values = np.random.default_rng(0)
    for index in range(8):
        Image.fromarray(values.integers(0, 256, (32, 64, 3), np.uint8)).save(folder / f"{index}.png")


def start(trial: Trial, *command: str) -> subprocess.Popen[bytes]:
    """Starts a command of p2p-jax, by default training; what one process has compiled the next one need not."""
    if not command:
        chosen = trial.moments.choice(("--data.cache auto", "--data.cache none", "--data.cache none --data.threads 0"))
        where = ("--workdir", str(trial.workdir), "--data.path", str(trial.pictures), "--keep", str(trial.keep))
        command = ("train", "quickstart", *where, *OPTIONS, *chosen.split(" "))
    own = {"XDG_CACHE_HOME": str(trial.caches), "XDG_STATE_HOME": str(trial.caches)}
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"} | own
    with trial.log.open("wb") as log:  # Ctrl-C is for this process alone
        line = [sys.executable, "-c", PROGRAM, *command]
        return subprocess.Popen(line, env=environment, stdout=log, stderr=log, start_new_session=True)


def watch(trial: Trial, process: subprocess.Popen[bytes], until: Callable[[], bool], seconds: float = LONGEST) -> bool:
    """Waits until something is so, the process has ended, or the time is over; says whether it was so.

    Raises:
        Ended: the whole is to end; the process is killed then.
    """
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            trial.finished |= good_steps(trial)
            if until():
                return True
            if process.poll() is not None:
                return False
            if trial.over.is_set():
                raise Ended
            time.sleep(LOOK)
    except (Ended, KeyboardInterrupt):
        kill(process)
        raise
    return False


def watch_training(trial: Trial, process: subprocess.Popen[bytes]) -> bool:
    """Waits until a run has saved something since its start; says whether it still runs then."""
    before = max(good_steps(trial), default=0)
    return watch(trial, process, lambda: max(good_steps(trial), default=0) > before)


def pause(trial: Trial, process: subprocess.Popen[bytes], longest: float) -> None:
    """Lets a process run for a random time, in seconds."""
    watch(trial, process, lambda: False, trial.moments.uniform(0, longest))


def kill(process: subprocess.Popen[bytes]) -> bool:
    """SIGKILL; says whether the process was still there to be killed."""
    process.kill()
    return process.wait() < 0


def steps_of(trial: Trial) -> dict[int, int]:
    """Steps of the finished checkpoints, and the numbers that their folders have on the disk."""
    steps = {}
    for path in (trial.workdir / "checkpoints").glob("*"):
        with suppress(FileNotFoundError):  # the run removes old ones
            if path.name.isdigit():
                steps[int(path.name)] = path.stat().st_ino
    return steps


def good_steps(trial: Trial) -> set[int]:
    """Steps of the finished checkpoints that were not damaged here."""
    return {step for step, inode in steps_of(trial).items() if inode not in trial.damaged}


def is_saving(trial: Trial) -> bool:
    """Whether a checkpoint is being written."""
    return any((trial.workdir / "checkpoints").glob("*.orbax-checkpoint-tmp"))


def fill(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Leaves a process no room for a whole checkpoint."""
    if trial.disk is None:
        import resource

        size = trial.moments.randint(100, 4000)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
        return
    room = trial.moments.randint(0, 60_000)
    with (trial.disk / "ballast").open("wb", buffering=0) as file:
        while (left := shutil.disk_usage(trial.disk).free - room) > 0:
            try:
                file.write(bytes(min(left, 1 << 16)))
            except OSError:
                return


def restores(trial: Trial, step: int) -> bool:
    """Whether a checkpoint can be read whole, with the checksums that it was saved with."""
    with READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            checkpoint.restore_items(trial.workdir, ITEMS, step)
        except ValueError:
            return False
    return True


def lost(trial: Trial) -> list[int]:
    """The checkpoints that were finished, had to be kept and were not damaged here, but are gone or cannot be read."""
    there = steps_of(trial)
    # A damage that does not matter the run does not notice: such a checkpoint is one of those that it keeps.
    damaged = {step for step, inode in there.items() if inode in trial.damaged}
    due = set(sorted(trial.finished | there.keys())[-trial.keep :]) - damaged
    gone = [step for step in sorted(due) if step not in there or not restores(trial, step)]
    trial.finished = there.keys() - damaged
    return gone


def outcome(trial: Trial) -> dict[str, bytes]:
    """Every array of the last checkpoint, the losses of every row and which sample grids there are, as bytes by name."""
    with READING:
        items, _ = checkpoint.restore_items(trial.workdir, ITEMS, STEPS)
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(items)}
    rows = read_rows(trial.workdir / "metrics.jsonl")
    others = {
        "losses": np.array([[row[name] for name in LOSSES] for row in rows]),
        "sample grids": np.array(sorted(path.name for path in (trial.workdir / "samples").iterdir())),
    }
    return {name: array.tobytes() for name, array in (arrays | others).items()}

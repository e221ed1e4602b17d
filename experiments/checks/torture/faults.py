"""What befalls a run: functions of it that tell what went otherwise than it should, or None where they came too late."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from experiments.checks.torture.trial import Trial, fill, good_steps, is_saving, kill, pause, start, watch, watch_training

STARTING, TRAINING, SAVING, ENDING = 8.0, 2.0, 0.1, 120.0  # seconds


FULL = ("no space left on the disk", "ulimit -f")


Fault = Callable[[Trial], str | None]
"""`(run) -> "" | complaint | None`."""


def kill_starting(trial: Trial) -> str | None:
    """Anywhere from the first import to the first step."""
    process = start(trial)
    pause(trial, process, STARTING)
    return "" if kill(process) else None


def kill_training(trial: Trial) -> str | None:
    """Steps, validation, rows, sample grids, checkpoints handed over."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    return _killed(trial, process)


def kill_saving(trial: Trial) -> str | None:
    """While a checkpoint is written in the background."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    watch(trial, process, lambda: is_saving(trial))
    pause(trial, process, SAVING)
    return _killed(trial, process)


def kill_evaluate(trial: Trial) -> str | None:
    """Another command, that only reads."""
    if not good_steps(trial):
        return None
    process = start(trial, "evaluate", str(trial.workdir))
    pause(trial, process, STARTING)
    return "" if kill(process) else None


def flip_bit(trial: Trial) -> str | None:
    """One bit of one file."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[trial.moments.randrange(len(data))] ^= 1 << trial.moments.randrange(8)
        path.write_bytes(data)

    return _damage(trial, damage)


def cut_off(trial: Trial) -> str | None:
    """A file that ends too soon."""
    return _damage(trial, lambda path: path.write_bytes(path.read_bytes()[: trial.moments.randrange(path.stat().st_size)]))


def remove_half(trial: Trial) -> str | None:
    """Some of a checkpoint's files or folders."""
    newest = _newest(trial)
    if newest is None:
        return None
    paths = sorted(newest.rglob("*"))
    for path in trial.moments.sample(paths, trial.moments.randrange(1, len(paths))):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return kill_training(trial)


def fill_disk(trial: Trial) -> str | None:
    """It ends by itself, in one sentence."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    if process.poll() is None:
        fill(trial, process)
    code = _wait(trial, process)
    if trial.disk is not None:
        (trial.disk / "ballast").unlink(missing_ok=True)
    if code == 0:
        return None
    litter = [path.name for path in trial.workdir.rglob("*") if "tmp" in path.name]
    return _unlike(trial, code, 2, *FULL) or (f"left {litter[0]}" if litter else "")


def spoil_picture(trial: Trial) -> str | None:
    """One that is read again in every epoch; the run is told which, and goes on once it is repaired."""
    victim = trial.moments.choice(sorted(trial.pictures.iterdir()))
    good = victim.read_bytes()
    victim.write_bytes(bytes(len(good)))
    try:
        code = _wait(trial, start(trial))
    finally:
        victim.write_bytes(good)
    return None if code == 0 else _unlike(trial, code, 2, str(victim))


def preempt(trial: Trial) -> str | None:
    """SIGTERM, upon which a run saves and ends with 75."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    process.send_signal(signal.SIGTERM)
    code = _wait(trial, process)
    over = code == -signal.SIGTERM and "Report: " in trial.log.read_text(errors="replace")
    return None if code == 0 or over else _unlike(trial, code, 75, "the same command goes on")


def start_twice(trial: Trial) -> str | None:
    """The second one is refused, and the first one killed."""
    process = start(trial)
    watch_training(trial, process)
    second = start(trial)
    code = _wait(trial, second)
    if not kill(process):
        return None
    return _unlike(trial, code, 2, "is in use by process")


def finish(trial: Trial) -> str:
    """Trains to the end; tells what went wrong with that."""
    return _unlike(trial, _wait(trial, start(trial), 5 * ENDING), 0, "")


KILLS = (kill_starting, kill_training, kill_saving, kill_evaluate, flip_bit, cut_off, remove_half, start_twice)


FAULTS: dict[str, tuple[Fault, int]] = {
    "killed while it starts": (kill_starting, 3),
    "killed while it trains": (kill_training, 4),
    "killed while it saves": (kill_saving, 4),
    "killed while it is evaluated": (kill_evaluate, 1),
    "a bit flipped, then killed": (flip_bit, 2),
    "a file cut off, then killed": (cut_off, 2),
    "files removed, then killed": (remove_half, 2),
    "started twice, then killed": (start_twice, 1),
    "disk full": (fill_disk, 2),
    "picture unreadable": (spoil_picture, 1),
    "SIGTERM": (preempt, 2),
}
"""By what the table says: the fault, and how often it comes beside the others."""


def _killed(trial: Trial, process: subprocess.Popen[bytes]) -> str | None:
    """Kills; a run that has ended before may have ended well alone."""
    if kill(process):
        return ""
    return None if process.returncode == 0 else _unlike(trial, process.returncode, 0, "")


def _newest(trial: Trial) -> Path | None:
    """The newest checkpoint, where there is a good one before it."""
    good = sorted(good_steps(trial))
    if len(good) < 2:
        return None
    newest = trial.workdir / "checkpoints" / str(good[-1])
    trial.damaged.add(newest.stat().st_ino)
    trial.finished.discard(good[-1])
    return newest


def _damage(trial: Trial, damage: Callable[[Path], object]) -> str | None:
    """Damages a file of the newest checkpoint, and kills the run that goes on from the one before."""
    newest = _newest(trial)
    if newest is None:
        return None
    damage(trial.moments.choice(sorted(path for path in newest.rglob("*") if path.is_file() and path.stat().st_size)))
    return kill_training(trial)


def _wait(trial: Trial, process: subprocess.Popen[bytes], seconds: float = ENDING) -> int | None:
    """The exit code of a process that is to end by itself, or None where it had to be killed."""
    watch(trial, process, lambda: False, seconds)
    if process.poll() is None:
        kill(process)
        return None
    return process.returncode


def _unlike(trial: Trial, code: int | None, expected: int, *sayings: str) -> str:
    """What differs from how a process should have ended; "" for nothing."""
    said = trial.log.read_text(errors="replace")
    if code == expected and any(saying in said for saying in sayings) and "Traceback" not in said:
        return ""
    return f"ended with {'nothing, it hung' if code is None else code}: {said[-2000:]}"

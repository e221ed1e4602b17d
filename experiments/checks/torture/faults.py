"""The faults: each is a function that hits a run and returns what went wrong, or None if it came too late."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from experiments.checks.torture.trial import (
    CHECKPOINT_EVERY,
    Trial,
    good_steps,
    is_saving,
    kill,
    pause,
    start,
    use_up_disk,
    validation_pictures,
    watch,
    watch_training,
)

STARTING, TRAINING, SAVING = 8.0, 2.0, 0.1
"""A fault comes within so many seconds of the start, of the first checkpoint, or of the start of a save."""

ENDING = 120.0
"""Seconds that a process may take to end by itself."""

DISK_FULL = ("no space left on the disk", "ulimit -f")
"""A message about a full disk contains one of these."""

Fault = Callable[[Trial], str | None]
"""A fault returns "" if the run behaved as it should, a complaint if not, and None if it came too late to count."""


def kill_starting(trial: Trial) -> str | None:
    """Kills the run between its first import and its first steps."""
    process = start(trial)
    pause(trial, process, STARTING)
    return "" if kill(process) else None


def kill_training(trial: Trial) -> str | None:
    """Kills the run while it trains, validates, writes rows or sample grids, or starts to save."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    return _killed(trial, process)


def kill_saving(trial: Trial) -> str | None:
    """Kills the run while it writes a checkpoint in the background."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    watch(trial, process, lambda: is_saving(trial))
    pause(trial, process, SAVING)
    return _killed(trial, process)


def kill_evaluate(trial: Trial) -> str | None:
    """Kills a second command that only reads the run."""
    if not good_steps(trial):
        return None
    process = start(trial, "evaluate", str(trial.workdir))
    pause(trial, process, STARTING)
    return "" if kill(process) else None


def flip_bit(trial: Trial) -> str | None:
    """Flips a bit of a file of the newest checkpoint."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[trial.random.randrange(len(data))] ^= 1 << trial.random.randrange(8)
        path.write_bytes(data)

    return _damage(trial, damage)


def cut_off(trial: Trial) -> str | None:
    """Cuts a file of the newest checkpoint short."""
    return _damage(trial, lambda path: path.write_bytes(path.read_bytes()[: trial.random.randrange(path.stat().st_size)]))


def remove_half(trial: Trial) -> str | None:
    """Removes some of the files and folders of the newest checkpoint."""
    newest = _newest(trial)
    if newest is None:
        return None
    paths = sorted(newest.rglob("*"))
    for path in trial.random.sample(paths, trial.random.randrange(1, len(paths))):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return kill_training(trial)


def fill_disk(trial: Trial) -> str | None:
    """Fills the disk; the run must end by itself with one sentence."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    if process.poll() is None:
        use_up_disk(trial, process)
    code = _wait(trial, process)
    if trial.disk is not None:
        (trial.disk / "ballast").unlink(missing_ok=True)
    if code == 0:
        return None
    unfinished = [path.name for path in trial.workdir.rglob("*") if "tmp" in path.name]
    return _complain(trial, code, 2, *DISK_FULL) or (f"left {unfinished[0]}" if unfinished else "")


def spoil_picture(trial: Trial) -> str | None:
    """Overwrites a picture with zeros; the run must name it, and resume after it is repaired."""
    victim = trial.random.choice(sorted(trial.pictures.iterdir()))
    good = victim.read_bytes()
    victim.write_bytes(bytes(len(good)))
    try:
        code = _wait(trial, start(trial))
    finally:
        victim.write_bytes(good)
    return None if code == 0 else _complain(trial, code, 2, str(victim))


def spoil_validation(trial: Trial) -> str | None:
    """Overwrites a picture of the validation during training; the run must save, name it, and end."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    victim = trial.random.choice(validation_pictures(trial))
    good = victim.read_bytes()
    victim.write_bytes(bytes(len(good)))
    try:
        code = _wait(trial, process)
    finally:
        victim.write_bytes(good)
    return None if code == 0 else _complain(trial, code, 2, str(victim))


def preempt(trial: Trial) -> str | None:
    """Sends SIGTERM; the run must save and end with exit code 75."""
    return _send(trial, signal.SIGTERM)


def hang_up(trial: Trial) -> str | None:
    """Sends SIGHUP, as a terminal does that is closed; the run must save and end with exit code 75."""
    return _send(trial, signal.SIGHUP)


def close_pipe(trial: Trial) -> str | None:
    """Closes the pipe into which the run prints; it must train on, and is killed later."""
    process = start(trial, closed=True)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    return _killed(trial, process)


def rename_workdir(trial: Trial) -> str | None:
    """Renames the workdir during training; the run must save into it, name its new place, and end."""
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    if process.poll() is None:
        _rename(trial, f"moved_{trial.random.randrange(10**6)}")
    code = _wait(trial, process)
    return None if code == 0 else _complain(trial, code, 2, f"was renamed to {trial.workdir}")


def move_to_brackets(trial: Trial) -> str | None:
    """Moves the run to a path that libraries take for a pattern, then kills it while it trains there."""
    if not good_steps(trial):
        return None
    _rename(trial, trial.random.choice(("run [1]", "run*", "back\\slash", "[!x]?")))
    return kill_training(trial)


def copy_step(trial: Trial) -> str | None:
    """Copies the newest checkpoint to the number of a later step, then kills the run, which must not use the copy."""
    good = sorted(good_steps(trial))
    if not good:
        return None
    folder = trial.workdir / "checkpoints"
    copy = folder / str(good[-1] + trial.random.randint(1, 3 * CHECKPOINT_EVERY))
    if copy.exists():
        return None
    shutil.copytree(folder / str(good[-1]), folder / "copy")
    trial.damaged.add((folder / "copy").stat().st_ino)
    (folder / "copy").rename(copy)
    return kill_training(trial)


def start_twice(trial: Trial) -> str | None:
    """Starts the run a second time in the same workdir, which must be refused; then kills the first process."""
    process = start(trial)
    watch_training(trial, process)
    second = start(trial)
    code = _wait(trial, second)
    if not kill(process):
        return None
    return _complain(trial, code, 2, "is in use by ")


def finish(trial: Trial) -> str:
    """Trains to the end; returns what went wrong, or ""."""
    return _complain(trial, _wait(trial, start(trial), 5 * ENDING), 0, "")


KILLS = (
    *(kill_starting, kill_training, kill_saving, kill_evaluate, flip_bit, cut_off, remove_half, start_twice),
    *(close_pipe, move_to_brackets, copy_step),
)
"""Faults that end with SIGKILL."""

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
    "picture of the validation unreadable": (spoil_validation, 2),
    "SIGTERM": (preempt, 2),
    "SIGHUP": (hang_up, 2),
    "pipe closed, then killed": (close_pipe, 2),
    "workdir renamed": (rename_workdir, 2),
    "brackets in the path, then killed": (move_to_brackets, 2),
    "a step copied, then killed": (copy_step, 2),
}
"""{name in the table: (fault, its weight in the random choice)}."""


def _send(trial: Trial, number: signal.Signals) -> str | None:
    process = start(trial)
    watch_training(trial, process)
    pause(trial, process, TRAINING)
    process.send_signal(number)
    code = _wait(trial, process)
    done = code == -number and "Report: " in trial.log.read_text(errors="replace")
    return None if code == 0 or done else _complain(trial, code, 75, "the same command resumes")


def _rename(trial: Trial, name: str) -> None:
    old, trial.name = trial.workdir, name
    old.rename(trial.workdir)


def _killed(trial: Trial, process: subprocess.Popen[bytes]) -> str | None:
    """Kills a process. If it had ended before, that counts only if it ended with an error."""
    if kill(process):
        return ""
    return None if process.returncode == 0 else _complain(trial, process.returncode, 0, "")


def _newest(trial: Trial) -> Path | None:
    """Returns the newest checkpoint and marks it as damaged; None if there is no good one before it."""
    good = sorted(good_steps(trial))
    if len(good) < 2:
        return None
    newest = trial.workdir / "checkpoints" / str(good[-1])
    trial.damaged.add(newest.stat().st_ino)
    trial.finished.discard(good[-1])
    return newest


def _damage(trial: Trial, damage: Callable[[Path], object]) -> str | None:
    """Damages a file of the newest checkpoint, then kills the run, which must resume from the checkpoint before."""
    newest = _newest(trial)
    if newest is None:
        return None
    damage(trial.random.choice(sorted(path for path in newest.rglob("*") if path.is_file() and path.stat().st_size)))
    return kill_training(trial)


def _wait(trial: Trial, process: subprocess.Popen[bytes], seconds: float = ENDING) -> int | None:
    """Returns the exit code of a process that must end by itself, or None if it had to be killed."""
    watch(trial, process, lambda: False, seconds)
    if process.poll() is None:
        kill(process)
        return None
    return process.returncode


def _complain(trial: Trial, code: int | None, expected: int, *words: str) -> str:
    """Returns a complaint unless a process ended with the expected code and printed one of these words and no traceback."""
    printed = trial.log.read_text(errors="replace")
    if code == expected and any(word in printed for word in words) and "Traceback" not in printed:
        return ""
    return f"{'did not end' if code is None else f'ended with exit code {code}'}: {printed[-2000:]}"

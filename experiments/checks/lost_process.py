"""A lost process: two processes train together and one is killed; restarted, they must end as if nothing had happened.

    python -m experiments.checks.lost_process

Two processes of four simulated devices each train a tiny run over loopback: once undisturbed, and once with SIGKILL to one
of them in the middle. The check measures how long the other process keeps running, and its exit code. Then it
starts both again with the same command lines. Every array of the last checkpoint must be, bit for bit, that of the
undisturbed run. A process with one device restores both checkpoints for the comparison. The exit code is 1 if any of this
fails.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from experiments.checks.simulated import environment, free_address

OPTIONS = """
    --image-size 16 --data.load-size 18 --generator.widths 16 32 --generator.dropout-levels innermost
    --discriminator.width 4 --discriminator.num-layers 1 --data.count 32 --batch-size 8 --ema-decay 0.9
    --sharding sharded --checkpoint-every 10 --sample-every 1000 --log-every 10
""".split()  # noqa: SIM905


RESTORE = """
import sys
from pathlib import Path
import jax, numpy as np, logging
logging.getLogger("absl").setLevel(logging.ERROR)
from p2p_jax.workdir import checkpoint
assert jax.device_count() == 1
items, step = checkpoint.restore_items(Path(sys.argv[1]), ("generator", "discriminator", "ema", "training"))
leaves = jax.tree_util.tree_leaves_with_path(items)
np.savez(sys.argv[2], step=step, **{jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves})
"""
"""A program that writes the arrays of the last checkpoint: its arguments are the workdir and a file."""


TIMEOUT = 600
"""Seconds that a process may take."""


@dataclass(frozen=True)
class Loss:
    """Train with two processes, kill one, wait for the other to end, restart both, compare."""

    steps: int = 100
    kill_at: int = 50
    """The kill comes after the checkpoint of this step."""
    heartbeat: int = 10
    """Seconds without a heartbeat after which a process counts as lost."""
    victim: int = 1
    """Index of the process that is killed."""


def start(workdir: Path, options: Loss) -> list[subprocess.Popen[bytes]]:
    """Starts both processes on a new run, or resumes it; they print into logs beside the workdir."""
    started, address = [], free_address()
    for index in range(2):
        command = [sys.executable, "-m", "experiments.quickstart", "--workdir", str(workdir), *OPTIONS]
        command += ["--steps", str(options.steps), "--distributed.coordinator", address]
        command += ["--distributed.processes", "2", "--distributed.index", str(index)]
        command += ["--distributed.heartbeat", str(options.heartbeat)]
        with workdir.with_suffix(f".{index}.log").open("ab") as log:
            started.append(subprocess.Popen(command, env=environment(4), stdout=log, stderr=log))
    return started


def finish(workdir: Path, options: Loss) -> list[int]:
    """Runs both processes to their end and returns their exit codes."""
    return [process.wait(TIMEOUT) for process in start(workdir, options)]


def lose_one(workdir: Path, options: Loss) -> tuple[int, int, float]:
    """Kills one of two processes in the middle of a run. Works on Linux only, because it reads /proc.

    Returns:
        the exit code of the other process, that of the killed process's parent, and the seconds that the other process
        kept running.

    Raises:
        RuntimeError: the run ended, or took too long, before the kill.
    """
    both = start(workdir, options)
    began = time.monotonic()
    while not (workdir / "checkpoints" / str(options.kill_at)).is_dir():
        if time.monotonic() - began > TIMEOUT or any(process.poll() is not None for process in both):
            for process in both:
                process.kill()
            raise RuntimeError(f"checkpoint {options.kill_at} was not written; see the logs beside {workdir}.")
        time.sleep(0.02)
    parent = both[options.victim].pid
    worker = int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    parents_code = both[options.victim].wait(TIMEOUT)
    code = both[1 - options.victim].wait(TIMEOUT)
    return code, parents_code, time.monotonic() - killed


def arrays(workdir: Path) -> dict[str, bytes]:
    """Returns the step and every array of the last checkpoint as bytes, restored by a process with one device."""
    import numpy as np

    file = workdir.with_suffix(".npz")
    command = [sys.executable, "-c", RESTORE, str(workdir), str(file)]
    subprocess.run(command, env=environment(1), check=True, timeout=TIMEOUT)
    with np.load(file) as found:
        return {name: found[name].tobytes() for name in found.files}


def last_line(log: Path) -> str:
    """Returns the last line that a process printed."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def main() -> int:
    """Trains, kills, compares and prints; returns the exit code."""
    options = tyro.cli(Loss, prog="experiments.checks.lost_process")
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory() as name:
        undisturbed, lost = Path(name) / "undisturbed", Path(name) / "lost"
        codes = finish(undisturbed, options)
        code, parents_code, seconds = lose_one(lost, options)
        message = last_line(lost.with_suffix(f".{1 - options.victim}.log"))
        codes_again = finish(lost, options)
        expected, found = arrays(undisturbed), arrays(lost)
    different = [place for place in expected.keys() | found.keys() if expected.get(place) != found.get(place)]
    verdict = f"{len(different)} arrays differ" if different else f"all {len(expected)} have the same bits"
    killed = f"process {options.victim} killed after checkpoint {options.kill_at}"
    table = Table("What", "Result", title=f"Two processes of four devices each, {options.steps} steps")
    table.add_row("exit codes of the undisturbed run", str(codes))
    table.add_row(killed, f"SIGKILL; its parent's exit code {parents_code}")
    table.add_row("the other process ended after", f"{seconds:.1f} s (heartbeat {options.heartbeat} s), exit code {code}")
    table.add_row("exit codes after the restart", str(codes_again))
    table.add_row("arrays of the last checkpoint, restored by a process with one device", verdict)
    console.print(table)
    console.print(f"The other process printed: {message}")
    return 0 if codes == codes_again == [0, 0] and (code, parents_code) == (75, 137) and not different else 1


if __name__ == "__main__":
    sys.exit(main())

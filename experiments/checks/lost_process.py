"""Two processes train together, one is killed; started again, they end as if nothing had happened.

Two processes of four simulated devices each train a tiny run over loopback, once in peace and once with SIGKILL to one of
them in the middle. Measured is how long the other one lives on, and with what exit code it ends. Both are then started
again with the same lines, and every array of the last checkpoint has to be, bit for bit, that of the run in peace. One
process with one device restores the checkpoints for that. Exits with 1 if anything of it fails.

    python -m experiments.lost_process
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
from p2p_jax import checkpoint
assert jax.device_count() == 1
items, step = checkpoint.restore_items(Path(sys.argv[1]), ("generator", "discriminator", "ema", "training"))
leaves = jax.tree_util.tree_leaves_with_path(items)
np.savez(sys.argv[2], step=step, **{jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves})
"""


LONGEST = 600  # seconds until a process is given up


@dataclass(frozen=True)
class Loss:
    """Train with two processes, kill one, see the other end, start both again, compare."""

    steps: int = 100
    kill_at: int = 50
    """The step whose checkpoint is waited for before the kill."""
    heartbeat: int = 10
    """Seconds without a sign of life after which a process is taken for lost."""
    victim: int = 1
    """Which of the two is killed."""


def start(workdir: Path, options: Loss) -> list[subprocess.Popen[bytes]]:
    """Starts both processes, or goes on with their run; what they print goes into logs beside the workdir."""
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
    """Runs both to their end: their exit codes."""
    return [process.wait(LONGEST) for process in start(workdir, options)]


def lose_one(workdir: Path, options: Loss) -> tuple[int, int, float]:
    """Kills one of two processes in the middle (Linux alone).

    Returns:
        the exit codes of the other one and of its own parent, and how many seconds the other one lived on.

    Raises:
        RuntimeError: the run ended, or took too long, before the kill.
    """
    both = start(workdir, options)
    began = time.monotonic()
    while not (workdir / "checkpoints" / str(options.kill_at)).is_dir():
        if time.monotonic() - began > LONGEST or any(process.poll() is not None for process in both):
            for process in both:
                process.kill()
            raise RuntimeError(f"no checkpoint {options.kill_at} came; see the logs beside {workdir}.")
        time.sleep(0.02)
    parent = both[options.victim].pid
    worker = int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    gone = both[options.victim].wait(LONGEST)
    code = both[1 - options.victim].wait(LONGEST)
    return code, gone, time.monotonic() - killed


def arrays(workdir: Path) -> dict[str, bytes]:
    """The step and every array of the last checkpoint as bytes, restored by one process with one device."""
    import numpy as np

    file = workdir.with_suffix(".npz")
    command = [sys.executable, "-c", RESTORE, str(workdir), str(file)]
    subprocess.run(command, env=environment(1), check=True, timeout=LONGEST)
    with np.load(file) as found:
        return {name: found[name].tobytes() for name in found.files}


def last_line(log: Path) -> str:
    """What a process said last."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def main() -> int:
    """Trains, kills, compares and prints; returns the exit code."""
    options = tyro.cli(Loss)
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory() as name:
        peace, lost = Path(name) / "in_peace", Path(name) / "lost"
        codes = finish(peace, options)
        code, gone, seconds = lose_one(lost, options)
        said = last_line(lost.with_suffix(f".{1 - options.victim}.log"))
        again = finish(lost, options)
        expected, found = arrays(peace), arrays(lost)
    different = [place for place in expected.keys() | found.keys() if expected.get(place) != found.get(place)]
    verdict = f"{len(different)} arrays differ" if different else f"all {len(expected)} the same bits"
    table = Table("What", "Result", title=f"Two processes of four devices each, {options.steps} steps")
    table.add_row("exit codes in peace", str(codes))
    table.add_row(
        f"process {options.victim} killed after checkpoint {options.kill_at}", f"SIGKILL; its parent's exit code {gone}"
    )
    table.add_row("the other one ended after", f"{seconds:.1f} s (heartbeat {options.heartbeat} s), exit code {code}")
    table.add_row("exit codes when started again", str(again))
    table.add_row("arrays of the last checkpoint, restored by one process with one device", verdict)
    console.print(table)
    console.print(f"It said: {said}")
    return 0 if codes == again == [0, 0] and (code, gone) == (75, 137) and not different else 1


if __name__ == "__main__":
    sys.exit(main())

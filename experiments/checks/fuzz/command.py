"""The command: runs the cases in processes, ends those that hang, and prints the table."""

import multiprocessing
import queue as queues
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from experiments.checks.fuzz.originals import make_run
from experiments.checks.fuzz.worker import MIB, Fault, Share, work
from p2p_jax.console import count_of, progress_bar

LINE_SECONDS = 60.0
"""Seconds between two lines about the progress where there is no terminal."""


@dataclass(frozen=True)
class Options:
    """Tamper with records, rows, checkpoints, archives and pictures, and read them."""

    cases: int = 100_000
    """Number of cases."""
    first: int = 0
    """Number of the first case; the same seed and number give the same case."""
    seed: int = 0
    """Seed of all cases."""
    processes: int = 2
    """Processes at the same time."""
    memory_mib: int = 2048
    """Limit on the memory of a process."""
    seconds: float = 60.0
    """Time limit of a case."""


@dataclass
class Runner:
    """One process, and the number at which the next one starts.

    Attributes:
        share: of the cases.
        process: the running one.
        current, since: shared numbers, see `worker.work`.
        starts: number of processes so far.
    """

    share: Share
    process: Any = None
    current: Any = None
    since: Any = None
    starts: int = 0


@dataclass
class Results:
    """Results so far.

    Attributes:
        faults: what went wrong.
        peak: peak memory in bytes of the processes that have ended.
        done: number of cases.
    """

    faults: list[Fault] = field(default_factory=list)
    peak: int = 0
    done: int = 0


def main(argv: list[str] | None = None) -> int:
    """Runs the cases and prints the table; returns the exit code."""
    options, console = tyro.cli(Options, args=argv, prog="experiments.checks.fuzz"), Console()
    began, results = time.monotonic(), Results()
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        make_run(folder / "run")
        try:
            run(options, folder, results, console)
        except KeyboardInterrupt:
            console.print(f"Interrupted after {results.done} of {options.cases} cases; the table shows their results.")
    minutes = (time.monotonic() - began) / 60
    return report(options, results, minutes, console)


def run(options: Options, folder: Path, results: Results, console: Console) -> None:
    """Runs all cases in processes, and starts a new one where one hung or ended; shows the progress."""
    context = multiprocessing.get_context("spawn")
    queue, end = context.Queue(), options.first + options.cases
    runners = [
        Runner(Share(folder, f"{index}", options.seed, first, options.processes, end, options.memory_mib * MIB))
        for index, first in enumerate(range(options.first, min(end, options.first + options.processes)))
    ]
    for runner in runners:
        _start(runner, context, queue)
    with progress_bar(console) as progress:
        task, told = progress.add_task("cases", total=options.cases), time.monotonic()
        while any(runner.process for runner in runners):
            _collect(queue, results)
            for runner in runners:
                if runner.process and (fault := _look_after(runner, options)):
                    results.faults.append(fault)
                    _start(runner, context, queue)
            results.done = sum(_count_done(runner, options.first + index) for index, runner in enumerate(runners))
            progress.update(task, completed=results.done)
            if not console.is_terminal and time.monotonic() - told >= LINE_SECONDS:
                told = time.monotonic()
                console.print(f"{results.done} of {options.cases} cases, {count_of(len(results.faults), 'fault')}")
    _collect(queue, results)


def _count_done(runner: Runner, start: int) -> int:
    """The number of finished cases of all processes of a runner, whose first case has the number `start`."""
    ended = runner.process is None
    reached = max(runner.current.value if runner.current else -1, runner.share.first)
    return (reached - start) // runner.share.step + ended


def _start(runner: Runner, context: Any, queue: Any) -> None:
    """Starts a process with the rest of a share, if there is a rest."""
    share = runner.share
    if share.first >= share.end:
        runner.process = None
        return
    runner.starts += 1
    runner.current, runner.since = context.Value("q", -1), context.Value("d", time.monotonic() + 120)
    started = share._replace(name=f"{share.name}_{runner.starts}")
    runner.process = context.Process(target=work, args=(started, runner.current, runner.since, queue), daemon=True)
    runner.process.start()


def _look_after(runner: Runner, options: Options) -> Fault | None:
    """Ends a process whose case takes too long; returns what was wrong with its case, or None."""
    runner.process.join(0.05)
    number = runner.current.value
    if runner.process.is_alive():
        if time.monotonic() - runner.since.value < options.seconds:
            return None
        what = "hang"
        runner.process.kill()
        runner.process.join()
    elif runner.process.exitcode:
        what = f"the process ended with {runner.process.exitcode}"
    else:
        runner.process = None
        return None
    if number < 0:
        raise RuntimeError(f"a process of the fuzz could not start: {what}.")
    from experiments.checks.fuzz.cases import choose_kind

    runner.share = runner.share._replace(first=number + runner.share.step)
    return Fault(number, choose_kind(options.seed, number)[0], what, "")


def _collect(queue: Any, results: Results) -> None:
    with suppress(queues.Empty):
        while True:
            found = queue.get(timeout=0.2)
            if isinstance(found, Fault):
                results.faults.append(found)
            else:
                results.peak = max(results.peak, found)


def report(options: Options, results: Results, minutes: float, console: Console) -> int:
    """Prints the table; returns the exit code: 1 if anything went wrong."""
    groups: dict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in results.faults:
        groups[fault.kind, fault.what].append(fault)
    if results.peak > options.memory_mib * MIB:
        groups["all", "more memory than the limit"] = []
    title = f"{options.cases} cases, seed {options.seed}, {minutes:.1f} minutes, at most {results.peak // MIB} MiB"
    table = Table("File", "What went wrong", "Times", "First cases", title=title)
    for (kind, what), faults in sorted(groups.items(), key=lambda group: -len(group[1])):
        first = ", ".join(str(fault.number) for fault in sorted(faults)[:3])
        table.add_row(kind, what, str(len(faults)), first)
        console.print(faults[0].details if faults else "", style="red", markup=False, highlight=False)
    console.print(table)
    if groups:
        console.print(f"Repeat one: python -m experiments.checks.fuzz --seed {options.seed} --cases 1 --first NUMBER")
    return 1 if groups else 0

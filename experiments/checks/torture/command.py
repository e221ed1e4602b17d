"""The command: hits runs with faults until there were enough kills, and prints the table."""

import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import tyro
from rich.console import Console
from rich.table import Table

from experiments.checks.torture.faults import FAULTS, KILLS, finish
from experiments.checks.torture.trial import STEPS, Cancelled, Trial, final_arrays, good_steps, lost_checkpoints, open_trial
from p2p_jax.console import count_of

FAULTS_PER_RUN = 8

NO_FAULT = "none: all came too late"
"""Row of the table for runs that no fault hit in time."""


@dataclass(frozen=True)
class Options:
    """Interrupt tiny runs by faults, restart them, and compare every final array."""

    kills: int = 200
    """SIGKILLs in all; the other faults come in addition."""
    minutes: float = 60.0
    """No fault comes after this many minutes."""
    at_once: int = 2
    """Runs at the same time."""
    seed: int = 0
    """Seed for the choice and the time of the faults."""


@dataclass
class Results:
    """Results of all runs so far; each Counter counts by the name of the fault.

    Attributes:
        times: how often the fault came.
        lost: finished checkpoints that were gone or unreadable after it.
        wrong: how often the run ended in a wrong way.
        differing: runs hit by the fault whose result differed.
        kills: SIGKILLs in all.
        runs: runs that were finished.
        complaints: sentences about lost checkpoints and wrong ends.
    """

    times: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    runs: int = 0
    complaints: list[str] = field(default_factory=list)


class Task(NamedTuple):
    """Shared by the threads that torture runs.

    Attributes:
        folder: contains a folder for each run.
        options: of the command.
        end: time of `time.monotonic` after which no fault comes.
        expected: the arrays of the undisturbed run.
        results: of all threads.
        cancelled: set when all threads are to end.
        console: for a line about each run.
    """

    folder: Path
    options: Options
    end: float
    expected: Mapping[str, bytes]
    results: Results
    cancelled: threading.Event
    console: Console

    def is_over(self) -> bool:
        """Whether there were enough kills, or no time is left."""
        return self.results.kills >= self.options.kills or time.monotonic() >= self.end


def main(argv: list[str] | None = None) -> int:
    """Tortures runs and prints the table; returns the exit code."""
    options = tyro.cli(Options, args=argv, prog="experiments.checks.torture")
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    console, results, cancelled = Console(), Results(), threading.Event()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="torture-") as name, ThreadPoolExecutor(options.at_once) as pool:
        folder, expected = Path(name), {}
        try:
            expected = _run_undisturbed(folder, cancelled)
            task = Task(folder, options, end, expected, results, cancelled, console)
            for future in [pool.submit(_torture, task, first) for first in range(options.at_once)]:
                future.result()
        except KeyboardInterrupt:
            console.print("Interrupted; the table shows the results so far.")
        finally:
            cancelled.set()
    return report(results, len(expected), console)


def _run_undisturbed(folder: Path, cancelled: threading.Event) -> dict[str, bytes]:
    with open_trial(folder / "undisturbed", folder / "caches", 0, cancelled) as trial:
        if complaint := finish(trial):
            sys.exit(f"the undisturbed run {complaint}")
        return final_arrays(trial)


def _torture(task: Task, first: int) -> None:
    """Tortures runs one after another; runs of different threads have different numbers, and so different seeds."""
    number = first
    while not task.is_over():
        seed = task.options.seed * 1_000_003 + number
        try:
            with open_trial(task.folder / f"run_{number}", task.folder / "caches", seed, task.cancelled) as trial:
                names = _hit(trial, task)
                complaint = finish(trial)
                found = {} if complaint else final_arrays(trial)
        except Cancelled:
            return
        different = sorted(
            place for place in task.expected.keys() | found.keys() if task.expected.get(place) != found.get(place)
        )
        verdict = complaint or (f"differs in {', '.join(different[:5])}" if different else "ended like the undisturbed run")
        task.console.print(f"run {number}, {', '.join(names)}: {verdict}", markup=False)
        task.results.differing.update(set(names) or {NO_FAULT} if different else ())
        task.results.runs += 1
        number += task.options.at_once


def _hit(trial: Trial, task: Task) -> list[str]:
    """Hits a run with some faults; returns their names."""
    results, names, weights = task.results, [], [weight for _, weight in FAULTS.values()]
    while len(names) < FAULTS_PER_RUN and not task.is_over():
        name = trial.random.choices([*FAULTS], weights)[0]
        complaint = FAULTS[name][0](trial)
        if complaint is None:  # the fault came too late, or too early
            if max(good_steps(trial), default=0) >= STEPS:
                break
            continue
        seen = sorted(trial.finished)
        lost = lost_checkpoints(trial)
        names.append(name)
        results.times[name] += 1
        results.kills += FAULTS[name][0] in KILLS
        results.lost[name] += len(lost)
        results.wrong[name] += bool(complaint)
        if lost or complaint:
            checkpoints = f"lost checkpoints {lost} of {seen}, keeping {trial.keep}"
            results.complaints.append(f"{trial.folder.name}, {name}: {checkpoints}; {complaint or 'ended as it should'}")
    return names


def report(results: Results, arrays: int, console: Console) -> int:
    """Prints the table; returns the exit code: 1 if anything was lost, ended wrongly or differs."""
    columns = ("Fault", "Times", "Finished checkpoints lost", "Wrong end", "Runs with another result")
    kills = count_of(results.kills, "kill")
    table = Table(*columns, title=f"{results.runs} runs of {STEPS} steps, {kills}, {arrays} arrays compared")
    for name in (*FAULTS, NO_FAULT):
        counts = (results.times, results.lost, results.wrong, results.differing)
        table.add_row(name, *(str(count[name]) for count in counts))
    table.add_section()
    bad = [sum(count.values()) for count in (results.lost, results.wrong, results.differing)]
    table.add_row("all", str(sum(results.times.values())), *map(str, bad))
    console.print(table)
    for complaint in results.complaints:
        console.print(complaint, style="red", markup=False)
    return 1 if any(bad) else 0

"""`python -m experiments.torture`."""

import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from experiments.checks.torture.faults import FAULTS, KILLS, finish
from experiments.checks.torture.trial import STEPS, Ended, Trial, good_steps, lost, open_trial, outcome

IN_A_RUN = 8  # faults that befall one


UNHARMED = "none: all came too late"


@dataclass(frozen=True)
class Options:
    """End a tiny run in every way, start it again, compare every array of the end."""

    kills: int = 200
    """SIGKILLs in all; the other faults come beside them."""
    minutes: float = 60.0
    """After which no further fault comes."""
    at_once: int = 2
    """Runs at a time."""
    seed: int = 0
    """Of which faults come, and when."""


@dataclass
class Tally:
    """What happened so far, of all runs; each count is by the fault's name.

    Attributes:
        times: it came.
        lost: checkpoints were gone or could not be read after it.
        wrong: it ended otherwise than it should.
        differing: runs that it befell had another end.
        kills: SIGKILLs in all.
        runs: that were finished.
        complaints: in words.
    """

    times: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    runs: int = 0
    complaints: list[str] = field(default_factory=list)


def main(argv: list[str] | None = None) -> int:
    """Tortures runs and prints the table; returns the exit code."""
    options = tyro.cli(Options, args=argv)
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    console, tally, over = Console(), Tally(), threading.Event()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="torture-") as name, ThreadPoolExecutor(options.at_once) as pool:
        folder, expected = Path(name), {}
        try:
            expected = _leave_in_peace(folder, over)
            work = lambda index: _torture(folder, options, index, expected, tally, over, end, console)
            for future in [pool.submit(work, index) for index in range(options.at_once)]:
                future.result()
        except KeyboardInterrupt:
            console.print("Interrupted; this is what was done.")
        finally:
            over.set()
    return report(tally, len(expected), console)


def _leave_in_peace(folder: Path, over: threading.Event) -> dict[str, bytes]:
    with open_trial(folder / "peace", folder / "caches", 0, over) as peace:
        if complaint := finish(peace):
            sys.exit(f"the run that is left in peace {complaint}")
        return outcome(peace)


def _torture(
    folder: Path,
    options: Options,
    index: int,
    expected: dict[str, bytes],
    tally: Tally,
    over: threading.Event,
    end: float,
    console: Console,
) -> None:
    """One run after the other, until there were kills enough."""
    number = index
    while tally.kills < options.kills and time.monotonic() < end:
        seed = options.seed * 1_000_003 + number
        try:
            with open_trial(folder / f"run_{number}", folder / "caches", seed, over) as trial:
                names = _befall(trial, options, tally, end)
                complaint = finish(trial)
                found = {} if complaint else outcome(trial)
        except Ended:
            return
        different = sorted(place for place in expected.keys() | found.keys() if expected.get(place) != found.get(place))
        verdict = complaint or (f"differs in {', '.join(different[:5])}" if different else "ended as the one left in peace")
        console.print(f"run {number}, {', '.join(names)}: {verdict}", markup=False)
        tally.differing.update(set(names) or {UNHARMED} if different else ())
        tally.runs += 1
        number += options.at_once


def _befall(trial: Trial, options: Options, tally: Tally, end: float) -> list[str]:
    """Has some faults befall a run; gives their names."""
    weights, names = [weight for _, weight in FAULTS.values()], []
    while len(names) < IN_A_RUN and tally.kills < options.kills and time.monotonic() < end:
        name = trial.moments.choices([*FAULTS], weights)[0]
        complaint = FAULTS[name][0](trial)
        if complaint is None:  # it came too late, or too early
            if max(good_steps(trial), default=0) >= STEPS:
                break
            continue
        seen = sorted(trial.finished)
        gone = lost(trial)
        names.append(name)
        tally.times[name] += 1
        tally.kills += FAULTS[name][0] in KILLS
        tally.lost[name] += len(gone)
        tally.wrong[name] += bool(complaint)
        if gone or complaint:
            of = f"{gone} of {seen}, with keep {trial.keep}"
            tally.complaints.append(f"{trial.folder.name}, {name}: lost {of}; {complaint or 'it ended as it should'}")
    return names


def report(tally: Tally, arrays: int, console: Console) -> int:
    """Prints the table; returns the exit code."""
    columns = ("Fault", "Times", "Finished checkpoints lost", "Ended not as it should", "In runs whose result differs")
    table = Table(*columns, title=f"{tally.runs} runs of {STEPS} steps, {tally.kills} kills, {arrays} arrays compared")
    for name in (*FAULTS, UNHARMED):
        counts = (tally.times, tally.lost, tally.wrong, tally.differing)
        table.add_row(name, *(str(count[name]) for count in counts))
    table.add_section()
    bad = [sum(count.values()) for count in (tally.lost, tally.wrong, tally.differing)]
    table.add_row("all", str(sum(tally.times.values())), *map(str, bad))
    console.print(table)
    for complaint in tally.complaints:
        console.print(complaint, style="red", markup=False)
    return 1 if any(bad) else 0


if __name__ == "__main__":
    sys.exit(main())

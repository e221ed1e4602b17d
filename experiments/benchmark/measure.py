"""Contestants taking turns: what is asked of the workers of one case, and in which order."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from experiments.benchmark.options import Case, Contestant, Options
from experiments.benchmark.pool import Worker, WorkerFailed, ask, open_worker, stop

TURNS = ("step", "forward", "data")  # parts that are measured in rounds
PROFILED = 3  # steps under the profiler

Row = dict[str, Any]
Tell = Callable[[str], None]
"""Is told what has been done, for a progress bar."""


class Lane(NamedTuple):
    """A contestant with its process, and what has been measured: its row of the results."""

    contestant: Contestant
    worker: Worker
    row: Row


def measure_case(
    case: Case,
    contestants: Sequence[Contestant],
    options: Options,
    tell: Tell,
    *,
    parts: Sequence[str],
    folder: str | None = None,
) -> list[Row]:
    """Measures all contestants.

    Args:
        case: what they are given.
        contestants: in the order of their turns.
        options: rounds, steps, workers, patience.
        tell: called after every answer.
        parts: what is measured, as in `Options.parts`.
        folder: of side-by-side pictures, for the part `data`.

    Returns:
        a row for each: what it is; seconds of one step, forward pass and step from disk, for each round; memory in bytes;
        layers. A row of a contestant that failed says why, under "failed", and holds what was measured before.
    """
    with ExitStack() as stack:
        lanes = []
        for contestant in contestants:
            worker = stack.enter_context(open_worker(options.patience))
            lanes.append(Lane(contestant, worker, {**contestant._asdict()}))
            lanes[-1].row.update(attempt(lanes[-1], tell, "prepare", case=case, contestant=contestant) or {})
        for part in TURNS:
            given = {"folder": folder, "workers": options.workers} if part == "data" else {}
            if part in parts:
                take_turns(lanes, options, tell, part, **given)
            if part == "step":  # before the other parts need memory as well
                for lane in running(lanes):
                    lane.row["peak"] = attempt(lane, tell, "memory")
        for lane in running(lanes):
            if lane.contestant.framework == "jax" and "layers" in parts:
                lane.row["layers"] = attempt(lane, tell, "layers", count=PROFILED)
        return [lane.row for lane in lanes]


def count_turns(contestants: Sequence[Contestant], options: Options) -> int:
    """How many answers `measure_case` waits for where none fails, for a progress bar."""
    parts = [part for part in TURNS if part in options.parts]
    layers = sum(row.framework == "jax" for row in contestants) if "layers" in options.parts else 0
    return len(contestants) * (2 + len(parts) * 2 * options.rounds) + layers


def steps_per_turn(row: Row, options: Options) -> int:
    """How often a contestant does the same in one turn."""
    return options.steps or (3 if row["platform"] == "cpu" else 20)


def running(lanes: Sequence[Lane]) -> list[Lane]:
    """Those that have not failed."""
    return [lane for lane in lanes if "failed" not in lane.row]


def attempt(lane: Lane, tell: Tell, what: str, **given: Any) -> Any:
    """Asks a contestant; None if it fails, which its row then says."""
    try:
        return ask(lane.worker, what, **given)
    except WorkerFailed as error:
        lane.row["failed"] = str(error)
        stop(lane.worker)
        return None
    finally:
        tell(f"{lane.contestant.name}: {what}")


def take_turns(lanes: Sequence[Lane], options: Options, tell: Tell, part: str, **given: Any) -> None:
    """Measures one part of all contestants, round after round.

    Each turn begins with once for nothing: what a process had in caches, and the memory that the system had ready for it,
    is gone when others have had their turns.
    """
    for lane in running(lanes):
        lane.row[part] = []
    for _ in range(options.rounds):
        for lane in running(lanes):
            attempt(lane, tell, part, count=1, **given)
            count = steps_per_turn(lane.row, options)
            seconds = None if "failed" in lane.row else attempt(lane, tell, part, count=count, **given)
            if seconds is not None:
                lane.row[part].append(seconds / count)

"""Measuring one case: which requests the workers of its contestants get, and in which order."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from experiments.benchmark.options import Case, Contestant, Options
from experiments.benchmark.pool import Worker, WorkerFailed, ask, open_worker, stop

TURNS = ("step", "forward", "data")
"""The parts that are measured in rounds."""

PROFILED_STEPS = 3

Row = dict[str, Any]
"""The results of one contestant; see `measure_case`."""

OnProgress = Callable[[str], None]
"""Called after each answer with what was answered, for a progress bar."""


class Lane(NamedTuple):
    """A contestant with its worker process and its results so far."""

    contestant: Contestant
    worker: Worker
    row: Row


def measure_case(
    case: Case,
    contestants: Sequence[Contestant],
    options: Options,
    on_progress: OnProgress,
    *,
    parts: Sequence[str],
    folder: str | None = None,
) -> list[Row]:
    """Measures all contestants.

    Args:
        case: the size of the task.
        contestants: in the order of their turns.
        options: rounds, steps, workers, patience.
        on_progress: called after each answer.
        parts: what to measure, as in `Options.parts`.
        folder: side-by-side pictures, for the part `data`.

    Returns:
        a row for each contestant: the fields of the contestant; for each part the seconds of one step, forward pass or
        step from disk in each round; peaks of memory in bytes; layers. The row of a contestant that failed holds the reason
        under "failed" and what was measured before.
    """
    with ExitStack() as stack:
        lanes = []
        for contestant in contestants:
            worker = stack.enter_context(open_worker(options.patience))
            lanes.append(Lane(contestant, worker, {**contestant._asdict()}))
            lanes[-1].row.update(attempt(lanes[-1], on_progress, "prepare", case=case, contestant=contestant) or {})
        for part in TURNS:
            arguments = {"folder": folder, "workers": options.workers} if part == "data" else {}
            if part in parts:
                take_turns(lanes, options, on_progress, part, **arguments)
            if part == "step":  # before the other parts allocate memory as well
                for lane in running(lanes):
                    lane.row["peak"] = attempt(lane, on_progress, "memory")
        for lane in running(lanes):
            if lane.contestant.framework == "jax" and "layers" in parts:
                lane.row["layers"] = attempt(lane, on_progress, "layers", count=PROFILED_STEPS)
        return [lane.row for lane in lanes]


def count_answers(contestants: Sequence[Contestant], options: Options) -> int:
    """Returns how many answers `measure_case` waits for if no contestant fails, for a progress bar."""
    parts = [part for part in TURNS if part in options.parts]
    layers = sum(row.framework == "jax" for row in contestants) if "layers" in options.parts else 0
    return len(contestants) * (2 + len(parts) * 2 * options.rounds) + layers


def steps_per_turn(row: Row, options: Options) -> int:
    """Returns how many steps a contestant makes in one turn."""
    return options.steps or (3 if row["platform"] == "cpu" else 20)


def running(lanes: Sequence[Lane]) -> list[Lane]:
    """Returns the lanes that have not failed."""
    return [lane for lane in lanes if "failed" not in lane.row]


def attempt(lane: Lane, on_progress: OnProgress, request: str, **arguments: Any) -> Any:
    """Sends a contestant a request and returns the answer; if it fails, returns None and writes the reason into its row."""
    try:
        return ask(lane.worker, request, **arguments)
    except WorkerFailed as error:
        lane.row["failed"] = str(error)
        stop(lane.worker)
        return None
    finally:
        on_progress(f"{lane.contestant.name}: {request}")


def take_turns(lanes: Sequence[Lane], options: Options, on_progress: OnProgress, part: str, **arguments: Any) -> None:
    """Measures one part of all contestants, round after round.

    Each turn starts with one step that is not measured: during the turns of the others, the data of the process left the
    caches, and its free memory went back to the system.
    """
    for lane in running(lanes):
        lane.row[part] = []
    for _ in range(options.rounds):
        for lane in running(lanes):
            attempt(lane, on_progress, part, count=1, **arguments)
            count = steps_per_turn(lane.row, options)
            seconds = None if "failed" in lane.row else attempt(lane, on_progress, part, count=count, **arguments)
            if seconds is not None:
                lane.row[part].append(seconds / count)

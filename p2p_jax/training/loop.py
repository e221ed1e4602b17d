"""The training loop.

Device calls are dispatched ahead, and their metrics are read only while later calls run. Sample grids and checkpoints are
written in the background. Every row of metrics.jsonl shows how long training still had to wait.
"""

import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

from p2p_jax.config import Config
from p2p_jax.devices import processes
from p2p_jax.devices.memory import release_freed_memory
from p2p_jax.errors import EXIT_CODES, NotFinite, Stopped
from p2p_jax.signals import interruptible
from p2p_jax.state import TrainState, all_finite
from p2p_jax.training.calls import Call, fetch_metrics, networks_not_finite
from p2p_jax.training.engine import Engine, find_program
from p2p_jax.training.feed import make_vote, open_stream, plan_calls
from p2p_jax.training.loop_tools import Tools, open_tools, profiler
from p2p_jax.training.moved import can_follow, explain_moved, is_in_place
from p2p_jax.training.previews import validate
from p2p_jax.training.run import Run
from p2p_jax.training.skipped_batches import as_array
from p2p_jax.training.stopwatch import Interval, make_row, waiting_for
from p2p_jax.training.watch import explain_end
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.bucket import fetch
from p2p_jax.workdir.metrics_file import describe

AHEAD = 2  # calls that are dispatched beyond the one whose metrics are read


@dataclass
class Position:
    """The progress of the loop.

    Attributes:
        done: number of steps that were dispatched.
        interval: since the last row.
        waiting: calls whose metrics are not read yet.
        text: the text in the progress bar.
        pace: seconds per step without pauses, or None before it is known.
    """

    done: int
    interval: Interval
    waiting: deque[Call] = field(default_factory=deque)
    text: str = "training"
    pace: float | None = None


def run_steps(
    run: Run, state: TrainState, engine: Engine, caught: list[int], interval: Interval, *, profile: bool
) -> TrainState:
    """Trains to the end of the run, or until its patience ends.

    After an unexpected error, the state is saved before the error is raised again.

    Args:
        run: the run.
        state: after the last finished step, on all devices; its memory is reused.
        engine: runs the steps.
        caught: list of received signals, see `signals.caught_signals`.
        interval: the first interval, which may already include compilation.
        profile: record a JAX profile of a few steps into WORKDIR/profile.

    Raises:
        Stopped: interrupted; the run is saved.
        NotFinite: a loss or a network is no longer finite; no row and no checkpoint holds such values.
    """
    config, done = run.experiment.config, int(state.step)
    indices_only, counts = engine.store is not None, plan_calls(config, done)
    start, skipped = int(state.batch_index), as_array(run.skipped)
    stream = open_stream(
        engine.reader, config, engine.mesh, start=start, counts=counts, indices_only=indices_only, skipped=run.skipped
    )
    interval.started = time.perf_counter() - interval.waits["compilation"]
    at, vote = Position(done, interval), make_vote(engine.mesh)
    profiled = profile and processes.is_first()
    with open_tools(run, done) as tools, profiler(run.workdir / "profile", config, done, wanted=profiled) as note_step:
        for count in plan_calls(config, done):
            if tools.watch.over:
                break
            note_step(at.done, state)
            try:
                run.look.raise_fault()
                with waiting_for(at.interval, "data"):
                    batch = next(stream)
                program = find_program(engine, state, batch, at.interval)
                state, metrics = program(state, batch, store=engine.store, skipped=skipped)
                due = {name: _is_due(config, name, at.done, at.done + count) for name in ("log", "sample", "checkpoint")}
                at.done += count
                at.waiting.append(Call(at.done, metrics, due["log"], vote(bool(caught))))
                stop = _after_call(run, state, at, tools, due, caught)
            except (NotFinite, Stopped):
                raise
            except Exception:
                _rescue(run, state, at, tools)
                raise
            if stop:
                raise _stop(run, at.done, caught)
        if tools.watch.over and at.done < (config.steps or 0):
            run.console.print(explain_end(run, tools.watch.over, at.done))
    return state


def _after_call(run: Run, state: TrainState, at: Position, tools: Tools, due: dict[str, bool], caught: list[int]) -> bool:
    """Reads the metrics of earlier calls, and does what is due after a call; returns whether the run is to stop."""
    # With several processes only the votes decide, so that all stop after the same call.
    stop = bool(caught) and processes.count() == 1
    pause = due["sample"] or due["checkpoint"]
    stop = _read_metrics(run, at, tools, down_to=0 if pause or stop else AHEAD) or stop
    if pause or stop:
        _pause(run, state, at, tools, sample=due["sample"], validation=due["checkpoint"], stop=stop)
    return stop


def _read_metrics(run: Run, at: Position, tools: Tools, *, down_to: int) -> bool:
    """Reads the metrics of calls until at most `down_to` are unread, and writes the rows between them.

    Returns:
        whether one of these calls carries a vote to stop.
    """
    stop = False
    while len(at.waiting) > down_to:
        call = at.waiting.popleft()
        rows = fetch_metrics(call)
        at.interval.metrics += rows
        if run.on_step is not None:
            for step, row in enumerate(rows, start=call.step - len(rows) + 1):
                run.on_step(step, row)
        stop = stop or bool(call.stop)
        tools.reset_watchdog()
        if call.logged and call.step < at.done:
            _end_interval(run, at, tools, call.step, {})
        tools.show(call.step, at.text, at.pace)
    return stop


def _end_interval(run: Run, at: Position, tools: Tools, step: int, figures: dict[str, float]) -> None:
    row, at.interval = _make_row(run, at.interval, step) | figures, Interval()
    tools.write_row(row)
    tools.watch.note(row)
    at.text, at.pace = describe(row), run.experiment.config.batch_size / row["pictures_per_second"]


def _pause(run: Run, state: TrainState, at: Position, tools: Tools, *, sample: bool, validation: bool, stop: bool) -> None:
    """Does the work between two calls: the sample grid, the validation, a row and a checkpoint.

    An error of the sample grid or of the validation is raised once the state is saved.

    Raises:
        Stopped: the workdir was renamed, replaced or removed.
    """
    figures, seen = {}, {}
    faults: list[Exception] = []
    in_place = is_in_place(run)
    follows = in_place or can_follow(run)
    if sample and follows:
        tools.show(at.done, "drawing the sample grid", at.pace)
        with _later(faults), waiting_for(at.interval, "sample"):
            seen = interruptible(lambda: tools.draw_samples(state, at.done))
    if validation and follows:
        tools.show(at.done, "validating", at.pace)
        with _later(faults), waiting_for(at.interval, "validation"):
            figures = interruptible(lambda: validate(run, state))
    failed = not processes.all_agree(not faults)
    _end_interval(run, at, tools, at.done, figures | seen)
    tools.show(at.done, at.text, at.pace)
    if validation and not run.console.is_terminal:
        run.console.print(f"step {at.done} of {run.experiment.config.steps}: {at.text}")
    for sentence in tools.watch.new_sentences():
        run.console.print(sentence, style="yellow")
    if follows and (validation or stop or failed or not in_place):
        with waiting_for(at.interval, "checkpoint"):
            _save(run, state, figures or None)
    release_freed_memory()
    tools.reset_watchdog()
    if not in_place:
        with nullcontext() if follows else suppress(Exception):  # then an earlier save cannot be finished
            checkpoint.finish_saving(run.manager)
        raise explain_moved(run, at.done)
    if faults:
        checkpoint.finish_saving(run.manager)
        run.console.print(f"The state after step {at.done} was saved.")
        raise faults[0]


@contextmanager
def _later(faults: list[Exception]) -> Iterator[None]:
    """Keeps an error of the block in a list."""
    try:
        yield
    except (NotFinite, Stopped):
        raise
    except Exception as error:  # raised by `_pause` once the state is saved
        faults.append(error)


def _stop(run: Run, done: int, caught: list[int]) -> Stopped:
    checkpoint.finish_saving(run.manager)
    fetch.upload_before_exit(run.workdir)
    return Stopped(
        f"Stopped at step {done} and saved; the same command resumes there (without --overwrite).",
        EXIT_CODES[caught[0] if caught else signal.SIGTERM],
    )


def _rescue(run: Run, state: TrainState, at: Position, tools: Tools) -> None:
    """Writes the rows and saves the state before an unexpected error ends the run, if that is possible.

    It is not possible with several processes, which have to save together, nor after an error within a call, which has
    reused the memory of the state. Before the first step there is nothing to save.
    """
    if processes.count() > 1:
        return
    with suppress(Exception):
        # If a loss is not finite, this raises NotFinite, so that the state is not saved.
        _read_metrics(run, at, tools, down_to=0)
        step = int(state.step)
        if step == 0 or step in run.manager.all_steps():
            return
        if at.interval.metrics:
            _end_interval(run, at, tools, step, {})
        _save(run, state, None)
        checkpoint.finish_saving(run.manager)
        run.console.print(f"The state after step {step} was saved.")


def _is_due(config: Config, name: str, before: int, done: int) -> bool:
    """Whether an action that is due every `{name}_every` steps and at the end is due in steps `before` + 1 to `done`."""
    every = getattr(config, f"{name}_every")
    return done == config.steps or done // every > before // every


def _make_row(run: Run, interval: Interval, step: int) -> dict[str, float]:
    return make_row(interval, step, run.model, run.experiment.config.batch_size) | {"left_out": len(run.skipped)}


def _save(run: Run, state: TrainState, validation: dict[str, float] | None) -> None:
    if int(state.step) in run.manager.all_steps():
        return
    if not all_finite(state):
        raise networks_not_finite(int(state.step))
    checkpoint.save(run.manager, state, validation, run.skipped)

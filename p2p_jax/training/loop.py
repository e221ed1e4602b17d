"""The loop: batches in, steps done, and what a person wants to see of it written down on the way.

The device waits for nothing that can be helped: calls are handed over ahead, their metrics are looked at when later ones
are on their way, sample grids are drawn and checkpoints written in the background. The time that is lost all the same
stands in every row of metrics.jsonl.
"""

import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from p2p_jax.config import Config
from p2p_jax.console import progress_bar
from p2p_jax.devices import processes
from p2p_jax.devices.memory import release_freed_memory
from p2p_jax.errors import EXIT_CODES, NotFinite, Stopped
from p2p_jax.state import TrainState, all_finite
from p2p_jax.step import Metrics
from p2p_jax.training.engine import Engine, find_program
from p2p_jax.training.feed import NETWORKS_FINITE, make_vote, open_stream, plan_calls
from p2p_jax.training.previews import make_sampler, validate
from p2p_jax.training.run import Run, Submit
from p2p_jax.training.skipped_batches import as_array
from p2p_jax.training.stopwatch import Interval, losing, make_row
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.bucket import fetch
from p2p_jax.workdir.metrics_file import describe, metrics_writer

AHEAD = 2  # calls that are on their way beyond the one whose metrics are looked at


class Call(NamedTuple):
    """A call of the device that was handed over: the step after it, its metrics, whether a row follows it, and whether one
    of several processes was told to stop before it.
    """

    step: int
    metrics: Metrics
    logged: bool
    stop: jax.Array | bool


def run_steps(
    run: Run, state: TrainState, engine: Engine, caught: list[int], window: Interval, *, profile: bool
) -> TrainState:
    """Trains to the end of the run.

    Args:
        run: what stays the same.
        state: after the last step that was done, on all devices; its memory is given back.
        engine: that runs the steps.
        window: the first one; what it says of compilation is counted.
        caught: signals that came, see `logs.caught_signals`.
        profile: record a JAX profile of a few steps into WORKDIR/profile.

    Raises:
        Stopped: interrupted; what was saved is kept.
        NotFinite: a loss or the networks are no longer finite; neither rows nor checkpoints hold any of it.
    """
    config, done = run.experiment.config, int(state.step)
    start, picked, counts = int(state.batch_index), engine.store is not None, plan_calls(config, done)
    stream = open_stream(
        engine.reader, config, engine.mesh, start=start, counts=counts, picked=picked, left_out=run.left_out
    )
    skipped, waiting = as_array(run.left_out), deque[Call]()
    window.started = time.perf_counter() - window.lost["compilation"]
    with (
        _row_writer(run) as write,
        progress_bar(run.console) as progress,
        _in_background() as submit,
        _profiler(run.workdir / "profile", config, done, wanted=profile and processes.is_first()) as note_step,
        processes.watchdog(run.step_timeout) as note_life,
    ):
        draw_samples, vote = make_sampler(run, submit), make_vote(engine.mesh)
        task, said = progress.add_task("compiling", total=config.steps, completed=done), "training"
        for count in plan_calls(config, done):
            note_step(done, state)
            with losing(window, "data"):
                batch = next(stream)
            program = find_program(engine, state, batch, window)
            state, metrics = program(state, batch, store=engine.store, skipped=skipped)
            due = {name: _is_due(config, name, done, done + count) for name in ("log", "sample", "checkpoint")}
            done += count
            waiting.append(Call(done, metrics, due["log"], vote(bool(caught))))
            stop = bool(caught) and processes.count() == 1  # several processes stop together, once they have heard of it
            while len(waiting) > (0 if due["sample"] or due["checkpoint"] or stop else AHEAD):
                call = waiting.popleft()
                window.metrics += _fetch(call)
                stop = stop or bool(call.stop)
                note_life()
                if call.logged and call.step < done:
                    row, window = _make_row(run, window, call.step), Interval()
                    write(row)
                    said = describe(row)
                progress.update(task, completed=call.step, description=said)
            if not (due["sample"] or due["checkpoint"] or stop):
                continue
            if due["sample"]:
                with losing(window, "sample"):
                    draw_samples(state, done)
            validation = {}
            if due["checkpoint"]:
                with losing(window, "validation"):
                    validation = validate(run, state)
            row, window = _make_row(run, window, done) | validation, Interval()
            write(row)
            said = describe(row)
            progress.update(task, description=said)
            if due["checkpoint"] and not run.console.is_terminal:
                run.console.print(f"step {done} of {config.steps}: {said}")
            if due["checkpoint"] or stop:
                with losing(window, "checkpoint"):
                    _save(run, state, validation or None)
            release_freed_memory()
            note_life()
            if stop:
                run.manager.wait_until_finished()
                fetch.upload_before_exit(run.workdir)
                raise Stopped(
                    f"Stopped at step {done} and saved; the same command goes on from there (without --overwrite).",
                    EXIT_CODES[caught[0] if caught else signal.SIGTERM],
                )
    return state


def _is_due(config: Config, name: str, before: int, done: int) -> bool:
    """Whether what happens every so many steps, and at the end, falls within these steps."""
    every = getattr(config, f"{name}_every")
    return done == config.steps or done // every > before // every


def _row_writer(run: Run) -> AbstractContextManager[Callable[[dict[str, float]], None]]:
    """The writer of rows, which does nothing in all processes but the first."""
    if processes.is_first():
        return metrics_writer(run.workdir, tensorboard=run.experiment.config.tensorboard)
    return nullcontext(lambda row: None)


@contextmanager
def _in_background() -> Iterator[Submit]:
    """Work for a thread of its own, in order; what goes wrong there is raised by the next call, or at the end."""
    futures: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as pool:

        def submit(work: Callable[[], None]) -> None:
            while futures and futures[0].done():
                futures.popleft().result()
            futures.append(pool.submit(work))

        yield submit
        for future in futures:
            future.result()


@contextmanager
def _profiler(folder: Path, config: Config, done: int, *, wanted: bool) -> Iterator[Callable[[int, TrainState], None]]:
    """A function that is told of every call before it, and records about five steps."""
    start = max(done, min(done + 10, (config.steps or 0) - 5))  # past the compilation, where the run is long enough
    running: list[bool] = []

    def note(step: int, state: TrainState) -> None:
        if wanted and not running and step >= start:
            jax.profiler.start_trace(folder)
            running.append(True)
        elif running and running[0] and step >= start + 5:
            jax.block_until_ready(state)
            jax.profiler.stop_trace()
            running[0] = False

    try:
        yield note
    finally:
        if any(running):
            jax.profiler.stop_trace()


def _make_row(run: Run, window: Interval, step: int) -> dict[str, float]:
    return make_row(window, step, run.model, run.experiment.config.batch_size) | {"left_out": len(run.left_out)}


def _fetch(call: Call) -> list[dict[str, float]]:
    """The metrics of each step of a call, once it is done.

    Raises:
        NotFinite: one of them is not finite, or the networks are not.
    """
    values = {name: np.ravel(value) for name, value in jax.device_get(call.metrics).items()}
    rows = [dict(zip(values, map(float, step), strict=True)) for step in zip(*values.values(), strict=True)]
    for step, row in enumerate(rows, start=call.step - len(rows) + 1):
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if bad:
            raise NotFinite(f"{bad[0]} became {row[bad[0]]} at step {step}", step)
        if not row.pop(NETWORKS_FINITE, True):
            raise _networks_not_finite(step)
    return rows


def _networks_not_finite(step: int) -> NotFinite:
    return NotFinite(f"the networks hold values that are not finite after step {step}", step)


def _save(run: Run, state: TrainState, validation: dict[str, float] | None) -> None:
    if int(state.step) in run.manager.all_steps():
        return
    if not all_finite(state):
        raise _networks_not_finite(int(state.step))
    checkpoint.save(run.manager, state, validation, run.left_out)

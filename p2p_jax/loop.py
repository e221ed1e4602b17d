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
from rich.console import Console

from p2p_jax import bucket, checkpoint, evaluate, processes
from p2p_jax.config import Config
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import Dataset
from p2p_jax.engine import Engine, find_program
from p2p_jax.errors import NotFinite, Stopped
from p2p_jax.experiment import Experiment
from p2p_jax.feed import NETWORKS_FINITE, make_vote, open_stream, plan_calls
from p2p_jax.leaving_out import as_array
from p2p_jax.logs import INTERRUPTED, describe, metrics_writer, progress_bar
from p2p_jax.memory import give_back
from p2p_jax.rows import Window, losing, make_row
from p2p_jax.samples import sample_columns, save_grid
from p2p_jax.sharding import on_one_device
from p2p_jax.state import TrainState, all_finite
from p2p_jax.step import Metrics, Pix2Pix

SAMPLES = 6
AHEAD = 2  # calls that are on their way beyond the one whose metrics are looked at

Submit = Callable[[Callable[[], None]], None]
"""Has something done in the background."""


class Run(NamedTuple):
    """What stays the same throughout one run.

    Attributes:
        workdir: where everything is written.
        experiment: with its resolved config.
        dataset: its splits.
        model: what is trained.
        translate: `(params, state, key, pictures) -> pictures`, compiled once.
        manager: of the checkpoints.
        console: where messages go.
        step_timeout: where there are several processes, seconds without a step after which this one is ended.
        left_out: indices of the batches left out so far.
    """

    workdir: Path
    experiment: Experiment
    dataset: Dataset
    model: Pix2Pix
    translate: Callable[..., jax.Array]
    manager: checkpoint.Manager
    console: Console
    step_timeout: float = math.inf
    left_out: tuple[int, ...] = ()


class Call(NamedTuple):
    """A call of the device that was handed over: the step after it, its metrics, whether a row follows it, and whether one
    of several processes was told to stop before it.
    """

    step: int
    metrics: Metrics
    logged: bool
    stop: jax.Array | bool


def run_steps(
    run: Run, state: TrainState, engine: Engine, caught: list[int], window: Window, *, profile: bool
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
        draw_samples, vote = _make_sampler(run, submit), make_vote(engine.mesh)
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
                    row, window = _make_row(run, window, call.step), Window()
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
                    validation = _validate(run, state)
            row, window = _make_row(run, window, done) | validation, Window()
            write(row)
            said = describe(row)
            progress.update(task, description=said)
            if due["checkpoint"] and not run.console.is_terminal:
                run.console.print(f"step {done} of {config.steps}: {said}")
            if due["checkpoint"] or stop:
                with losing(window, "checkpoint"):
                    _save(run, state, validation or None)
            give_back()
            note_life()
            if stop:
                run.manager.wait_until_finished()
                bucket.send_before_parting(run.workdir)
                raise Stopped(
                    f"Stopped at step {done} and saved; the same command goes on from there (without --overwrite).",
                    INTERRUPTED[caught[0] if caught else signal.SIGTERM],
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


def _make_row(run: Run, window: Window, step: int) -> dict[str, float]:
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


def translate_with(run: Run, state: TrainState) -> evaluate.Translate:
    """The generator as it is now, or its moving average, as a function of pictures; it waits for no result.

    Of several processes all have to ask for it.
    """
    params = state.generator.params if state.ema is None else state.ema
    # On one device: the pictures are few, and each goes through by itself.
    params, g_state = on_one_device((params, state.generator.state))
    key = jax.random.key(0)
    return lambda pictures: run.translate(params, g_state, key, pictures)


def _validate(run: Run, state: TrainState) -> dict[str, float]:
    """Figures on the validation split, if there is one."""
    if "val" not in run.dataset.splits:
        return {}
    config = run.experiment.config
    translate = translate_with(run, state)
    figures = evaluate.score(
        run.dataset.splits["val"], translate, fit_of_evaluation(config), config.data.target, count=config.val_pictures
    )
    return {f"val_{name}": value for name, value in figures.items()}


def _make_sampler(run: Run, submit: Submit) -> Callable[[TrainState, int], None]:
    """A function that has the sample grid of a step drawn and written, always of the same pairs."""
    config = run.experiment.config
    pairs = run.dataset.splits[evaluate.sample_split(run.dataset.splits)]
    examples = [pairs.read(index, fit_of_evaluation(config)) for index in range(min(SAMPLES, pairs.count()))]

    def draw_samples(state: TrainState, step: int) -> None:
        translate = translate_with(run, state)
        if not processes.is_first():
            return
        made = evaluate.translate_all(translate, examples)
        path = run.workdir / "samples" / f"step_{step:08d}.png"
        submit(lambda: save_grid(path, sample_columns(examples, made, config.data)))

    return draw_samples

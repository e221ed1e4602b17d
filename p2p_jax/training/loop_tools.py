"""Tools of the training loop: the writer of rows, the progress bar, the sampler, the watchdog and the profiler."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jax

from p2p_jax.config import Config
from p2p_jax.console import progress_bar
from p2p_jax.devices import processes
from p2p_jax.state import TrainState
from p2p_jax.training.previews import make_sampler
from p2p_jax.training.run import Run, Submit
from p2p_jax.training.watch import Watch, open_watch
from p2p_jax.workdir.metrics_file import Row, metrics_writer


class Tools(NamedTuple):
    """Tools that are open as long as the loop runs.

    Attributes:
        write_row: appends a row to metrics.jsonl, and sends it to the trackers.
        show: updates the progress bar: `(step, text, seconds per step or None)`.
        draw_samples: draws the sample grid of a step, and returns figures on it: `(state, step)`.
        reset_watchdog: resets the watchdog.
        watch: what the rows of the run say.
    """

    write_row: Callable[[dict[str, float]], None]
    show: Callable[[int, str, float | None], None]
    draw_samples: Callable[[TrainState, int], Row]
    reset_watchdog: Callable[[], None]
    watch: Watch


@contextmanager
def open_tools(run: Run, done: int) -> Iterator[Tools]:
    """Opens the tools of a loop that begins after step `done`."""
    config, watch = run.experiment.config, open_watch(run)
    with (
        _row_writer(run) as write_row,
        progress_bar(run.console) as progress,
        _in_background() as submit,
        processes.watchdog(run.step_timeout) as reset_watchdog,
    ):
        task = progress.add_task("training", total=config.steps, completed=done)

        def show(step: int, text: str, pace: float | None) -> None:
            left = None if pace is None else pace * ((config.steps or 0) - step)
            progress.update(task, completed=step, description=text, left=left)

        yield Tools(write_row, show, make_sampler(run, submit), reset_watchdog, watch)


@contextmanager
def profiler(folder: Path, config: Config, done: int, *, wanted: bool) -> Iterator[Callable[[int, TrainState], None]]:
    """Yields a function to call before every device call; it records a JAX profile of about five steps."""
    start = max(done, min(done + 10, (config.steps or 0) - 5))  # after the compilation, if the run is long enough
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


@contextmanager
def _row_writer(run: Run) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yields a function that writes and tracks a row, which does nothing in all processes but the first."""
    if not processes.is_first():
        yield lambda row: None
        return
    with metrics_writer(run.workdir) as append:

        def write(row: dict[str, float]) -> None:
            append(row)
            run.trackers.log_row(row)

        yield write


@contextmanager
def _in_background() -> Iterator[Submit]:
    """Runs functions in one background thread, in order. The next call, or the end of the block, raises their errors."""
    futures: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as pool:

        def submit(work: Callable[[], None]) -> None:
            while futures and futures[0].done():
                futures.popleft().result()
            futures.append(pool.submit(work))

        yield submit
        for future in futures:
            future.result()

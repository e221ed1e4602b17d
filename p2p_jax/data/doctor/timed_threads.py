"""Running jobs in threads, where a job that takes too long does not delay the others."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_timed(
    work: Callable[[Job], Result], jobs: Sequence[Job], threads: int, timeout: float
) -> Iterator[tuple[int, Result | None]]:
    """Runs jobs in threads, and yields (index, result) in the order in which they finish.

    A job that takes longer than the timeout yields (index, None). Python cannot end a thread, so its thread is abandoned
    and a new one replaces it.

    Args:
        work: computes the result of a job, which is never None. Its exceptions are raised here.
        jobs: to run.
        threads: number of jobs that run at the same time.
        timeout: seconds for one job.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    started: dict[int, float] = {}
    for index in range(len(jobs)):
        waiting.put(index)

    def start_thread() -> None:
        threading.Thread(target=_run_jobs, args=(work, jobs, waiting, finished, started), daemon=True).start()

    for _ in range(min(threads, len(jobs))):
        start_thread()
    yielded: set[int] = set()
    try:
        while len(yielded) < len(jobs):
            try:
                index, result = finished.get(timeout=min(1.0, timeout / 4))
            except queue.Empty:
                now = time.monotonic()
                for late in [i for i, since in list(started.items()) if i not in yielded and now - since > timeout]:
                    yielded.add(late)
                    start_thread()
                    yield late, None
                continue
            if isinstance(result, BaseException):
                raise result
            started.pop(index, None)
            if index not in yielded:  # otherwise it finished after its timeout
                yielded.add(index)
                yield index, result
    finally:  # the caller stopped early, or a job failed: the jobs that wait are not started
        with suppress(queue.Empty):
            while True:
                waiting.get_nowait()


def _run_jobs(
    work: Callable[[Any], Any],
    jobs: Sequence[Any],
    waiting: queue.SimpleQueue[int],
    finished: queue.SimpleQueue[tuple[int, Any]],
    started: dict[int, float],
) -> None:
    while True:
        try:
            index = waiting.get_nowait()
        except queue.Empty:
            return
        started[index] = time.monotonic()
        try:
            finished.put((index, work(jobs[index])))
        except BaseException as error:  # passed on, so that nobody waits for a thread that has ended
            finished.put((index, error))

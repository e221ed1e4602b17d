"""Worker processes, from outside: started, asked one thing at a time, and ended whatever happens."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

ROOT = Path(__file__).parents[2]


class WorkerFailed(Exception):
    """A worker could not do what it was asked to; the message says why in one sentence."""


class Worker(NamedTuple):
    """A process, what it prints beside its answers, and how many seconds an answer may take."""

    process: subprocess.Popen[str]
    log: IO[str]
    patience: float


@contextmanager
def open_worker(patience: float, **environment: str) -> Iterator[Worker]:
    """A worker that is ended afterwards, with all processes that it started.

    Args:
        patience: seconds that an answer may take.
        environment: variables of its environment beside ours.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Contestants share an accelerator's memory, so none may take it all at once.
    given = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONPATH": os.pathsep.join(paths), **environment}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **given},
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        worker = Worker(process, log, patience)
        try:
            yield worker
        finally:
            stop(worker)


def ask(worker: Worker, what: str, **given: Any) -> Any:
    """The answer to a request.

    Raises:
        WorkerFailed: the worker could not do it, died or took too long; it is of no more use then.
    """
    process = worker.process
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps({"do": what, **given}) + "\n")
        process.stdin.flush()
    except (BrokenPipeError, ValueError):
        raise WorkerFailed(_say_how_it_ended(worker)) from None
    if not select.select([process.stdout], [], [], worker.patience)[0]:
        raise WorkerFailed(f"no answer in {worker.patience:g} s; see --patience")
    line = process.stdout.readline()
    if not line:
        raise WorkerFailed(_say_how_it_ended(worker))
    answer = json.loads(line)
    if "error" in answer:
        raise WorkerFailed(answer["error"])
    return answer["answer"]


def stop(worker: Worker) -> None:
    """Ends a worker and all that it started; nothing happens to one that has been ended."""
    if worker.process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            with suppress(BrokenPipeError):  # of a request that it did not live to read
                if pipe is not None:
                    pipe.close()


def _say_how_it_ended(worker: Worker) -> str:
    code = worker.process.wait()
    worker.log.seek(0)
    said = [line.strip() for line in worker.log if line.strip()]
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"its process {how}" + (f": {said[-1][:300]}" if said else "")

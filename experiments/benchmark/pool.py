"""Worker processes: starts them, sends each one request at a time, and always ends them."""

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
    """A worker did not do what it was asked for; the message gives the reason in one sentence."""


class Worker(NamedTuple):
    """A worker process.

    Attributes:
        process: with pipes for requests and answers.
        log: file of what the process prints to stderr.
        patience: seconds that an answer may take.
    """

    process: subprocess.Popen[str]
    log: IO[str]
    patience: float


@contextmanager
def open_worker(patience: float, **environment: str) -> Iterator[Worker]:
    """Starts a worker, and ends it afterwards together with all processes that it started.

    Args:
        patience: seconds that an answer may take.
        environment: variables that are set in addition to this process's own.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Contestants use one accelerator at the same time, so none may allocate all of its memory in advance.
    variables = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONPATH": os.pathsep.join(paths), **environment}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **variables},
            start_new_session=True,  # Ctrl-C reaches only this program, which ends its workers
        )
        worker = Worker(process, log, patience)
        try:
            yield worker
        finally:
            stop(worker)


def ask(worker: Worker, request: str, **arguments: Any) -> Any:
    """Sends a request and returns the answer.

    Raises:
        WorkerFailed: the worker reported an error, died or took too long. Stop it then: it cannot be asked again.
    """
    process = worker.process
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps({"do": request, **arguments}) + "\n")
        process.stdin.flush()
    except (BrokenPipeError, ValueError):
        raise WorkerFailed(_describe_end(worker)) from None
    if not select.select([process.stdout], [], [], worker.patience)[0]:
        raise WorkerFailed(f"no answer in {worker.patience:g} s; see --patience")
    line = process.stdout.readline()
    if not line:
        raise WorkerFailed(_describe_end(worker))
    answer = json.loads(line)
    if "error" in answer:
        raise WorkerFailed(answer["error"])
    return answer["answer"]


def stop(worker: Worker) -> None:
    """Kills a worker and all processes that it started; does nothing if it was stopped before."""
    if worker.process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            with suppress(BrokenPipeError):  # a request was still in the pipe
                if pipe is not None:
                    pipe.close()


def _describe_end(worker: Worker) -> str:
    """How a worker process ended, with the last line that it printed."""
    code = worker.process.wait()
    worker.log.seek(0)
    printed = [line.strip() for line in worker.log if line.strip()]
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"its process {how}" + (f": {printed[-1][:300]}" if printed else "")

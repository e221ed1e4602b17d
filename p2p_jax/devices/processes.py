"""Communication between the processes of a run; a no-op with one process."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from p2p_jax.config.distributed import PARENT, Distributed, check_distributed, is_asked_for
from p2p_jax.errors import RESTART, UserError

LEAVE_SECONDS = 5.0
"""Longest time that `leave` waits for the other processes, in seconds."""

WEEK_SECONDS = 7 * 24 * 3600

POLL_SECONDS = 0.5
"""Seconds between two checks of a watchdog."""


def start(options: Distributed, *, shutdown_timeout: int = 300) -> None:
    """Connects to the other processes, if there are any; call it before JAX computes anything.

    Args:
        options: of the command line.
        shutdown_timeout: seconds that a process waits for the others at the end.

    Raises:
        UserError: the options contradict each other, or the other processes were not found.
    """
    check_distributed(options)
    _restrict_visible_devices(options.devices)
    if not is_asked_for(options):
        return
    explicit: dict[str, Any] = {}
    if not options.auto:
        explicit = {
            "coordinator_address": options.coordinator,
            "num_processes": options.processes,
            "process_id": options.index,
            "coordinator_bind_address": options.coordinator if options.index == 0 else None,
            "cluster_detection_method": "deactivate",
        }
    watch_parent()
    try:
        jax.distributed.initialize(
            **explicit,
            local_device_ids=options.devices,
            heartbeat_timeout_seconds=options.heartbeat,
            shutdown_timeout_seconds=shutdown_timeout,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        where = "by --distributed.auto" if options.auto else f"at {options.coordinator}"
        raise UserError(
            f"the other processes were not found {where} ({reason}): start all processes with the same command, each with "
            "its own --distributed.index."
        ) from None


def start_independent(options: Distributed) -> tuple[int, int]:
    """Starts a process that does its part of the work independently; without a coordinator it connects to no other process.

    Args:
        options: of the command line.

    Returns:
        (index, number of processes).

    Raises:
        UserError: the options contradict each other, or the other processes were not found.
    """
    check_distributed(options, independent=True)
    _restrict_visible_devices(options.devices)
    if options.coordinator is None and options.processes is not None:
        return options.index or 0, options.processes
    start(options, shutdown_timeout=WEEK_SECONDS)
    return jax.process_index(), jax.process_count()


def _restrict_visible_devices(devices: tuple[int, ...] | None) -> None:
    """Hides the other GPUs of this machine from JAX, as `jax.distributed.initialize` does for connected processes."""
    if devices is not None:
        for kind in ("cuda", "rocm"):
            jax.config.update(f"jax_{kind}_visible_devices", ",".join(map(str, devices)))


def count() -> int:
    """Returns the number of connected processes."""
    return jax.process_count()


def is_first() -> bool:
    """Whether this is the process that writes logs and pictures."""
    return jax.process_index() == 0


def own_indices(number: int) -> range:
    """Returns those of the indices 0 to `number` - 1 that belong to this process; each belongs to exactly one process."""
    index, total = jax.process_index(), jax.process_count()
    return range(index * number // total, (index + 1) * number // total)


def wait_for_all(point: str) -> None:
    """Waits until every process has reached the same point of the program; `point` describes it."""
    if count() > 1:
        multihost_utils.sync_global_devices(point)


def sum_over_processes(values: np.ndarray) -> np.ndarray:
    """Returns the sum of a float64 array over all processes, the same bits in each."""
    if count() == 1:
        return values
    # As bits, because JAX would convert float64 to float32.
    bits = multihost_utils.process_allgather(np.asarray(values, np.float64).view(np.uint32))
    return np.asarray(bits).view(np.float64).sum(0)


def gather_lines(lines: list[str]) -> list[str]:
    """Returns the lines of all processes, in the order of the processes and without duplicates."""
    if count() == 1:
        return lines
    text = np.frombuffer("\n".join(lines).encode("utf-8", "backslashreplace"), np.uint8)
    lengths = np.asarray(multihost_utils.process_allgather(np.asarray(text.size, np.int32)))
    padded = np.zeros(max(int(lengths.max()), 1), np.uint8)
    padded[: text.size] = text
    texts = np.asarray(multihost_utils.process_allgather(padded))
    found = [bytes(row[:length]).decode() for row, length in zip(texts, lengths, strict=True)]
    return list(dict.fromkeys(line for text in found for line in text.splitlines()))


def all_agree(value: bool) -> bool:
    """Whether `value` is true in every process."""
    return value if count() == 1 else bool(np.all(multihost_utils.process_allgather(np.asarray(value))))


def leave() -> None:
    """Disconnects from the other processes, which may have ended or hang; waits at most `LEAVE_SECONDS`."""

    def shut_down() -> None:
        with suppress(RuntimeError):  # the other processes have ended
            jax.distributed.shutdown()

    thread = threading.Thread(target=shut_down, daemon=True)
    thread.start()
    thread.join(LEAVE_SECONDS)


def watch_parent() -> None:
    """Ends this process with code 75 when its parent (`cli.supervisor`) has ended: only the parent can report errors."""
    parent = int(os.environ.get(PARENT, 0))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(RESTART)

    if parent:
        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def watchdog(seconds: float, end: Callable[[int], Any] = os._exit) -> Iterator[Callable[[], None]]:
    """Ends this process with code 75 if the function that it yields is not called for a while.

    JAX's heartbeat detects a process that has ended; only this detects a process or a device that hangs.

    Args:
        seconds: longest time between two calls.
        end: ends the process with an exit code.

    Yields:
        a function to call after every step.
    """
    last = [time.monotonic()]
    over = threading.Event()

    def note() -> None:
        last[0] = time.monotonic()

    def watch() -> None:
        while not over.wait(min(POLL_SECONDS, seconds / 4)):
            if time.monotonic() - last[0] > seconds:
                print(
                    f"p2p-jax: no step has finished for {seconds:g} seconds, so this process ends: it, a device or another "
                    "process hangs; start all processes again with the same commands to resume from the last checkpoint "
                    "(--distributed.step-timeout sets the time limit).",
                    file=sys.stderr,
                    flush=True,
                )
                end(RESTART)
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield note
    finally:
        over.set()

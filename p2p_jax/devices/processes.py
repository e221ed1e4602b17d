"""What the processes of a run say to each other. Where there is one alone, all of this costs nothing."""

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

PARTING = 5.0  # seconds that a process which failed gives the others to end as well


A_WEEK = 7 * 24 * 3600


LOOK = 0.5  # seconds between two looks of a watchdog


def start(options: Distributed, *, patience: int = 300) -> None:
    """Finds the other processes, if there are to be any; nothing may have been computed before.

    Args:
        options: as given.
        patience: seconds that a process which has done its part waits for the others.

    Raises:
        UserError: the options do not fit, or the others were not found.
    """
    check_distributed(options)
    _see_only(options.devices)
    if not is_asked_for(options):
        return
    by_hand: dict[str, Any] = {}
    if not options.auto:
        by_hand = {
            "coordinator_address": options.coordinator,
            "num_processes": options.processes,
            "process_id": options.index,
            "coordinator_bind_address": options.coordinator if options.index == 0 else None,
            "cluster_detection_method": "deactivate",
        }
    _watch_parent()
    try:
        jax.distributed.initialize(
            **by_hand,
            local_device_ids=options.devices,
            heartbeat_timeout_seconds=options.heartbeat,
            shutdown_timeout_seconds=patience,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        where = "as --distributed.auto looks for them" if options.auto else f"at {options.coordinator}"
        raise UserError(
            f"the other processes were not found {where} ({reason}): start all of them with the same line, each with an "
            "index of its own."
        ) from None


def start_apart(options: Distributed) -> tuple[int, int]:
    """(index, number) of this process, where each does its share by itself: without a coordinator none finds another.

    Raises:
        UserError: the options do not fit, or the others were not found.
    """
    check_distributed(options, apart=True)
    _see_only(options.devices)
    if options.coordinator is None and options.processes is not None:
        return options.index or 0, options.processes
    start(options, patience=A_WEEK)
    return jax.process_index(), jax.process_count()


def _see_only(devices: tuple[int, ...] | None) -> None:
    """Leaves the other GPUs of this machine alone, as JAX itself does for processes that it brings together."""
    if devices is not None:
        for kind in ("cuda", "rocm"):
            jax.config.update(f"jax_{kind}_visible_devices", ",".join(map(str, devices)))


def count() -> int:
    """How many processes work on this."""
    return jax.process_count()


def is_first() -> bool:
    """Whether this is the one that writes logs and pictures."""
    return jax.process_index() == 0


def own_share(number: int) -> range:
    """Which of `number` things in a row are this process's: each is exactly one's."""
    index, total = jax.process_index(), jax.process_count()
    return range(index * number // total, (index + 1) * number // total)


def wait_for_all(what: str) -> None:
    """Waits until every process has come to this point."""
    if count() > 1:
        multihost_utils.sync_global_devices(what)


def add_up(values: np.ndarray) -> np.ndarray:
    """The sum of an array of float64 over all processes, the same bits in each."""
    if count() == 1:
        return values
    # As bits: JAX would make float32 of them.
    bits = multihost_utils.process_allgather(np.asarray(values, np.float64).view(np.uint32))
    return np.asarray(bits).view(np.float64).sum(0)


def gather_lines(lines: list[str]) -> list[str]:
    """The lines of all processes together, in the order of the processes, none twice."""
    if count() == 1:
        return lines
    text = np.frombuffer("\n".join(lines).encode(), np.uint8)
    lengths = np.asarray(multihost_utils.process_allgather(np.asarray(text.size, np.int32)))
    padded = np.zeros(max(int(lengths.max()), 1), np.uint8)
    padded[: text.size] = text
    texts = np.asarray(multihost_utils.process_allgather(padded))
    found = [bytes(row[:length]).decode() for row, length in zip(texts, lengths, strict=True)]
    return list(dict.fromkeys(line for text in found for line in text.splitlines()))


def all_agree(value: bool) -> bool:
    """Whether something holds in every process."""
    return value if count() == 1 else bool(np.all(multihost_utils.process_allgather(np.asarray(value))))


def leave() -> None:
    """Takes leave of the others, which may be gone or hang; takes a few seconds at most."""

    def shut_down() -> None:
        with suppress(RuntimeError):  # the others are gone
            jax.distributed.shutdown()

    parting = threading.Thread(target=shut_down, daemon=True)
    parting.start()
    parting.join(PARTING)


def _watch_parent() -> None:
    """Ends this process when the parent that watches over it is gone, for nobody could tell then what ended it."""
    parent = int(os.environ.get(PARENT, 0))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(RESTART)

    if parent:
        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def watchdog(seconds: float, end: Callable[[int], Any] = os._exit) -> Iterator[Callable[[], None]]:
    """A function to be called whenever something was got done; if it is not for long, the process is ended with code 75.

    A lost process is noticed by its heartbeat; one that lives but hangs, or a device that does, is noticed by this alone.

    Args:
        seconds: without a call after which the process is ended.
        end: ends it.
    """
    last = [time.monotonic()]
    over = threading.Event()

    def note() -> None:
        last[0] = time.monotonic()

    def watch() -> None:
        while not over.wait(min(LOOK, seconds / 4)):
            if time.monotonic() - last[0] > seconds:
                print(
                    f"p2p-jax: no step has ended for {seconds:g} seconds, so this process is ended: it, a device or "
                    "another process hangs; start all again with the same lines: the run goes on from its last checkpoint "
                    "(--distributed.step-timeout says how long to wait).",
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

"""Signal handling: Ctrl-C, SIGTERM and SIGHUP, and calls that a signal may interrupt."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from p2p_jax.errors import EXIT_CODES, RESTART, STOPPING, Stopped

T = TypeVar("T")

WORKER = "p2p_jax interruptible call"
"""Name of the threads that `interruptible` starts."""

POLL_INTERVAL = 0.05  # seconds for which the main thread waits before it handles signals


@contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Handles signals while the block runs. Outside of the main thread it does nothing, because the caller handles them.

    A signal other than Ctrl-C stays ignored if it is ignored already, as SIGHUP is under `nohup`.

    Args:
        numbers: of the signals.
        handler: as for `signal.signal`.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def ended_by_sigterm(message: str, code: int = RESTART) -> Iterator[None]:
    """Ends the block cleanly on SIGTERM or SIGHUP, except where `caught_signals` collects them.

    Raises:
        Stopped: the process received such a signal.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stopped(message, code)

    with handled(STOPPING, stop):
        yield


@contextmanager
def noted_interrupts() -> Iterator[list[int]]:
    """Yields a list that notes every Ctrl-C, which raises KeyboardInterrupt as usual.

    Ctrl-C during the import of an extension module may end in an ImportError; the list shows the cause.
    """
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted
        return
    try:
        signal.signal(signal.SIGINT, note)
    except ValueError:  # not in the main thread: the caller handles signals
        yield noted
        return
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def caught_signals(on_first: Callable[[], Any] = lambda: None) -> Iterator[list[int]]:
    """Yields a list that collects Ctrl-C, SIGTERM and SIGHUP, so that the training loop can end after its step.

    Args:
        on_first: called at the first signal, to answer the user at once.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed a second time.
    """
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and caught:
            raise KeyboardInterrupt
        caught.append(number)
        if len(caught) == 1:
            on_first()

    with handled(EXIT_CODES, catch):
        yield caught


def interruptible(function: Callable[[], T]) -> T:
    """Calls a function that may run outside of Python for long, such as the compiler, and handles signals meanwhile.

    Python runs signal handlers only in the main thread, between two bytecode instructions. So the function runs in another
    thread while the main thread waits. If a handler raises, this call raises the exception at once, and the thread runs
    until the function ends; `is_working` returns whether it still runs. Outside of the main thread the function is called
    directly.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:  # raised in the main thread below
            errors.append(error)

    worker = threading.Thread(target=work, name=WORKER, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(POLL_INTERVAL)
    if errors:
        raise errors[0]
    return results[0]


def is_working() -> bool:
    """Whether a function that an interrupted call of `interruptible` started still runs in its thread."""
    return any(thread.name == WORKER for thread in threading.enumerate())

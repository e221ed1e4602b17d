"""Signal handling: Ctrl-C and SIGTERM."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from p2p_jax.errors import EXIT_CODES, Stopped


@contextmanager
def ended_by_sigterm(message: str, code: int = EXIT_CODES[signal.SIGTERM]) -> Iterator[None]:
    """Lets SIGTERM end what is done within, but for what `caught_signals` guards, cleanly and with an exit code.

    Raises:
        Stopped: SIGTERM came.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stopped(message, code)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM, so that the loop ends after its step; a second Ctrl-C ends at once."""
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        before = {number: signal.signal(number, catch) for number in EXIT_CODES}
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Exceptions and exit codes of the program."""

import signal
from collections.abc import Iterable

PROGRAM = "p2p-jax"

USAGE_ERROR = 2
"""Exit code for wrong input."""

INTERNAL_ERROR = 70
"""Exit code for an error in the program itself."""

RESTART = 75
"""The exit code that asks a scheduler to start all processes again."""

STOPPING: tuple[int, ...] = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""Signals that ask a process to end: SIGTERM, and SIGHUP, which a closed terminal sends (not on Windows)."""

EXIT_CODES: dict[int, int] = {signal.SIGINT: 130, **dict.fromkeys(STOPPING, RESTART)}
"""Exit codes of a run that a signal stopped."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Returns " (did you mean …?)" with the known word that is most similar to `word`, or "" if none is similar."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


class UserError(ValueError):
    """A mistake of the user: its message is one sentence that says what was given, what was expected and what to do.

    The command line prints that sentence and ends with exit code 2. An experiment's own `build` should raise it, too. Any
    other ValueError shows a traceback, as an error in the program or in the experiment file.
    """


class Stopped(Exception):
    """A run was stopped early, or its files could not be uploaded: the message says why, `code` is the exit code."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


class NotFetched(Exception):
    """A file of a set in a bucket could not be fetched: the message says why, `code` is the exit code."""

    def __init__(self, message: str, code: int):
        super().__init__(message, code)  # all arguments, because processes that read pictures send the error as a pickle
        self.code = code

    def __str__(self) -> str:
        return self.args[0]


class NotFinite(Exception):
    """A loss or a network holds NaN or infinity: the message says which, `step` is the first step where it does."""

    def __init__(self, message: str, step: int):
        super().__init__(message)
        self.step = step

"""Exceptions and exit codes of the program."""

import signal
from collections.abc import Iterable

PROGRAM = "p2p-jax"

USAGE_ERROR = 2
"""Exit code for wrong input."""

INTERNAL_ERROR = 70
"""Exit code for a mistake of the program itself."""

EXIT_CODES: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 75}
"""Exit codes of a run that was told to stop by a signal: 75 asks a scheduler to start it again."""

RESTART = EXIT_CODES[signal.SIGTERM]
"""The exit code that asks for a start of all processes anew."""


def suggest(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: "; did you mean …?" with the known word it resembles, or nothing."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


class UserError(ValueError):
    """A mistake of the user: its message is one sentence that says what was given, what was expected and what to do.

    The command line prints that sentence and ends with exit code 2. Raise it in an experiment's own `build`, too. Any other
    ValueError counts as a mistake of the program and shows its traceback.
    """


class Stopped(Exception):
    """Training ended early, on purpose: the message says why and how to go on, `code` is the program's exit code."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


class NotFinite(Exception):
    """Losses or networks hold a number that is not finite: the message says which, `step` is the first one with such."""

    def __init__(self, message: str, step: int):
        super().__init__(message)
        self.step = step

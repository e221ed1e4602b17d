"""Exceptions of our own; a user's mistake is a ValueError with a sentence for its message."""


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

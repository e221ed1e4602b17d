"""The message that the user sees for an error, and the exit code of the program."""

import errno
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType

from p2p_jax.cli.supervisor import explain_severed
from p2p_jax.errors import INTERNAL_ERROR, PROGRAM, RESTART, USAGE_ERROR, NotFetched, Stopped, UserError
from p2p_jax.experiment import IS_EXPERIMENT
from p2p_jax.files.names import printable
from p2p_jax.workdir.disk import explain

PERMISSIONS = "give another path, or change its permissions"
OF_PATHS = {
    errno.EACCES: PERMISSIONS,
    errno.EPERM: PERMISSIONS,
    errno.EROFS: "give a path on a disk that can be written",
    errno.EEXIST: "give another path, or move what is there",
    errno.ENOTDIR: "a part of the path is a file; give another path",
    errno.EISDIR: "the path is a folder; give that of a file",
    errno.ENAMETOOLONG: "give a shorter name, or a shorter path",
}
"""What to do about the errors that a path given by the user causes, by their numbers."""


def explain_error(error: Exception) -> tuple[str, int]:
    """The sentence for an error, and the exit code.

    - A stopped run, a file that cannot be fetched, a lost process, a full disk and a path that cannot be used
      are each explained in a sentence.
    - A `UserError` shows its own message, after the line of the experiment file if it was raised there.
    - Any other error that was raised in an experiment file shows its traceback from that file on.
    - All other errors are mistakes of the program: they show the complete traceback and ask for a report.

    Args:
        error: with its traceback.

    Returns:
        the sentence, and the exit code: 2 for mistakes of the user and errors of files and disks, 70 for mistakes of the
        program, 75 for a lost process; a stopped run and a file that cannot be fetched have their own.
    """
    if isinstance(error, Stopped | NotFetched):
        return str(error), error.code
    if (sentence := explain_severed(error)) is not None:
        return sentence, RESTART
    if (sentence := explain(error)) is not None:
        return sentence, USAGE_ERROR
    if isinstance(error, OSError) and error.errno in OF_PATHS:
        reason = str(error.strerror).lower()
        return f"{error.filename} cannot be written or read ({reason}): {OF_PATHS[error.errno]}.", USAGE_ERROR
    frame = _find_experiment_frame(error.__traceback__)
    if isinstance(error, UserError):
        return str(error) if frame is None else f"{_place(frame)}: {error}", USAGE_ERROR
    if frame is not None:
        _print_traceback(error, frame)
        return f"{_place(frame)}: the experiment file failed with {type(error).__name__}: {error}", USAGE_ERROR
    _print_traceback(error, error.__traceback__)
    return (
        "this is a bug in p2p_jax, not a mistake of yours: please report it with the traceback above, the command, and "
        f"the output of `{PROGRAM} --version`."
    ), INTERNAL_ERROR


def _print_traceback(error: Exception, trace: TracebackType | None) -> None:
    lines = traceback.format_exception(type(error), error, trace)
    print(printable("".join(lines), lines=True), end="", file=sys.stderr)


def _find_experiment_frame(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins at its last line in an experiment file of the user; None if there is none."""
    found = None
    while trace is not None:
        if IS_EXPERIMENT in trace.tb_frame.f_globals:
            found = trace
        trace = trace.tb_next
    return found


def _place(trace: TracebackType) -> str:
    """The file, the line and the function in which a traceback begins."""
    code = trace.tb_frame.f_code
    where = f", in {code.co_name}" if code.co_name != "<module>" else ""
    path = Path(code.co_filename)
    shown = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}, line {trace.tb_lineno}{where}"

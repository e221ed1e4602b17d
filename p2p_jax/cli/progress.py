"""The progress of commands that measure or translate many pictures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from p2p_jax.console import progress_bar
from p2p_jax.signals import ended_by_sigterm


@contextmanager
def show_progress(console: Console, doing: str, stopped: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a progress bar while the block runs, and ends the block cleanly on SIGTERM.

    Args:
        console: where the bar is shown.
        doing: what the command does, such as "translating".
        stopped: a sentence for SIGTERM that says how to resume.

    Yields:
        a function that takes the number of pictures that are done, and the number of all.

    Raises:
        Stopped: the process received SIGTERM.
    """
    with ended_by_sigterm(stopped), progress_bar(console) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def resumable(partial: str | Path | None) -> str:
    """The sentence for SIGTERM of a command with the option --partial."""
    return "Stopped; " + ("the same command resumes." if partial else "add --partial FOLDER to allow resuming.")

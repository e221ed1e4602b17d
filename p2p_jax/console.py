"""Console output: messages, progress bars, and waits that are named and timed."""

import io
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.text import Text

from p2p_jax.files.names import printable

LONG_WAIT = 2.0  # a wait of at least this many seconds gets a line if the console is not a terminal


class _SafeConsole(Console):
    """A console on which names and other foreign texts control nothing: see `printable`. A string is one line."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints strings as one line each, and other objects as rich does."""
        super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders an object, and replaces what could control the terminal in its texts; rich's own codes stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text, lines=True))


def escape_unencodable() -> None:
    """Makes the standard streams escape what their encoding cannot hold, so that no text is an error in any locale."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def open_console(*, quiet: bool = False) -> Console:
    """Returns a console without forced line breaks and without markup; with `quiet` it prints nothing."""
    return _SafeConsole(soft_wrap=True, markup=False, highlight=False, quiet=quiet)


def progress_bar(console: Console) -> Progress:
    """Returns a progress bar with the elapsed and the remaining time; it is silent if the console is not a terminal.

    A task may have a field `left` with the remaining seconds, which replace the bar's own estimate.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Clock("elapsed"), _Clock("left"))
    return Progress(*columns, console=console, disable=not console.is_terminal)


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Shows what the user waits for while the block runs, with the elapsed time.

    A terminal shows a spinner. Any other console gets one line at the end, if the block took two seconds or more.

    Args:
        console: where the wait is shown; no other live display may be open there.
        what: description of the wait, such as "compiling the training step".
    """
    started = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(what, total=None)
        yield
    seconds = time.monotonic() - started
    if not console.is_terminal and seconds >= LONG_WAIT:
        console.print(f"{what}: {seconds:.0f} s")


def count_of(number: int, noun: str) -> str:
    """Returns a number with its noun.

    >>> count_of(1, "picture"), count_of(2, "batch"), count_of(0, "file")
    ('1 picture', '2 batches', '0 files')
    """
    return f"{number} {noun}" + ("" if number == 1 else "es" if noun.endswith("ch") else "s")


class _Clock(TextColumn):
    """A time with its name: "elapsed 0:01:02" or "left 0:03:04"."""

    def __init__(self, name: str):
        super().__init__("")
        self.name = name

    def render(self, task: Task) -> Text:
        """Returns the text for a task."""
        seconds = task.elapsed if self.name == "elapsed" else task.fields.get("left", task.time_remaining)
        shown = (
            "-:--:--" if seconds is None else f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"
        )
        return Text(f"{self.name} {shown}")

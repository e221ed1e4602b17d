"""Console output: messages, progress bars, and waits that are named and timed."""

import errno
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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


CLOSED = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO)
"""Numbers of the errors of a stream that nobody reads any more: a closed pipe or a closed terminal."""


class _Output:
    """A stream of text that survives the end of its reader: what cannot be printed is dropped."""

    def __init__(self, stream: Any, *, any_error: bool):
        self._stream, self._any_error = stream, any_error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes a text. Characters that the stream's encoding lacks are escaped."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError as error:
            self.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        except (OSError, RuntimeError, ValueError) as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Writes what is buffered."""
        try:
            self._stream.flush()
        except (OSError, RuntimeError, ValueError) as error:
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        # A ValueError is that of a closed stream, a RuntimeError that of a print that a signal interrupted.
        if not isinstance(error, OSError):
            return
        if not self._any_error and error.errno not in CLOSED:
            raise error
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            # So that what is buffered, and what libraries print, does not fail later, such as when Python ends.
            os.dup2(nowhere.fileno(), self._stream.fileno())


@contextmanager
def lasting_output(*, any_error: bool = False) -> Iterator[None]:
    """Keeps a print that fails from ending the program: if the reader of stdout or stderr is gone, the block continues.

    From then on the whole process prints into nothing, so only a command line may use this.

    Args:
        any_error: also go on after other errors, such as a full disk: for commands whose result is files, not prints.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Output(stream, any_error=any_error) if stream else stream for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, AttributeError):
                stream.flush()
        sys.stdout, sys.stderr = before


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

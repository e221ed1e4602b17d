"""Console output: messages, progress bars, and waits that are named and timed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

TOLD = 2.0  # seconds from which on a wait is worth a line where the console is no terminal


def open_console(*, quiet: bool = False) -> Console:
    """The terminal, without forced line breaks and without markup; or, with `quiet`, a console that prints nothing."""
    return Console(soft_wrap=True, markup=False, highlight=False, quiet=quiet)


def progress_bar(console: Console) -> Progress:
    """A progress bar with the elapsed time and the time left; silent where the console is no terminal.

    A task may have a field `left`: the seconds left, which then replace the bar's own estimate.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Clock("elapsed"), _Clock("left"))
    return Progress(*columns, console=console, disable=not console.is_terminal)


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Names what the user waits for, with the elapsed time.

    A terminal shows it while it lasts. Any other console gets a line when it is over, if it took two seconds or more.

    Args:
        console: where it is shown; no other live display may be open there.
        what: such as "compiling the training step".
    """
    started = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(what, total=None)
        yield
    seconds = time.monotonic() - started
    if not console.is_terminal and seconds >= TOLD:
        console.print(f"{what}: {seconds:.0f} s")


class _Clock(TextColumn):
    """A time with its name: "elapsed 0:01:02" or "left 0:03:04"."""

    def __init__(self, name: str):
        super().__init__("")
        self.name = name

    def render(self, task: Task) -> Text:
        """The text of a task."""
        seconds = task.elapsed if self.name == "elapsed" else task.fields.get("left", task.time_remaining)
        shown = (
            "-:--:--" if seconds is None else f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"
        )
        return Text(f"{self.name} {shown}")

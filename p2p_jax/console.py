"""Console output: the terminal that messages go to, and progress bars."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def open_console(*, quiet: bool = False) -> Console:
    """The terminal, as this program writes to it: no line broken by force, no text read as markup; or nothing at all."""
    return Console(soft_wrap=True, markup=False, highlight=False, quiet=quiet)


def progress_bar(console: Console) -> Progress:
    """A progress bar with the time left; silent where the console is no terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=console, disable=not console.is_terminal)

"""What a run says while it goes on: progress, metrics.jsonl, TensorBoard; and how it hears Ctrl-C and SIGTERM."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from p2p_jax.errors import Stopped

INTERRUPTED: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 75}
"""Exit codes of a run that was told to stop: 75 asks a scheduler to start it again."""


SHOWN_WITHIN = 30.0  # seconds until TensorBoard sees a row


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of metrics.jsonl; a last line cut off by a crash is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def describe(row: dict[str, float]) -> str:
    """A row of metrics in a few words."""
    short = {"generator_l1": "L1", "generator_gan": "GAN", "discriminator_loss": "D", "val_ssim": "val SSIM"}
    parts = [f"{label} {row[name]:.3f}" for name, label in short.items() if name in row]
    return " ".join([*parts, f"{row['pictures_per_second']:.1f} pictures/s"])


def open_console(*, quiet: bool = False) -> Console:
    """The terminal, as this program writes to it: no line broken by force, no text read as markup; or nothing at all."""
    return Console(soft_wrap=True, markup=False, highlight=False, quiet=quiet)


def progress_bar(console: Console) -> Progress:
    """A progress bar with the time left; silent where the console is no terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=console, disable=not console.is_terminal)


@contextmanager
def metrics_writer(workdir: Path, *, tensorboard: bool) -> Iterator[Callable[[dict[str, float]], None]]:
    """A function that appends a row to metrics.jsonl, and to TensorBoard if asked for."""
    board = _events_writer(workdir / "tensorboard") if tensorboard else nullcontext(lambda row: None)
    with board as write_event, (workdir / "metrics.jsonl").open("a") as file:

        def write(row: dict[str, float]) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()
            write_event(row)

        yield write


@contextmanager
def ended_by_sigterm(message: str, code: int = INTERRUPTED[signal.SIGTERM]) -> Iterator[None]:
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
        before = {number: signal.signal(number, catch) for number in INTERRUPTED}
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _events_writer(folder: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """A function that writes a row as an event of TensorBoard.

    It writes by itself: the package's own SummaryWriter leaves that to a thread, and waits for ever once that thread has
    met a full disk.

    Raises:
        ValueError: tensorboardX is not installed.
    """
    try:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore
        from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore
    except ImportError:
        raise ValueError(
            "--tensorboard needs the package tensorboardX: install p2p-jax[tensorboard], or leave the option out."
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    # Numbered, for the package names files by the second.
    events = EventsWriter(str(folder / "events"), f".{len(list(folder.iterdir()))}")
    flushed = time.monotonic()

    def write(row: dict[str, float]) -> None:
        nonlocal flushed
        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
        events.write_event(Event(wall_time=time.time(), step=int(row["step"]), summary=Summary(value=values)))
        if time.monotonic() - flushed > SHOWN_WITHIN:
            events.flush()
            flushed = time.monotonic()

    try:
        yield write
    finally:
        events.close()

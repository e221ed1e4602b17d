"""The metrics of a run: metrics.jsonl, TensorBoard, and how the run spent its time."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from p2p_jax.errors import UserError
from p2p_jax.files.decode import decode_row
from p2p_jax.files.writing import open_no_link

FLUSH_INTERVAL = 30.0  # seconds between two flushes of TensorBoard's events


def read_rows(path: Path) -> list[dict[str, float]]:
    """Reads the rows of metrics.jsonl; if a crash has cut off the last line, it is ignored."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            rows.append(decode_row(line))
        except ValueError:
            break
    return rows


def describe(row: dict[str, float]) -> str:
    """Formats a row of metrics as a short text for the console."""
    short = {"generator_l1": "L1", "generator_gan": "GAN", "discriminator_loss": "D", "val_ssim": "val SSIM"}
    parts = [f"{label} {row[name]:.3f}" for name, label in short.items() if name in row]
    return " ".join([*parts, f"{row['pictures_per_second']:.1f} pictures/s"])


@contextmanager
def metrics_writer(workdir: Path, *, tensorboard: bool) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yields a function that appends a row to metrics.jsonl, and to TensorBoard's events if `tensorboard` is set.

    Raises:
        UserError: tensorboardX is needed and not installed.
    """
    board = _events_writer(workdir / "tensorboard") if tensorboard else nullcontext(lambda row: None)
    path, flags = workdir / "metrics.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with board as write_event, open(open_no_link(path, flags), "a", encoding="utf-8") as file:

        def write(row: dict[str, float]) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()
            write_event(row)

        yield write


@contextmanager
def _events_writer(folder: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yields a function that writes a row as an event of TensorBoard.

    Events are written directly: the package's SummaryWriter writes in a thread, and blocks forever once that thread has
    failed on a full disk.

    Raises:
        UserError: tensorboardX is not installed.
    """
    try:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore
        from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore
    except ImportError:
        raise UserError(
            "--tensorboard needs the package tensorboardX: install p2p-jax[tensorboard], or omit --tensorboard."
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    # Numbered, because the package names files by the time in seconds: two files of one second would have the same name.
    events = EventsWriter(str(folder / "events"), f".{len(list(folder.iterdir()))}")
    flushed = time.monotonic()

    def write(row: dict[str, float]) -> None:
        nonlocal flushed
        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
        events.write_event(Event(wall_time=time.time(), step=int(row["step"]), summary=Summary(value=values)))
        if time.monotonic() - flushed > FLUSH_INTERVAL:
            events.flush()
            flushed = time.monotonic()

    try:
        yield write
    finally:
        events.close()


WAITS = {
    "data": "waiting for data",
    "compilation": "compiling",
    "sample": "translating for sample grids",
    "validation": "validating",
    "checkpoint": "saving checkpoints",
}
"""The kinds of wait in words. A row of metrics holds, as NAME_wait, the fraction of its time that each took."""


def time_fractions(rows: list[dict[str, float]]) -> dict[str, float]:
    """Computes how a run spent its time.

    Args:
        rows: of metrics.jsonl.

    Returns:
        {"training": fraction in [0, 1], and the same for each of `WAITS` in words}; {} if no row has a time.
    """
    total = sum(row.get("seconds", 0.0) for row in rows)
    if not total:
        return {}
    seconds = {name: sum(row.get(f"{name}_wait", 0.0) * row.get("seconds", 0.0) for row in rows) for name in WAITS}
    waited = {WAITS[name]: value / total for name, value in seconds.items()}
    return {"training": 1 - sum(waited.values()), **waited}

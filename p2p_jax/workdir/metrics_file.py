"""The metrics of a run: metrics.jsonl, and how the run spent its time."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from p2p_jax.files.decode import decode_row
from p2p_jax.files.writing import atomic_file, open_no_link

MAX_NAMED = 10  # most damaged lines that a message names

Row = dict[str, float]
"""The metrics of some steps by name; "step" is the last of these steps."""


def read_rows(path: Path) -> list[Row]:
    """Reads the rows of metrics.jsonl. Damaged lines are skipped with a warning.

    If a crash has cut off the last line, it is ignored without a warning.
    """
    return [row for _, row in _read_lines(path) if row is not None]


def drop_rows(path: Path, step: int) -> None:
    """Removes the rows of metrics.jsonl after a step, because the resumed run writes them again.

    Damaged lines stay, with a warning, unless every row after them is removed: they may hold earlier steps.
    """
    lines = _read_lines(path)
    if not lines:
        return
    last = max((place for place, (_, row) in enumerate(lines) if row is not None and row["step"] <= step), default=-1)
    kept = [line for place, (line, row) in enumerate(lines) if (place < last if row is None else row["step"] <= step)]
    with atomic_file(path) as file:
        file.write(b"".join(line + b"\n" for line in kept))


def _read_lines(path: Path) -> list[tuple[bytes, Row | None]]:
    """Reads lines without their ends, each with its row, which is None if the line is damaged; warns of such lines."""
    if not path.is_file():
        return []
    *lines, cut = path.read_bytes().split(b"\n")
    found = [(line, _parse(line)) for line in lines]
    if _parse(cut) is not None:
        found.append((cut, _parse(cut)))
    damaged = [str(number) for number, (_, row) in enumerate(found, start=1) if row is None]
    if damaged:
        shown = ", ".join(damaged[:MAX_NAMED]) + (", …" if len(damaged) > MAX_NAMED else "")
        warnings.warn(f"{path} has damaged lines, which are skipped: {shown}.", stacklevel=3)
    return found


def _parse(line: bytes) -> Row | None:
    """Returns the row of a line; None if the line is not a JSON object of numbers with a step."""
    try:
        return decode_row(line.decode())
    except ValueError:
        return None


USUAL = ("val_l1", "val_psnr")
"""Figures that every validation has, and that are not shown on the console."""


def describe(row: dict[str, float]) -> str:
    """Formats a row of metrics as a short text for the console."""
    short = {"generator_l1": "L1", "generator_gan": "GAN", "discriminator_loss": "D", "val_ssim": "val SSIM"}
    short |= {name: name.replace("_", " ") for name in row if name.startswith("val_") and name not in (*short, *USUAL)}
    parts = [f"{label} {row[name]:.3f}" for name, label in short.items() if name in row]
    parts += [f"{row['pictures_per_second']:.1f} pictures/s"] if "pictures_per_second" in row else []
    return " ".join(parts)


@contextmanager
def metrics_writer(workdir: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yields a function that appends a row to metrics.jsonl."""
    path, flags = workdir / "metrics.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with open(open_no_link(path, flags), "a", encoding="utf-8") as file:

        def write(row: dict[str, float]) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()

        yield write


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

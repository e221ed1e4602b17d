"""Shows a run while it trains: a page of its curves and sample grids, written again as they arrive.

Nothing is evaluated, no code of the workdir runs, no lock is taken, and no device is used.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.config import Config
from p2p_jax.config.checks import check_config
from p2p_jax.config.tree import from_dict
from p2p_jax.data.loading import describe_data
from p2p_jax.errors import UserError
from p2p_jax.evaluation.html import escape
from p2p_jax.evaluation.metrics.registry import METRICS
from p2p_jax.evaluation.metrics.trained import available_metrics
from p2p_jax.evaluation.pages import about, closing, curves
from p2p_jax.evaluation.pages.parts import column_table, interactive_document, navigation
from p2p_jax.files.outputs import as_path
from p2p_jax.files.writing import make_own_folder, write_text
from p2p_jax.workdir.bucket.paths import is_local_copy
from p2p_jax.workdir.cleaning import find_samples
from p2p_jax.workdir.metrics_file import read_rows
from p2p_jax.workdir.record import RECORD, read_record

PAGE = "live.html"
"""The page in WORKDIR/report; the final report has other files, which this one never replaces."""

POLL = 0.5  # seconds between two looks for new rows


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        step: of the last row of metrics, 0 if there is none.
        steps: the length of the run, None if it is not known.
        finished: the checkpoint of the last step is saved.
    """

    step: int
    steps: int | None
    finished: bool


def follow(
    workdir: str | Path,
    *,
    interval: int = 10,
    on_written: Callable[[Path, Progress], object] = lambda page, progress: None,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Writes WORKDIR/report/live.html again whenever rows or samples have arrived, until the run is finished.

    Args:
        workdir: folder of the run.
        interval: seconds between two looks, and between two times that the page loads itself again.
        on_written: called after each writing.
        sleep: waits for some seconds; for tests.

    Returns:
        the path of the page.

    Raises:
        UserError: the folder is not a workdir, or lies in a bucket.
    """
    if interval < 1:
        raise UserError(f"--interval {interval} was given: it must be at least 1 second.")
    folder = as_path(workdir, "the workdir")
    if is_local_copy(folder):
        raise UserError(f"{workdir} was given: --follow needs the folder in which the run trains, on this machine.")
    seen = None
    while True:
        now, progress = _state(folder)
        # A run that starts or ends meanwhile removes unfinished files; the page is then written at the next look.
        with suppress(FileNotFoundError):
            if now != seen:
                on_written(write_page(folder, progress, interval), progress)
                seen = now
            if progress.finished:
                return folder / "report" / PAGE
        for _ in range(round(interval / POLL)):
            sleep(POLL)


def _state(workdir: Path) -> tuple[Any, Progress]:
    """What the page depends on, to compare, and how far the run is."""
    record = read_record(workdir)
    steps = record["config"].get("steps")
    steps = steps if type(steps) is int else None
    metrics = workdir / "metrics.jsonl"
    size = metrics.stat().st_size if metrics.is_file() else 0
    samples = [path.name for path in find_samples(workdir)]
    # A checkpoint gets its name only when it is complete.
    finished = steps is not None and (workdir / "checkpoints" / str(steps)).is_dir()
    rows = read_rows(metrics)
    progress = Progress(int(rows[-1]["step"]) if rows else 0, steps, finished)
    return ((workdir / RECORD).stat().st_mtime_ns, size, samples, finished), progress


def write_page(workdir: Path, progress: Progress, interval: int) -> Path:
    """Writes the page once.

    Args:
        workdir: of the run.
        progress: of the run.
        interval: seconds after which the page loads itself again, while the run is not finished.
    """
    record, rows = read_record(workdir), read_rows(workdir / "metrics.jsonl")
    config, charts, times = _config(record), curves.charts_of(rows), about.times(rows)
    title = f"p2p_jax: {record['name']}, {'finished' if progress.finished else 'training'}"
    places = {"validation": "Validation", "curves": "Curves", "growth": "Over the training", "settings": "Settings"}
    body = [
        f"<h1>{escape(title)}</h1>",
        _state_line(progress, rows, interval),
        about.run_line(config, rows, describe_data(config.data), progress.step),
        *about.skipped_batches(rows),
        *about.diagnoses(rows, config),
        navigation(places | {"run": "Run"} | ({"time": "Time"} if times else {})),
        '<h2 id="validation">Validation</h2>',
        _validation(rows),
        '<h2 id="curves">Curves</h2>',
        curves.section(charts),
        *closing.sections(workdir, config, record, times),
    ]
    data = {"charts": curves.as_data(charts), "metrics": [], "pairs": {}}
    folder = workdir / "report"
    make_own_folder(folder)
    page = interactive_document(title, body, data, reload_seconds=None if progress.finished else interval)
    write_text(folder / PAGE, page)
    return folder / PAGE


def _config(record: dict[str, Any]) -> Config:
    """The config of a record, without the fields that an experiment of somebody has beside those of `Config`.

    Raises:
        UserError: a value is of another type, or not possible.
    """
    names = {field.name for field in fields(Config)}
    known = {name: value for name, value in record["config"].items() if name in names}
    config = from_dict(Config, known)
    check_config(config)
    return config


def _state_line(progress: Progress, rows: list[dict[str, float]], interval: int) -> str:
    of = "" if progress.steps is None else f" of {progress.steps}"
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = f"Step {progress.step}{of}, as of {written}."
    if progress.finished:
        return (
            f'<p class="notice">{text} The run is finished. Its report, once it is written, is '
            '<a href="index.html">index.html</a>.</p>'
        )
    left = ""
    paces = [row["seconds"] for row in rows[-5:] if 0 < row.get("seconds", 0) < 1e9]
    if progress.steps is not None and len(rows) > 5 and paces and rows[-6]["step"] < progress.step:
        pace = sum(paces) / (progress.step - rows[-6]["step"])
        left = f" At the pace of the last rows it takes {about.duration(pace * (progress.steps - progress.step))} more."
    return (
        f'<p class="notice">{text}{left} This page loads itself again every {interval} seconds. '
        f'<span id="reloading" data-seconds="{interval}"></span></p>'
    )


def _validation(rows: list[dict[str, float]]) -> str:
    """The last and the best figures of validation."""
    known = METRICS | available_metrics()
    lines = []
    for name in dict.fromkeys(each for row in rows for each in row if each.startswith("val_")):
        metric = known.get(name.removeprefix("val_"))
        if metric is None:
            continue
        points = [(row[name], int(row["step"])) for row in rows if name in row and abs(row[name]) < curves.LARGEST]
        if not points:
            continue
        key = {
            "higher": lambda point: -point[0],
            "lower": lambda point: point[0],
            "near 1": lambda point: abs(point[0] - 1),
        }
        best = min(points, key=key[metric.best])
        last = points[-1]
        cells = (f"{value:.{metric.digits}f}" for value in (last[0], best[0]))
        lines.append(
            [metric.title, *(part for pair in zip(cells, (str(last[1]), str(best[1])), strict=True) for part in pair)]
        )
    if not lines:
        return "<p>No figures of validation yet: there is no validation split, or no checkpoint was saved so far.</p>"
    return column_table(["", "last", "at step", "best", "at step"], lines, numbers=(1, 2, 3, 4))

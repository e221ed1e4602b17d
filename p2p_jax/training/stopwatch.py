"""Rows of metrics.jsonl: what happened since the last one, and what time was lost to."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from p2p_jax.step import Pix2Pix
from p2p_jax.workdir.metrics_file import WAITS

PAUSES = ("compilation", "sample", "validation", "checkpoint")
"""Those in which no step is on its way."""


@dataclass
class Interval:
    """What happened since the last row.

    Attributes:
        metrics: of every step, as far as they were looked at.
        started: when it began, in seconds of `time.perf_counter`.
        lost: seconds, by what they were lost to.
    """

    metrics: list[dict[str, float]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    lost: dict[str, float] = field(default_factory=lambda: dict.fromkeys(WAITS, 0.0))


@contextmanager
def losing(window: Interval, name: str) -> Iterator[None]:
    """Counts the time of what is done within as lost to one of `WAITS`."""
    started = time.perf_counter()
    yield
    window.lost[name] += time.perf_counter() - started


def make_row(window: Interval, step: int, model: Pix2Pix, batch_size: int) -> dict[str, float]:
    """The row of a window: means of the metrics, learning rates, speed, and what time was lost to.

    Args:
        window: that ends now, with the metrics of one step at least.
        step: its last one.
        model: whose learning rates are told.
        batch_size: pairs per step.

    Returns:
        the metrics, the learning rates, `pictures_per_second` (pauses left out), `seconds` of the window, and of them the
        share in [0, 1] lost to each of `WAITS`.
    """
    seconds = time.perf_counter() - window.started
    row: dict[str, float] = {"step": step}
    row |= {name: float(np.mean([metrics[name] for metrics in window.metrics])) for name in window.metrics[0]}
    row |= {name: float(np.asarray(rate(step - 1))) for name, rate in model.learning_rates.items()}
    trained = seconds - sum(window.lost[name] for name in PAUSES)
    row["pictures_per_second"] = len(window.metrics) * batch_size / trained
    row["seconds"] = seconds
    return row | {f"{name}_wait": lost / seconds for name, lost in window.lost.items()}

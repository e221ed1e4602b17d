"""The time between two rows of metrics.jsonl, and the part of it that was spent waiting."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from p2p_jax.step import Pix2Pix
from p2p_jax.workdir.metrics_file import WAITS

PAUSES = ("compilation", "sample", "validation", "checkpoint")
"""The kinds of wait during which no step runs."""


@dataclass
class Interval:
    """Metrics and waits since the last row.

    Attributes:
        metrics: of every step whose metrics have been read.
        started: when the interval began, in seconds of `time.perf_counter`.
        waits: seconds by kind of wait, see `metrics_file.WAITS`.
    """

    metrics: list[dict[str, float]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    waits: dict[str, float] = field(default_factory=lambda: dict.fromkeys(WAITS, 0.0))


@contextmanager
def waiting_for(interval: Interval, name: str) -> Iterator[None]:
    """Adds the time of the block to one kind of wait of an interval."""
    started = time.perf_counter()
    yield
    interval.waits[name] += time.perf_counter() - started


def make_row(interval: Interval, step: int, model: Pix2Pix, batch_size: int) -> dict[str, float]:
    """Makes the row of an interval that ends now.

    Args:
        interval: with the metrics of at least one step.
        step: its last step.
        model: for its learning rates.
        batch_size: pairs per step.

    Returns:
        the means of the metrics, the learning rates, `pictures_per_second` (without pauses), `seconds` of the interval,
        and the fraction of them, in [0, 1], of each kind of wait.
    """
    seconds = time.perf_counter() - interval.started
    row: dict[str, float] = {"step": step}
    row |= {name: float(np.mean([metrics[name] for metrics in interval.metrics])) for name in interval.metrics[0]}
    row |= {name: float(np.asarray(rate(step - 1))) for name, rate in model.learning_rates.items()}
    trained = seconds - sum(interval.waits[name] for name in PAUSES)
    row["pictures_per_second"] = len(interval.metrics) * batch_size / trained
    row["seconds"] = seconds
    return row | {f"{name}_wait": wait / seconds for name, wait in interval.waits.items()}

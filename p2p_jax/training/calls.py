"""Dispatched device calls, and their metrics once they have ended."""

import math
from typing import NamedTuple

import jax
import numpy as np

from p2p_jax.errors import NotFinite
from p2p_jax.step import Metrics
from p2p_jax.training.feed import NETWORKS_FINITE


class Call(NamedTuple):
    """A device call that was dispatched.

    Attributes:
        step: the number of its last step.
        metrics: of its steps.
        logged: whether a row of metrics.jsonl follows it.
        stop: the vote of the processes at this call: whether one has received a signal to stop.
    """

    step: int
    metrics: Metrics
    logged: bool
    stop: jax.Array | bool


def fetch_metrics(call: Call) -> list[dict[str, float]]:
    """Waits for a call and returns the metrics of each of its steps.

    Raises:
        NotFinite: one of them is not finite, or the networks are not.
    """
    values = {name: np.ravel(value) for name, value in jax.device_get(call.metrics).items()}
    rows = [dict(zip(values, map(float, step), strict=True)) for step in zip(*values.values(), strict=True)]
    for step, row in enumerate(rows, start=call.step - len(rows) + 1):
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if bad:
            raise NotFinite(f"{bad[0]} became {row[bad[0]]} at step {step}", step)
        if not row.pop(NETWORKS_FINITE, True):
            raise networks_not_finite(step)
    return rows


def networks_not_finite(step: int) -> NotFinite:
    """Returns the exception for networks that hold values which are not finite after a step."""
    return NotFinite(f"the networks hold values that are not finite after step {step}", step)

"""What runs have cost: time, steps and memory, from their metrics.jsonl."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.workdir.metrics_file import Row


class Cost(NamedTuple):
    """What a run has cost until its checkpoint.

    Attributes:
        seconds: from the first step on, with compilation and validation; None if the rows do not say it.
        steps: of training.
        pictures_per_second: median of the rows, without pauses; None if the rows do not say it.
        memory: {name of a metric with "memory" in its name: its largest value}.
    """

    seconds: float | None
    steps: int
    pictures_per_second: float | None
    memory: dict[str, float]


def cost_of(rows: Sequence[Row], step: int) -> Cost:
    """Adds up the cost of a run until a checkpoint.

    Args:
        rows: of metrics.jsonl.
        step: of the checkpoint.
    """
    rows = [row for row in rows if row["step"] <= step]
    seconds = [row["seconds"] for row in rows if np.isfinite(row.get("seconds", np.nan))]
    rates = [row["pictures_per_second"] for row in rows if np.isfinite(row.get("pictures_per_second", np.nan))]
    memory: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            if "memory" in name and np.isfinite(value):
                memory[name] = max(value, memory.get(name, value))
    return Cost(sum(seconds) if seconds else None, step, float(np.median(rates)) if rates else None, memory)

"""The order in which a report shows its pairs: the worst and the best first."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.config import Side
from p2p_jax.config.derived import named_classes
from p2p_jax.evaluation.evaluate import Figures
from p2p_jax.evaluation.metrics.label_agreement import FROM_COUNTS
from p2p_jax.evaluation.metrics.trained import find_metric

PREFERRED = ("lpips_alex", "lpips_vgg", "iou", "pixel_accuracy", "haarpsi", "ssim", "l1")
"""Metrics by which pairs are ranked, the first one that they have."""

SHOWN_FIRST = 4
"""Number of the worst pairs, and of the best ones, that come first."""

Scores = dict[str, Sequence[float | None]]
"""{metric: the value of each pair, None where a pair has none}."""


class Ranking(NamedTuple):
    """The order of the pairs.

    Attributes:
        metric: by which they are ranked, None if no pair has a value of any.
        order: indices of the pairs as the report shows them.
        places: {index: such as "worst 1"} of the pairs that come first.
    """

    metric: str | None
    order: list[int]
    places: dict[int, str]


def scores_of_pairs(figures: Figures, target: Side) -> Scores:
    """The values of every metric that pairs have; of label maps also those that follow from a pair's own classes."""
    scores: Scores = dict(figures.of_pairs)
    classes = named_classes(target)
    if classes and figures.counts:
        counts = [None if row is None else np.asarray(row).reshape(3, classes) for row in figures.counts]
        for name, function in FROM_COUNTS.items():
            scores[name] = [None if parts is None else _finite(function, parts) for parts in counts]
    return {name: values for name, values in scores.items() if any(value is not None for value in values)}


def _finite(function: Callable[..., np.ndarray], parts: np.ndarray) -> float | None:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(function(*parts))
    return value if np.isfinite(value) else None


def rank(scores: Scores, count: int) -> Ranking:
    """Ranks pairs: the worst four, the best four, then the others from the worst to the best, then those without a value.

    Args:
        scores: of all pairs.
        count: number of pairs.
    """
    metric = next((name for name in PREFERRED if name in scores), None)
    if metric is None:
        return Ranking(None, list(range(count)), {})
    values, best = scores[metric], find_metric(metric).best
    having = [index for index in range(count) if values[index] is not None]
    sign = -1 if best == "lower" else 1
    having.sort(key=lambda index: (sign * (values[index] or 0.0), index))  # from the worst
    first = min(SHOWN_FIRST, -(-len(having) // 2))
    worst, others = having[:first], having[first:]
    top = others[::-1][:SHOWN_FIRST]
    middle = [index for index in others if index not in set(top)]
    places = {index: f"worst {place}" for place, index in enumerate(worst, start=1)}
    places |= {index: f"best {place}" for place, index in enumerate(top, start=1)}
    missing = [index for index in range(count) if values[index] is None]
    return Ranking(metric, worst + top + middle + missing, places)

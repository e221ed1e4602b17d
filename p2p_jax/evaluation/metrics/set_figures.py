"""Figures of sets of pictures with their 95 % intervals, from the features of made and of real pictures.

Drawing pictures with replacement would shift these figures, because a picture and its copy are neighbours. So the intervals
come from the jackknife, which leaves pictures out. Source: Shao and Wu, A General Theory for Jackknife
Variance Estimation, 1989 (leaving out groups).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from p2p_jax.evaluation.metrics.frechet import frechet_distance
from p2p_jax.evaluation.metrics.kernel_distance import kernel_distance
from p2p_jax.evaluation.metrics.precision_recall import precision_recall

NORMAL_95 = 1.96  # standard errors on each side of a 95 % interval

GROUPS = 20
"""Groups of pictures of which the jackknife leaves out one at a time."""

SMALLEST = 2 * GROUPS
"""Pictures that each set needs: with fewer, figures of sets say nothing."""


class SetFigure(NamedTuple):
    """A figure of a set.

    Attributes:
        value: the figure.
        low: lower end of its 95 % interval over pictures.
        high: upper end.
    """

    value: float
    low: float
    high: float


def kernel_figure(made: np.ndarray, real: np.ndarray, paired: bool) -> SetFigure:
    """The kernel distance, which may be negative; see `kernel_distance`.

    Args:
        made, real: (n, d) and (m, d), features of the pictures of each set.
        paired: picture i of one set belongs to picture i of the other.

    Raises:
        UserError: as for `kernel_distance`.
    """
    value, error = kernel_distance(made, real, paired=paired)
    return SetFigure(value, value - NORMAL_95 * error, value + NORMAL_95 * error)


def frechet_figure(made: np.ndarray, real: np.ndarray, paired: bool) -> SetFigure:
    """The Fréchet distance, at least 0; see `frechet_distance` and `kernel_figure`."""
    return _with_interval(lambda x, y: frechet_distance(x, y).value, made, real, paired, highest=np.inf)


def precision_figure(made: np.ndarray, real: np.ndarray, paired: bool) -> SetFigure:
    """The precision, 0 to 1; see `precision_recall` and `kernel_figure`."""
    return _with_interval(lambda x, y: precision_recall(x, y).precision, made, real, paired, highest=1.0)


def recall_figure(made: np.ndarray, real: np.ndarray, paired: bool) -> SetFigure:
    """The recall, 0 to 1; see `precision_recall` and `kernel_figure`."""
    return _with_interval(lambda x, y: precision_recall(x, y).recall, made, real, paired, highest=1.0)


def _with_interval(
    figure: Callable[[np.ndarray, np.ndarray], float], made: np.ndarray, real: np.ndarray, paired: bool, highest: float
) -> SetFigure:
    value = figure(made, real)
    if paired:
        variance = _variance([figure(x, y) for x, y in zip(_without(made), _without(real), strict=True)])
    else:
        variance = _variance([figure(x, real) for x in _without(made)])
        variance += _variance([figure(made, y) for y in _without(real)])
    half = NORMAL_95 * np.sqrt(variance)
    return SetFigure(value, max(0.0, float(value - half)), min(highest, float(value + half)))


def _without(features: np.ndarray) -> list[np.ndarray]:
    """The features (n, d) without one group of pictures, for each group."""
    group = np.arange(len(features)) % GROUPS
    return [features[group != left_out] for left_out in range(GROUPS)]


def _variance(without: list[float]) -> float:
    """The jackknife's variance of a figure, from its values without one group each."""
    return float((GROUPS - 1) / GROUPS * np.square(np.array(without) - np.mean(without)).sum())

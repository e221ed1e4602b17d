"""Differences between settings, with intervals that hold two sources of chance: the pictures and the seeds of training.

Let a setting have n runs that differ in their seed, all measured on the same P pictures. A run's figure is

    f = m + s + (mean over the pictures of a[p] + e[p]),

with m the figure that the setting has on average over seeds and pictures, s the effect of the run's seed with the variance
S, a[p] the effect of a picture, the same for all runs of the setting, and e[p] that of a run on a picture. The difference d
between the means of two settings' runs (1 and 2) then has the variance

    Var(d) = S1/n1 + S2/n2 + Var(a2 - a1)/P + (Var(e1)/n1 + Var(e2)/n2)/P.

The sample variance of the runs' figures estimates S + Var(e)/P, because the pictures' effects are equal in all runs of a
setting. Resampling the pictures gives the variance of d over pictures, Var(a2 - a1)/P + (Var(e1)/n1 + Var(e2)/n2)/P. So

    V = v1/n1 + v2/n2 + B,

with v the sample variances of the runs' figures (n - 1 degrees of freedom) and B the bootstrap variance of d, multiplied by
P/(P - 1) because the bootstrap divides by P (P - 1 degrees of freedom), counts the last term twice and everything else
once: the interval is rather too wide than too narrow. A sum of estimated variances is close to a multiple of chi-squared
with the degrees of freedom

    V^2 / ((v1/n1)^2/(n1 - 1) + (v2/n2)^2/(n2 - 1) + B^2/(P - 1)),

so that d plus or minus sqrt(V) times the t-quantile of these degrees is the interval.

Sources: Satterthwaite, An Approximate Distribution of Estimates of Variance Components, 1946; Welch, The Generalization of
Student's Problem when Several Different Population Variances are Involved, 1947.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from p2p_jax.evaluation.columns import Columns
from p2p_jax.evaluation.intervals import LEVEL, SMALLEST, Difference, Interval, ends_of, resample


class Measured(NamedTuple):
    """A figure of several runs on the same pictures.

    Attributes:
        values: (runs,) float64.
        resampled: (runs, resamples), the figures of the same resampled pictures for each run.
        pictures: number of pictures of which all runs have values.
        of_pictures: (runs, pairs) values of single pictures, NaN where a run has none; None for figures that single
            pictures do not have.
    """

    values: np.ndarray
    resampled: np.ndarray
    pictures: int
    of_pictures: np.ndarray | None

    def interval(self, run: int) -> Interval | None:
        """The 95 % interval of a run's figure over pictures."""
        return ends_of(self.resampled[run]) if self.pictures >= SMALLEST else None

    def picture_error(self, runs: Sequence[int]) -> float | None:
        """The standard error of the mean of some runs' figures that comes from the choice of the pictures."""
        if self.pictures < SMALLEST:
            return None
        return _standard_error(self.resampled[list(runs)].mean(0), self.pictures)

    def seed_spread(self, runs: Sequence[int]) -> float | None:
        """The standard deviation of the figures of runs that differ in their seed; None for a single run."""
        return float(self.values[list(runs)].std(ddof=1)) if len(runs) > 1 else None


def measure_runs(columns: Columns, tables: Sequence[np.ndarray]) -> tuple[dict[str, Measured], list[str]]:
    """Computes the figures of all runs on the pictures of which all of them have values.

    Args:
        columns: of the rows.
        tables: the rows of each run, (pairs, columns) float64 of the same pairs.

    Returns:
        {metric: its figures}, and the metrics of which a run has a value that is not finite. Metrics that no pair has are
        in neither.
    """
    missing = np.logical_or.reduce([np.isnan(rows) for rows in tables])
    both = [np.where(missing, np.nan, rows) for rows in tables]

    def figures(sums: Sequence[np.ndarray], pairs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        found = [columns.figures(*each) for each in zip(sums, pairs, strict=True)]
        return {name: np.stack([each[name] for each in found], -1) for name in found[0]}

    with np.errstate(invalid="ignore"):
        whole = figures([np.nansum(rows, 0) for rows in both], [(~missing).sum(0)] * len(both))
    resampled = resample(both, figures)
    found, infinite = {}, []
    for name, values in whole.items():
        column = columns.names.index(name) if name in columns.names else None
        known = ~missing[:, len(columns.names) if column is None else column]
        if not known.any():
            continue
        if not np.isfinite(values).all():
            infinite.append(name)
            continue
        of_pictures = None if column is None else np.stack([rows[:, column] for rows in both])
        found[name] = Measured(values, resampled[name].T, int(known.sum()), of_pictures)
    return found, infinite


class Contrast(NamedTuple):
    """The difference of a figure between two groups of runs.

    Attributes:
        difference: the mean of the second group less that of the first.
        seed_error: the standard error of the difference that comes from the seeds; None unless both groups have several.
        picture_error: the one that comes from the choice of the pictures; None for fewer than two pictures.
    """

    difference: Difference
    seed_error: float | None
    picture_error: float | None


def contrast(figure: Measured, first: Sequence[int], second: Sequence[int]) -> Contrast:
    """Compares two groups of runs.

    If each group has at least two runs, the 95 % interval holds the chance of the seeds and of the pictures, as the
    docstring of this module derives; otherwise that of the pictures alone, and says nothing about another training run.

    Args:
        figure: of all runs.
        first, second: the runs of each group; those of a group differ in nothing but their seed.
    """
    one, other = list(first), list(second)
    value = float(figure.values[other].mean() - figure.values[one].mean())
    resampled = figure.resampled[other].mean(0) - figure.resampled[one].mean(0)
    enough = figure.pictures >= SMALLEST
    error = _standard_error(resampled, figure.pictures) if enough else None
    seed_error, interval = None, ends_of(resampled) if enough else None
    if min(len(one), len(other)) > 1:
        parts = [(float(figure.values[group].var(ddof=1)) / len(group), len(group) - 1) for group in (one, other)]
        seed_error = float(np.sqrt(sum(variance for variance, _ in parts)))
        if error is not None:
            interval = _t_interval(value, [*parts, (error**2, figure.pictures - 1)])
    return Contrast(Difference(value, interval, _won(figure, one, other)), seed_error, error)


def _won(figure: Measured, one: list[int], other: list[int]) -> float:
    if figure.of_pictures is None:
        return float("nan")
    gain = figure.of_pictures[other].mean(0) - figure.of_pictures[one].mean(0)
    return float(np.mean(np.heaviside(gain[~np.isnan(gain)], 0.5)))


def _standard_error(resampled: np.ndarray, pictures: int) -> float:
    return float(np.nanstd(resampled) * np.sqrt(pictures / (pictures - 1)))


def _t_interval(value: float, parts: Sequence[tuple[float, int]]) -> Interval:
    """The interval of a value from independent estimates of parts of its variance, each with its degrees of freedom."""
    variance = sum(part for part, _ in parts)
    squares = sum(part**2 / freedom for part, freedom in parts)
    half = float(stdtrit(variance**2 / squares, (1 + LEVEL) / 2) * np.sqrt(variance)) if squares else 0.0
    return Interval(value - half, value + half)

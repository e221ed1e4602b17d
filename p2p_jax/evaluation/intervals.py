"""Bootstrap intervals over pictures: how much a figure could differ if other pictures of the same kind had been measured.

They say nothing about another training run: for that, compare several seeds. Source: Efron and Tibshirani, An Introduction
to the Bootstrap, 1993, chapter 13 (percentile intervals) and section 8.3 (paired samples).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from p2p_jax.evaluation.columns import Columns

RESAMPLES = 2000
"""Resamples of the pictures for each interval."""

LEVEL = 0.95
"""The fraction of intervals that shall hold the true figure."""

SMALLEST = 2  # pictures for an interval


class Interval(NamedTuple):
    """A 95 % interval.

    Attributes:
        low: lower end.
        high: upper end.
    """

    low: float
    high: float

    def excludes_zero(self) -> bool:
        """Whether 0 lies outside."""
        return self.low > 0 or self.high < 0


class Difference(NamedTuple):
    """The difference of a figure between two predictors on the same pairs.

    Attributes:
        value: second minus first.
        interval: of the value, None for fewer than two pairs.
        won: the fraction of pairs on which the second has the larger value, equal ones counted half; NaN for figures that
            single pairs do not have.
    """

    value: float
    interval: Interval | None
    won: float


def intervals(columns: Columns, rows: np.ndarray, *, seed: int = 0) -> dict[str, Interval]:
    """95 % bootstrap intervals of one predictor's figures.

    Args:
        columns: of the rows.
        rows: (pairs, columns) float64, NaN where a pair has no value.
        seed: of the resamples.

    Returns:
        {name: its interval}; a figure of fewer than two pairs, or one that is not finite, has none.
    """
    found = resample([rows], lambda sums, pairs: columns.figures(sums[0], pairs[0]), seed)
    has = dict(zip(columns.names, (~np.isnan(rows)).sum(0), strict=False))
    usable = {name: values for name, values in found.items() if has.get(name, len(rows)) >= SMALLEST}
    return {name: ends for name, values in usable.items() if (ends := ends_of(values)) is not None}


def differences(columns: Columns, first: np.ndarray, second: np.ndarray, *, seed: int = 0) -> dict[str, Difference]:
    """Paired differences of all figures of two predictors, over the pairs that both have values of.

    Args:
        columns: of the rows.
        first, second: (pairs, columns) float64, rows of the same pairs.
        seed: of the resamples.

    Returns:
        {name: the difference}, without figures that no pair has with both.
    """
    missing = np.isnan(first) | np.isnan(second)
    both = [np.where(missing, np.nan, rows) for rows in (first, second)]

    def difference(sums: list[np.ndarray], pairs: list[np.ndarray]) -> dict[str, np.ndarray]:
        one, other = (columns.figures(*each) for each in zip(sums, pairs, strict=True))
        return {name: other[name] - one[name] for name in one}

    resampled = resample(both, difference, seed)
    whole = difference([np.nansum(rows, 0) for rows in both], [(~missing).sum(0)] * 2)
    found = {}
    for name, value in whole.items():
        if np.isnan(value):
            continue
        column = columns.names.index(name) if name in columns.names else None
        number = len(first) if column is None else int((~missing[:, column]).sum())
        gain = np.array(np.nan) if column is None else (both[1] - both[0])[~missing[:, column], column]
        won = float(np.mean(np.heaviside(gain, 0.5)))
        found[name] = Difference(float(value), ends_of(resampled[name]) if number >= SMALLEST else None, won)
    return found


def resample(
    tables: list[np.ndarray], figures: Callable[[list[np.ndarray], list[np.ndarray]], dict[str, np.ndarray]], seed: int = 0
) -> dict[str, np.ndarray]:
    """Computes figures of resampled pairs, the same pairs in all tables.

    Args:
        tables: each (pairs, columns) float64, NaN where a pair has no value.
        figures: `(sums of each table, weights of each table) -> {name: (some resamples,)}`, see `Columns.figures`.
        seed: of the resamples.

    Returns:
        {name: (RESAMPLES,) float64}.
    """
    has = [~np.isnan(rows) for rows in tables]
    filled = [np.where(each, rows, 0.0) for each, rows in zip(has, tables, strict=True)]
    parts = []
    with np.errstate(invalid="ignore"):  # 0 times infinity, where an output was not finite
        for weights in _weights(len(tables[0]), seed):
            parts.append(figures([weights @ rows for rows in filled], [weights @ each for each in has]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _weights(pairs: int, seed: int) -> Iterator[np.ndarray]:
    """How often each pair is drawn in each resample: (some resamples, pairs), in parts of at most 64 MiB."""
    random = np.random.default_rng(seed)
    part = max(1, 2**23 // pairs)
    for start in range(0, RESAMPLES, part):
        number = min(part, RESAMPLES - start)
        drawn = random.integers(0, pairs, (number, pairs)) + pairs * np.arange(number)[:, None]
        yield np.bincount(drawn.ravel(), minlength=number * pairs).reshape(number, pairs).astype(np.float64)


def ends_of(values: np.ndarray) -> Interval | None:
    """The 95 % percentile interval of resampled figures; None if most resamples have no figure."""
    values = values[~np.isnan(values)]  # resamples without any pair that has a value
    if len(values) < RESAMPLES / 2:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))

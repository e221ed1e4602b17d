"""The kernel distance (KID) between two sets of features, without bias, and its standard error.

Sources: Bińkowski et al., Demystifying MMD GANs, 2018, section 4 (the kernel); Gretton et al., A Kernel Two-Sample Test,
2012, lemma 6 and equation 4 (the estimators); Efron and Stein, The Jackknife Estimate of Variance, 1981.
"""

from typing import NamedTuple

import numpy as np

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.feature_sets import as_features


class KernelDistance(NamedTuple):
    """The kernel distance between two sets.

    Attributes:
        value: the estimate, whose expectation is the squared maximum mean discrepancy; it may be negative.
        standard_error: of the estimate, by the jackknife over pictures; too large rather than too small if both sets have
            the same distribution.
    """

    value: float
    standard_error: float


def kernel_distance(made: np.ndarray, real: np.ndarray, *, paired: bool = False) -> KernelDistance:
    """Estimates the squared maximum mean discrepancy of the kernel (x·y / d + 1)³.

    Args:
        made, real: (n, d) and (m, d), features of the pictures of each set; computed in float64.
        paired: picture i of one set belongs to picture i of the other, as an output and its target do. A picture and its
            partner are then not compared, as they are not independent, and the jackknife leaves out both.

    Returns:
        the estimate without bias, and its standard error.

    Raises:
        UserError: a set has fewer than 3 pictures, the sets have other numbers of features, or of pictures if they are
            paired, or a number is not finite.
    """
    x, y = as_features(made, real, smallest=3)
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
    within_x, within_y, between = kernel(x, x), kernel(y, y), kernel(x, y)
    np.fill_diagonal(within_x, 0.0)
    np.fill_diagonal(within_y, 0.0)
    return _of_pairs(within_x, within_y, between) if paired else _of_sets(within_x, within_y, between)


def _of_pairs(within_x: np.ndarray, within_y: np.ndarray, between: np.ndarray) -> KernelDistance:
    if between.shape[0] != between.shape[1]:
        made, real = between.shape
        raise UserError(f"{made} made and {real} real pictures are not paired: give as many of each.")
    n = len(between)
    h = within_x + within_y - between - between.T
    np.fill_diagonal(h, 0.0)
    total, rows = h.sum(), h.sum(1)
    without = (total - 2 * rows) / ((n - 1) * (n - 2))
    return KernelDistance(float(total / (n * (n - 1))), float(np.sqrt(_jackknife(without))))


def _of_sets(within_x: np.ndarray, within_y: np.ndarray, between: np.ndarray) -> KernelDistance:
    n, m = between.shape
    of_x, of_y = within_x.sum() / (n * (n - 1)), within_y.sum() / (m * (m - 1))
    across = between.sum()
    x_left = (within_x.sum() - 2 * within_x.sum(1)) / ((n - 1) * (n - 2))
    y_left = (within_y.sum() - 2 * within_y.sum(1)) / ((m - 1) * (m - 2))
    without_x = x_left + of_y - 2 * (across - between.sum(1)) / ((n - 1) * m)
    without_y = of_x + y_left - 2 * (across - between.sum(0)) / (n * (m - 1))
    value = of_x + of_y - 2 * across / (n * m)
    return KernelDistance(float(value), float(np.sqrt(_jackknife(without_x) + _jackknife(without_y))))


def _jackknife(without: np.ndarray) -> float:
    """The jackknife's variance of an estimate, from the estimates that leave out one picture each."""
    n = len(without)
    return float((n - 1) / n * np.square(without - without.mean()).sum())

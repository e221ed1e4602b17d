"""Checks of two sets of features that a metric compares."""

import numpy as np

from p2p_jax.errors import UserError


def as_features(made: np.ndarray, real: np.ndarray, *, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of features in float64.

    Args:
        made, real: (n, d) and (m, d), features of made and of real pictures.
        smallest: number of pictures that each set must have.

    Raises:
        UserError: a set has fewer pictures, the sets have other numbers of features, or a number is not finite.
    """
    x, y = np.asarray(made, np.float64), np.asarray(real, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise UserError(
            f"two sets of features have the shapes {x.shape} and {y.shape}: give (n, d) and (m, d) of the same network."
        )
    if min(len(x), len(y)) < smallest:
        raise UserError(
            f"sets of {len(x)} and {len(y)} pictures cannot be compared: this metric needs at least {smallest} in each."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UserError("a feature of a picture is not finite: check the pictures that the network was given.")
    return x, y

"""The Fréchet distance between two sets of features, which is called FID if they are Inception's.

Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, 2017, section 2;
Dowson and Landau, The Fréchet distance between multivariate normal distributions, 1982.
"""

from typing import NamedTuple

import numpy as np

from p2p_jax.evaluation.metrics.feature_sets import as_features


class Frechet(NamedTuple):
    """The Fréchet distance between two sets.

    Attributes:
        value: at least 0; 0 for sets of the same mean and covariance.
        ranks: of both covariances.
        features: number of features, which is the full rank.
    """

    value: float
    ranks: tuple[int, int]
    features: int

    @property
    def deficient(self) -> bool:
        """Whether a covariance lacks its full rank, so that the value depends strongly on the number of pictures."""
        return min(self.ranks) < self.features


def frechet_distance(made: np.ndarray, real: np.ndarray) -> Frechet:
    """Computes the Fréchet distance between the normal distributions that have the means and covariances of two sets.

    The covariances are not formed and no square root of a matrix is taken. With A and B the centred features, divided by
    the root of their count less 1, the trace of the root of cov(A) cov(B) is the sum of the singular values of A B^T. This
    is exact, and stable for covariances of deficient rank.

    Args:
        made, real: (n, d) and (m, d), features of the pictures of each set; computed in float64.

    Returns:
        the distance, and whether its covariances have full rank, for which n and m must be over d.

    Raises:
        UserError: a set has fewer than 2 pictures, the sets have other numbers of features, or a number is not finite.
    """
    x, y = as_features(made, real, smallest=2)
    a, b = _root_of_covariance(x), _root_of_covariance(y)
    of_means = np.square(x.mean(0) - y.mean(0)).sum()
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    value = of_means + np.square(a).sum() + np.square(b).sum() - 2 * shared
    ranks = (int(np.linalg.matrix_rank(a)), int(np.linalg.matrix_rank(b)))
    return Frechet(max(float(value), 0.0), ranks, x.shape[1])


def _root_of_covariance(x: np.ndarray) -> np.ndarray:
    """Returns R with R^T R = covariance of (n, d): (min(n, d), d)."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(x) > x.shape[1] else centred

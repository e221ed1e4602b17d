"""Precision and recall of a set of made pictures, by nearest neighbours in the space of features.

Source: Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, 2019, section 3.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from p2p_jax.evaluation.metrics.feature_sets import as_features

ROWS = 1000
"""Pictures whose distances are computed at once, which bounds the memory."""


class PrecisionRecall(NamedTuple):
    """Precision and recall.

    Attributes:
        precision: share of made pictures that lie among real ones, 0 to 1: quality.
        recall: share of real pictures that lie among made ones, 0 to 1: variety.
    """

    precision: float
    recall: float


def precision_recall(made: np.ndarray, real: np.ndarray, *, neighbours: int = 3) -> PrecisionRecall:
    """Computes which pictures of each set lie in the other one.

    A set is represented by balls: one around each of its pictures, whose radius is the distance to its nearest neighbour
    of the given rank in the set. A picture lies in the set if it lies in one of the balls.

    Args:
        made, real: (n, d) and (m, d), features of the pictures of each set; computed in float64.
        neighbours: rank of the neighbour, at least 1; the paper uses 3.

    Raises:
        UserError: a set has not over `neighbours` pictures, the sets have other numbers of features, or a number is not
            finite.
    """
    x, y = as_features(made, real, smallest=neighbours + 1)
    return PrecisionRecall(_share_inside(x, y, neighbours), _share_inside(y, x, neighbours))


def _share_inside(points: np.ndarray, of_set: np.ndarray, neighbours: int) -> float:
    """The share of points that lie in one of the balls of a set."""
    starts = range(0, len(of_set), ROWS)
    # Rank 0 is the picture itself.
    radii = [np.partition(cdist(of_set[i : i + ROWS], of_set), neighbours, axis=1)[:, neighbours] for i in starts]
    radius = np.concatenate(radii)
    inside = [(cdist(points[i : i + ROWS], of_set) <= radius).any(1) for i in range(0, len(points), ROWS)]
    return float(np.concatenate(inside).mean())

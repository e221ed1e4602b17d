"""Precision and recall of sets that are constructed so that the answers are known."""

import numpy as np
import pytest

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.precision_recall import precision_recall


def cluster(centre: float, count: int) -> np.ndarray:
    """Points (count, 2) at distances of 1 on a line, around x = centre."""
    return np.stack([centre + np.arange(count) - (count - 1) / 2, np.zeros(count)], axis=1)


def test_equal_sets_have_precision_and_recall_1_and_distant_ones_0():
    assert precision_recall(cluster(0, 10), cluster(0, 10)) == (1, 1)
    assert precision_recall(cluster(0, 10), cluster(1000, 10)) == (0, 0)


def test_one_of_two_real_clusters_has_full_precision_and_half_recall_and_the_other_way_round():
    both, one = np.concatenate([cluster(0, 8), cluster(1000, 8)]), cluster(0.1, 8)
    assert precision_recall(one, both) == (1, 0.5)
    assert precision_recall(both, one) == (0.5, 1)


def test_the_radius_is_the_distance_to_the_neighbour_of_the_given_rank():
    real = np.array([[0.0], [1.0], [3.0], [7.0]])
    # Rank 1: radii 1, 1, 2, 4. Rank 2: radii 3, 2, 3, 6.
    made = np.array([[-1.0], [-1.5], [11.0], [11.5], [-3.0], [13.0]])
    assert precision_recall(made, real, neighbours=1).precision == pytest.approx(2 / 6)
    assert precision_recall(made, real, neighbours=2).precision == pytest.approx(6 / 6)


def test_sets_larger_than_a_block_equal_small_ones():
    made, real = np.random.default_rng(0).normal(size=(2, 1030, 4))
    real[:, 0] += 1
    distances = lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=-1)
    radius = np.sort(distances(real, real), axis=1)[:, 3]
    expected = (distances(made, real) <= radius).any(1).mean()
    found = precision_recall(made, real)
    assert found.precision == pytest.approx(expected)
    assert 0 < found.precision < 1


def test_sets_with_too_few_pictures_are_refused():
    with pytest.raises(UserError, match="3 and 9 pictures cannot be compared: this metric needs at least 4"):
        precision_recall(cluster(0, 3), cluster(0, 9))

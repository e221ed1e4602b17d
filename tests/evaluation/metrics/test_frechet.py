"""The Fréchet distance of sets whose distance is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.frechet import frechet_distance


def with_moments(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws (count, d) whose mean and covariance are exactly the given ones."""
    x = np.random.default_rng(seed).normal(size=(count, len(mean)))
    q, _ = np.linalg.qr(x - x.mean(0))
    return q * np.sqrt(count - 1) @ np.linalg.cholesky(covariance).T + mean


def random_covariance(d: int, seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(d, 2 * d))
    return a @ a.T / d


def test_gaussians_of_diagonal_covariances_have_the_distance_of_means_and_deviations():
    means, deviations = np.array([[0.0, 1.0, -2.0], [3.0, 1.0, 2.0]]), np.array([[1.0, 2.0, 3.0], [2.0, 0.5, 3.0]])
    sets = [with_moments(m, np.diag(s**2), n, n) for m, s, n in zip(means, deviations, (50, 70), strict=True)]
    found = frechet_distance(*sets)
    assert found.value == pytest.approx(
        np.square(means[0] - means[1]).sum() + np.square(deviations[0] - deviations[1]).sum()
    )
    assert found.ranks == (3, 3)
    assert not found.deficient


@pytest.mark.parametrize(("n", "m"), [(200, 300), (9, 300), (9, 7)])
def test_any_sets_have_the_distance_of_the_formula_with_a_square_root_of_a_matrix(n, m):
    x, y = (
        np.random.default_rng(seed).normal(size=(count, 12)) @ random_covariance(12, seed)
        for seed, count in ((0, n), (1, m))
    )
    a, b = np.cov(x.T), np.cov(y.T)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    found = frechet_distance(x, y)
    assert found.value == pytest.approx(expected, rel=1e-4)
    assert found.ranks == (min(n - 1, 12), min(m - 1, 12))
    assert found.deficient == (n < 13)


def test_a_set_has_no_distance_to_itself_and_the_order_does_not_matter():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 40))
    assert frechet_distance(x, x[::-1]).value == pytest.approx(0, abs=1e-10)
    assert frechet_distance(x, y).value == pytest.approx(frechet_distance(y, x).value)


def test_float32_features_are_computed_in_float64():
    x, y = np.random.default_rng(0).normal(1000, 1, (2, 30, 5)).astype(np.float32)
    assert frechet_distance(x, y).value == frechet_distance(x.astype(np.float64), y.astype(np.float64)).value


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "1 and 5 pictures .* at least 2"),
        (np.zeros((5, 3)), np.zeros((5, 4)), r"\(5, 3\) and \(5, 4\)"),
        (np.zeros((5, 3)), np.full((5, 3), np.nan), "not finite"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(x, y, message):
    with pytest.raises(UserError, match=message):
        frechet_distance(x, y)

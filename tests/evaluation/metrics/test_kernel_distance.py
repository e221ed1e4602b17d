"""The kernel distance: equal to its definition, without bias, with a standard error that is right."""

import numpy as np
import pytest
from helpers.cases import tiers

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.kernel_distance import kernel_distance

D = 3


def kernel(a, b):
    return (a @ b / len(a) + 1) ** 3


def by_loops(x, y, *, paired):
    """The definition: means of the kernel over pairs of different pictures."""
    n, m = len(x), len(y)
    of_x = np.mean([kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j])
    of_y = np.mean([kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j])
    between = np.mean([kernel(x[i], y[j]) for i in range(n) for j in range(m) if not (paired and i == j)])
    return of_x + of_y - 2 * between


def jackknife(x, y, *, paired):
    """The standard error, by computing the definition again without each picture."""
    without = lambda a, i: np.delete(a, i, 0)
    if paired:
        groups = [[by_loops(without(x, i), without(y, i), paired=True) for i in range(len(x))]]
    else:
        groups = [[by_loops(without(x, i), y, paired=False) for i in range(len(x))]]
        groups += [[by_loops(x, without(y, i), paired=False) for i in range(len(y))]]
    return np.sqrt(sum((len(g) - 1) * np.var(g) for g in groups))


@pytest.mark.parametrize(("n", "m", "paired"), [(5, 7, False), (6, 6, False), (6, 6, True)])
def test_value_and_standard_error_equal_their_definitions(n, m, paired):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(n, D)), random.normal(1, 2, size=(m, D))
    found = kernel_distance(x, y, paired=paired)
    assert found.value == pytest.approx(by_loops(x, y, paired=paired))
    assert found.standard_error == pytest.approx(jackknife(x, y, paired=paired))


def true_distance(shift: float) -> float:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) for normal x, and y = x + shift in every feature: by moments.

    For independent normal vectors s = x·y / D has the mean t = (product of the means), and the third moments of 1 + s
    follow from E s² and E s³.
    """

    def expected(a: float, b: float) -> float:
        # Each term u v, u ~ N(a, 1), v ~ N(b, 1): its moments, then the cumulants of the mean of D such terms.
        first, second = a * b, (a * a + 1) * (b * b + 1)
        third = (a**3 + 3 * a) * (b**3 + 3 * b)
        variance, skew = second - first**2, third - 3 * first * second + 2 * first**3
        mean, variance, skew = 1 + first, variance / D, skew / D**2
        return mean**3 + 3 * mean * variance + skew

    return expected(0, 0) + expected(shift, shift) - 2 * expected(0, shift)


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("paired", tiers([False, True], slow=1))
def test_the_mean_over_many_small_sets_has_no_bias(shift, paired):
    random = np.random.default_rng(1)
    found = []
    for _ in range(6000):
        x = random.normal(size=(4, D))
        # Paired sets depend on each other, as outputs depend on their targets.
        y = 0.8 * x + 0.6 * random.normal(size=(4, D)) if paired else random.normal(size=(4, D))
        found.append(kernel_distance(x, y + shift, paired=paired).value)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - true_distance(shift)) < 3 * error
    assert error < 0.1


@pytest.mark.parametrize("paired", [False, True])
def test_the_standard_error_is_the_spread_over_repeated_draws(paired):
    random = np.random.default_rng(2)
    drawn = []
    for _ in range(400):
        x = random.normal(size=(80, D))
        y = 0.8 * x + 0.6 * random.normal(size=(80, D)) if paired else random.normal(size=(80, D))
        drawn.append(kernel_distance(x, y + 0.5, paired=paired))
    values, errors = np.array(drawn).T
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.2)


def test_the_standard_error_is_not_too_small_for_sets_of_one_distribution():
    random = np.random.default_rng(3)
    drawn = [kernel_distance(*random.normal(size=(2, 40, D))) for _ in range(300)]
    values, errors = np.array(drawn).T
    assert errors.mean() > values.std()


def test_paired_sets_of_unequal_numbers_and_small_sets_are_refused():
    with pytest.raises(UserError, match="5 made and 6 real pictures are not paired"):
        kernel_distance(np.zeros((5, D)), np.zeros((6, D)), paired=True)
    with pytest.raises(UserError, match="at least 3"):
        kernel_distance(np.zeros((2, D)), np.zeros((6, D)))

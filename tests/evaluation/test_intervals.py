"""Bootstrap intervals hold the true figure as often as they say, and paired differences are those of the same pairs."""

import numpy as np
import pytest
from helpers.cases import normal

from p2p_jax.evaluation.columns import Columns
from p2p_jax.evaluation.intervals import differences, intervals

ONE = Columns(("l1",))


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = normal(200, 1)
    found = intervals(ONE, values)["l1"]
    error = values.std() / np.sqrt(200)
    np.testing.assert_allclose(found, values.mean() + error * np.array([-1.96, 1.96]), atol=0.1 * error)


def test_95_of_100_intervals_hold_the_true_mean():
    tables = normal(100, 60, 1)
    held = sum(low <= 0 <= high for low, high in (intervals(ONE, rows)["l1"] for rows in tables))
    assert 90 <= held <= 99  # 95 +- 2.3 standard deviations


def test_the_same_pairs_are_compared():
    first = 100 * normal(40, 1, seed=1)
    second = first + 1 + normal(40, 1, seed=2)
    found = differences(ONE, first, second)["l1"]
    assert found.value == pytest.approx((second - first).mean())
    assert 0.5 < found.interval.low < found.value < found.interval.high < 1.5
    assert found.won == np.mean(second > first)
    equal = differences(ONE, first, first)["l1"]
    assert equal == (0.0, (0.0, 0.0), 0.5)
    assert not equal.interval.excludes_zero()


def test_a_missing_value_counts_in_neither_of_two_predictors():
    first, second = np.array([[1.0], [np.nan], [3.0]]), np.array([[2.0], [9.0], [np.nan]])
    found = differences(ONE, first, second)["l1"]
    assert (found.value, found.interval, found.won) == (1.0, None, 1.0)
    assert differences(ONE, first, np.full((3, 1), np.nan)) == {}


@pytest.mark.filterwarnings("error")
def test_few_or_infinite_values_have_no_interval():
    columns = Columns(("l1", "psnr", "ssim"))
    found = intervals(columns, np.array([[1.0, np.nan, np.inf], [2.0, 5.0, 1.0]]))
    assert list(found) == ["l1"]
    assert intervals(columns, np.ones((1, 3))) == {}


def test_figures_of_labels_come_from_the_counts_of_all_resampled_pairs():
    columns = Columns((), classes=2)
    right, true, given = [3, 1], [4, 4], [6, 2]
    rows = np.array([[*right, *true, *given]] * 5, np.float64)
    assert columns.scores(rows.sum(0), np.full(6, 5.0))["pixel_accuracy"] == 0.5
    assert intervals(columns, rows)["iou"] == pytest.approx([0.5 * (3 / 7 + 1 / 5)] * 2)
    better = np.array([[4, 4, 4, 4, 4, 4]] * 5, np.float64)
    found = differences(columns, rows, better)["pixel_accuracy"]
    assert (found.value, found.interval) == (0.5, (0.5, 0.5))

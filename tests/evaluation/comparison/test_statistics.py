"""Intervals that hold the chance of pictures and of seeds contain the true difference as often as they say."""

import numpy as np
import pytest
from helpers.cases import normal
from scipy import stats

from p2p_jax.evaluation import intervals
from p2p_jax.evaluation.columns import Columns
from p2p_jax.evaluation.comparison.statistics import contrast, measure_runs

ONE = Columns(("l1",))


def figure_of(tables):
    found, infinite = measure_runs(ONE, tables)
    assert infinite == []
    return found["l1"]


def test_the_interval_is_welchs_with_a_part_for_the_pictures():
    tables = [*(normal(40, 1, seed=seed) for seed in range(3)), *(1 + normal(40, 1, seed=seed) for seed in range(3, 7))]
    found = contrast(figure_of(tables), range(3), range(3, 7))
    figures = np.array([rows.mean() for rows in tables])
    parts = [(figures[:3].var(ddof=1) / 3, 2), (figures[3:].var(ddof=1) / 4, 3), (found.picture_error**2, 39)]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / each for part, each in parts)
    value = figures[3:].mean() - figures[:3].mean()
    assert found.difference.value == pytest.approx(value)
    assert found.seed_error == pytest.approx(np.sqrt(parts[0][0] + parts[1][0]))
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert found.difference.interval == pytest.approx((value - half, value + half))


def test_the_error_of_pictures_is_that_of_the_mean_over_seeds():
    tables = [normal(50, 1, seed=seed) for seed in range(4)]
    found = contrast(figure_of(tables), (0, 1), (2, 3))
    of_pictures = (tables[2] + tables[3] - tables[0] - tables[1]) / 2
    assert found.picture_error == pytest.approx(of_pictures.std(ddof=1) / np.sqrt(50), rel=0.05)
    assert found.difference.won == np.mean(of_pictures > 0)


def test_single_runs_have_the_interval_of_the_pictures_alone():
    tables = [normal(30, 1, seed=seed) for seed in range(3)]
    figure = figure_of(tables)
    found = contrast(figure, (0,), (1,))
    assert found.seed_error is None
    assert found.difference == intervals.differences(ONE, tables[0], tables[1])["l1"]
    assert contrast(figure, (0, 1), (2,)).seed_error is None
    assert (figure.seed_spread((0,)), figure.seed_spread((0, 2))) == (None, np.std(figure.values[[0, 2]], ddof=1))


def test_equal_runs_have_no_difference():
    rows = normal(20, 1)
    found = contrast(figure_of([rows] * 4), (0, 1), (2, 3))
    assert (found.difference.value, found.difference.interval, found.difference.won) == (0, (0, 0), 0.5)


@pytest.mark.filterwarnings("error")
def test_pictures_that_one_run_lacks_count_for_none():
    first, second = np.array([[1.0], [2.0], [np.nan]]), np.array([[3.0], [np.nan], [9.0]])
    figure = figure_of([first, second])
    found = contrast(figure, (0,), (1,))
    assert (figure.pictures, figure.interval(0), figure.picture_error((0,))) == (1, None, None)
    assert (found.difference.value, found.difference.interval, found.difference.won) == (2, None, 1)


@pytest.mark.filterwarnings("error")
def test_outputs_that_are_not_finite_are_named():
    columns = Columns(("l1", "ssim", "ms_ssim"))
    good, bad = np.array([[1.0, 2.0, np.nan]] * 3), np.array([[1.0, np.inf, np.nan]] * 3)
    found, infinite = measure_runs(columns, [good, bad])
    assert (list(found), infinite) == (["l1"], ["ssim"])


def test_figures_of_label_maps_are_compared_by_their_counts():
    columns = Columns((), classes=2)
    rows = np.array([[3, 1, 4, 4, 6, 2]] * 5, np.float64)
    better = np.full((5, 6), 4.0)
    found, _ = measure_runs(columns, [rows, better])
    assert contrast(found["pixel_accuracy"], (0,), (1,)).difference[:2] == (0.5, (0.5, 0.5))
    assert np.isnan(contrast(found["iou"], (0,), (1,)).difference.won)


def simulate(random, seeds, *, of_seed, of_picture, of_both, gain):
    """Rows of `seeds` runs of each of two settings on 30 pictures."""
    pictures, differences = random.normal(size=(30, 1)), gain + of_picture * random.normal(size=(30, 1))
    noise = lambda: of_seed * random.normal() + of_both * random.normal(size=(30, 1))
    return [pictures + noise() for _ in range(seeds)] + [pictures + differences + noise() for _ in range(seeds)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "chance", "gain"),
    [
        (3, {"of_seed": 0.1, "of_picture": 0.3, "of_both": 0.0}, 0.0),
        (3, {"of_seed": 0.1, "of_picture": 0.3, "of_both": 0.0}, 1.0),
        (3, {"of_seed": 0.3, "of_picture": 0.3, "of_both": 0.3}, 0.0),
        (2, {"of_seed": 0.1, "of_picture": 0.3, "of_both": 0.0}, 0.5),
    ],
)
def test_95_percent_of_the_intervals_hold_the_true_difference(monkeypatch, seeds, chance, gain):
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    random, tried = np.random.default_rng(0), 400
    held = 0
    for _ in range(tried):
        figure = figure_of(simulate(random, seeds, gain=gain, **chance))
        low, high = contrast(figure, range(seeds), range(seeds, 2 * seeds)).difference.interval
        held += low <= gain <= high
    error = np.sqrt(0.95 * 0.05 / tried)
    assert 0.95 - 3 * error <= held / tried <= 0.95 + 3 * error


@pytest.mark.slow
def test_intervals_over_pictures_alone_would_call_luck_merit():
    """Why seeds of one setting are never compared: their chance is not in the pictures."""
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        figure = figure_of(simulate(random, 1, of_seed=0.3, of_picture=0.0, of_both=0.3, gain=0.0))
        wrong += contrast(figure, (0,), (1,)).difference.interval.excludes_zero()
    assert wrong > 50

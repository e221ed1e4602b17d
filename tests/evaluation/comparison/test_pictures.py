"""The pictures and curves that a comparison shows."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from helpers.contrasts import comparison_of

from p2p_jax.evaluation.comparison.costs import cost_of
from p2p_jax.evaluation.comparison.curves import HEIGHT, POINTS, Curve, draw_curves, points_of, ticks
from p2p_jax.evaluation.comparison.pictures import choose, scores_of


def test_the_first_pictures_and_the_largest_differences_both_ways_are_chosen():
    found, figures = comparison_of([[0.0], [0.0]], scope="these pictures")
    values = figures["ssim"].of_pictures
    values[1] += [0, 0, 0, 0, 0.5, -0.4, 0.1, -0.2, 0, 0.3, 0, 0.2]
    choices, metric = choose(found, figures)
    assert metric == "SSIM"
    one, other = values[:, 4]
    assert scores_of(choices[-4], found, figures) == f"SSIM: A {one:.4f}, B {other:.4f}"
    chosen = {}
    for choice in choices:
        chosen.setdefault(choice.reason, []).append(choice.index)
    assert chosen == {
        "The first pictures": [0, 1, 2, 3],
        "Where A is ahead of B by most": [5, 7],
        "Where B is ahead of A by most": [4, 9, 11, 6],
    }


def test_two_seeds_are_named_by_their_runs():
    found, figures = comparison_of([[0.0, 0.1]], scope="one setting")
    assert {choice.reason for choice in choose(found, figures)[0]} == {
        "The first pictures",
        "Where run_1 is ahead of run_0 by most",
    }


def test_curves_are_one_figure_for_each_metric_with_a_line_for_each_run():
    rows = [{"step": step, "generator_l1": 1 / step, "val_new": step} for step in range(1, 9)]
    rows[3]["generator_l1"] = math.nan
    figures = draw_curves([Curve("<a>", "A", 0, rows), Curve("b", "B", 1, rows), Curve("empty", "C", 2, [])])
    assert [re.search("<figcaption>(.*), against", each)[1] for each in figures] == [
        "Distance to the target in training (L1)",
        "val_new",
    ]
    for figure in figures:
        tree = ElementTree.fromstring(figure)
        assert [each.get("class") for each in tree.iter("g")] == ["s0", "s1"]
        assert "&lt;a&gt;: " in figure
        assert "style=" not in figure
    assert draw_curves([Curve("a", "A", 0, [{"step": 1, "generator_l1": math.inf}])]) == []


def test_letters_at_the_ends_of_curves_do_not_cover_each_other():
    curves = [Curve(f"run {i}", "A", i, [{"step": 1, "val_l1": 0.0}, {"step": 2, "val_l1": i / 1000}]) for i in range(8)]
    (figure,) = draw_curves([*curves, Curve("high", "B", 0, [{"step": 1, "val_l1": 1.0}, {"step": 2, "val_l1": 1.0}])])
    letters = [each for group in ElementTree.fromstring(figure).iter("g") for each in group.iter("text")]
    heights = sorted(float(each.get("y")) for each in letters)
    assert len(heights) == 9
    assert all(later - earlier > 10 for earlier, later in itertools.pairwise(heights))
    assert heights[-1] < HEIGHT - 20


def test_long_curves_are_shortened_to_means():
    rows = [{"step": step, "val_l1": 2.0 * step} for step in range(1000)]
    points = points_of(rows, "val_l1")
    assert len(points) <= POINTS
    assert points[0] == (3.0, 6.0)
    assert points_of(rows[:1], "val_l1") == [(0.0, 0.0)]


@pytest.mark.parametrize(("low", "high"), [(0, 600), (0.12, 0.31), (-5, 3), (1e-9, 2e-9), (1e6, 1.2e6)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 3 <= len(found) <= 7
    assert all(low <= value <= high for value in found)
    assert all(float(f"{value:.3g}") == value for value in found)


def test_costs_are_added_up_to_the_checkpoint():
    rows = [{"step": step, "seconds": 10.0, "pictures_per_second": step, "memory_mib": 100 * step} for step in (1, 2, 3, 4)]
    assert cost_of(rows, 3) == (30.0, 3, 2.0, {"memory_mib": 300})
    assert cost_of([{"step": 1}], 1) == (None, 1, None, {})

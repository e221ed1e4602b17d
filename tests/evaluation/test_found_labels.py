"""Labels that a segmenter finds in outputs are compared with those of the inputs, beside those in real targets."""

from types import SimpleNamespace

import numpy as np
import pytest

from p2p_jax.config import Config, Data, Side
from p2p_jax.data.pictures import write_picture
from p2p_jax.evaluation import evaluate, explain


class Segmenter:
    """Finds every class but mistakes class 2 for class 1."""

    classes = 3
    translator = SimpleNamespace(params={"w": np.ones(1)}, state={}, data=Data())

    def find_labels(self, pictures):
        labels = np.round(np.nan_to_num(np.asarray(pictures)[..., :1]) / 100).astype(np.uint8)
        return np.where(labels == 2, 1, labels)


@pytest.fixture
def config(tmp_path):
    random = np.random.default_rng(0)
    for index, numbers in enumerate(random.integers(0, 3, (6, 16, 16, 1)).astype(np.uint8)):
        write_picture(tmp_path / "A" / f"{index}.png", numbers)
        write_picture(tmp_path / "B" / f"{index}.png", np.repeat(numbers * 100, 3, -1))
    side = Side(kind="labels", channels=(1,), classes=3)
    return Config(image_size=16, data=Data(path=str(tmp_path), input=side, test_fraction=0.5))


def translate(labels):
    """Draws class 0 as class 1."""
    return np.repeat(np.maximum(labels[..., :1], 1) * 100, 3, -1)


def test_labels_are_found_in_outputs_and_in_targets(config, tmp_path):
    figures = evaluate.evaluate_translator(
        config, translate, step=1, segmenter=Segmenter(), metrics=(), partial=tmp_path / "partial"
    )
    found, ceiling = figures.scores["translator"], figures.scores[evaluate.TARGETS]
    assert set(ceiling) == {
        f"found_{name}" for name in ("pixel_accuracy", "class_accuracy", "iou", "frequency_weighted_iou")
    }
    assert ceiling["found_class_accuracy"] == pytest.approx(2 / 3)
    assert found["found_class_accuracy"] == pytest.approx(1 / 3)
    assert ceiling["found_pixel_accuracy"] > 0.6 > 0.4 > found["found_pixel_accuracy"] > 0.2
    low, high = figures.intervals["translator"]["found_pixel_accuracy"]
    assert low <= found["found_pixel_accuracy"] <= high
    assert figures.advantages["mean training target"]["found_iou"].value < 1
    remarks = explain.remarks(figures)
    assert "Targets themselves: the labels that the segmenter finds in the real targets, which is the ceiling." in remarks
    assert not list((tmp_path / "partial").iterdir())


def test_an_output_that_is_not_finite_has_no_labels(config):
    broken = lambda labels: np.full((*labels.shape[:3], 3), np.nan, np.float32)
    figures = evaluate.evaluate_translator(config, broken, step=1, segmenter=Segmenter(), metrics=())
    assert np.isnan(figures.scores["translator"]["found_iou"])
    assert figures.as_json()["figures"]["translator"]["found_iou"] is None

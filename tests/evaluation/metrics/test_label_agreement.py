"""Metrics of label maps compared with scikit-learn's, recorded by `tests/reference/record_metrics.py`."""

import numpy as np
import pytest
from helpers import metric_pairs as pairs

from p2p_jax.evaluation import metrics

FUNCTIONS = (metrics.pixel_accuracy, metrics.class_accuracy, metrics.iou, metrics.frequency_weighted_iou)


@pytest.mark.parametrize("name", pairs.LABELS)
def test_they_equal_scikit_learns(name):
    classes, used = pairs.LABELS[name]
    given, true = (numbers[None, ..., None] for numbers in pairs.labels(classes, used))
    with np.load(pairs.RECORDED) as recorded:
        matrix = metrics.confusion(given, true, classes=classes)
        assert matrix[0].tolist() == recorded[f"confusion/{name}"].tolist()
        np.testing.assert_allclose([float(f(matrix[0])) for f in FUNCTIONS], recorded[f"labels/{name}"], rtol=1e-6)


def test_matrices_of_several_pictures_are_those_of_each_and_can_be_added():
    given, true = (np.stack(p)[..., None] for p in zip(pairs.labels(5, 5), pairs.labels(5, 3)[::-1], strict=True))
    both = metrics.confusion(given, true, classes=5)
    assert both.shape == (2, 5, 5)
    joined = metrics.confusion(given.reshape(1, -1, 29, 1), true.reshape(1, -1, 29, 1), classes=5)
    assert both.sum(0).tolist() == joined[0].tolist()


def test_unknown_pixels_and_classes_out_of_range_do_not_count():
    given, true = (np.array(numbers)[None, None, :, None] for numbers in ([0, 1, 1, 2, 0, 0], [0, 1, 0, 1, 9, -1]))
    known = np.array([1, 1, 0, 1, 1, 1])[None, None, :, None]
    assert metrics.confusion(given, true, known, classes=2)[0].tolist() == [[1, 0], [0, 1]]


def test_nothing_known_gives_no_score():
    assert all(np.isnan(float(f(np.zeros((3, 3))))) for f in FUNCTIONS)

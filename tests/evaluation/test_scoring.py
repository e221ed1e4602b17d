"""The scores of a validation with chosen metrics."""

import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax.config import Side
from p2p_jax.data.fit import Fit
from p2p_jax.evaluation import scoring
from p2p_jax.evaluation.metrics.registry import METRICS
from p2p_jax.evaluation.scoring import VALIDATION

SIZE = 16
FIT = Fit("resize_and_crop", (SIZE, SIZE), (SIZE, SIZE))


class Pairs:
    """Pairs of random pictures, or of random classes."""

    def __init__(self, classes=None, number=3):
        self.shape, self.high, self.number = ((1,) if classes else (3,)), classes or 256, number

    def count(self):
        return self.number

    def name(self, index):
        return str(index)

    def read(self, index, fit, position=(0.5, 0.5)):
        random = np.random.default_rng(index)
        draw = lambda: random.integers(0, self.high, (SIZE, SIZE, *self.shape), np.uint8)
        return {"input": draw(), "target": draw()}


@pytest.mark.slow
def test_a_chosen_metric_comes_after_the_usual_ones_and_is_a_mean_over_pairs():
    pairs = Pairs()
    found = scoring.score(pairs, lambda x: x, FIT, names=(*VALIDATION, "haarpsi"))
    assert list(found) == [*VALIDATION, "haarpsi"]
    both = [pairs.read(index, FIT) for index in range(3)]
    inputs, targets = (jnp.stack([jnp.asarray(each[side], jnp.float32) for each in both]) for side in ("input", "target"))
    expected = METRICS["haarpsi"].function(inputs, targets, None).mean()
    assert found["haarpsi"] == pytest.approx(float(expected), rel=1e-5)


def test_a_function_that_the_registry_lacks_is_used_and_pairs_without_a_value_do_not_count():
    values = iter([jnp.array([1.0, jnp.nan]), jnp.array([4.0, 9.0])])  # the last pair is padding
    function = lambda pictures, targets, known: next(values)
    found = scoring.score(Pairs(), lambda x: x, FIT, batch_size=2, names=("own",), functions={"own": function})
    assert found == {"own": 2.5}


def test_a_metric_that_no_pair_has_is_missing():
    assert set(scoring.score(Pairs(), lambda x: x, FIT, names=(*VALIDATION, "ms_ssim"))) == set(VALIDATION)


@pytest.mark.slow
def test_a_chosen_metric_of_label_maps_comes_from_one_confusion_matrix():
    pairs, target = Pairs(classes=3), Side(kind="labels", channels=(1,), classes=3)
    found = scoring.score(pairs, lambda x: x, FIT, target, names=(*VALIDATION, "pixel_accuracy"))
    right = [(pair["input"] == pair["target"]).mean() for pair in (pairs.read(index, FIT) for index in range(3))]
    assert found["pixel_accuracy"] == pytest.approx(np.mean(right))
    assert "iou" not in found

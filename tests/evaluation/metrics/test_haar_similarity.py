"""HaarPSI compared with piq's, recorded by `tests/reference/record_metrics.py`."""

import jax
import numpy as np
import pytest
from helpers import metric_pairs as pairs

from p2p_jax.errors import UserError
from p2p_jax.evaluation import metrics

SIZES = pairs.SIZES | {"x".join(map(str, shape)): shape for shape in pairs.SMALL}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_it_equals_piq_with_the_matrix_of_the_authors_and_nearly_with_piqs_own(name):
    with np.load(pairs.RECORDED) as recorded, jax.enable_x64(True):
        measure = jax.jit(metrics.haarpsi)
        for change in pairs.CHANGES:
            found = float(measure(*(np.float64(p)[None] for p in pairs.pictures(SIZES[name], change)))[0])
            assert abs(found - recorded[f"haarpsi/{name}/{change}"]) < 1e-12, change
            assert abs(found - recorded[f"haarpsi_piq/{name}/{change}"]) < 3e-4, change


@pytest.mark.slow
def test_pictures_without_edges_are_equal():
    black = np.zeros((1, 16, 16, 1), np.uint8)
    assert metrics.haarpsi(black, black).tolist() == [1]


@pytest.mark.parametrize("shape", [(1, 16, 16, 2), (1, 15, 16, 3)])
def test_other_channels_and_small_pictures_are_refused(shape):
    with pytest.raises(UserError, match=r"1 channel \(grey\) or 3 \(RGB\), and at least 16 pixels a side"):
        metrics.haarpsi(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))

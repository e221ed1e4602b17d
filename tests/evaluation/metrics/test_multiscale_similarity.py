"""MS-SSIM compared with piq's, recorded by `tests/reference/record_metrics.py`."""

import jax
import numpy as np
import pytest
from helpers import metric_pairs as pairs

from p2p_jax.errors import UserError
from p2p_jax.evaluation import metrics

# At an odd side this module repeats the last row or column, as the authors do, and piq the first one. If both sides are odd
# at the same scales, the mirrored pictures have the same value. Otherwise piq moves the grid of the even side, too.
TOLERANCE = dict.fromkeys(pairs.SIZES, 1e-12) | {"odd_height": 3e-3}


@pytest.mark.slow
@pytest.mark.parametrize("name", pairs.SIZES)
def test_it_equals_piq(name):
    with np.load(pairs.RECORDED) as recorded, jax.enable_x64(True):
        measure = jax.jit(metrics.ms_ssim)
        for change in pairs.CHANGES:
            both = [np.float64(p)[None] for p in pairs.pictures(pairs.SIZES[name], change)]
            both = [p[:, ::-1, ::-1] for p in both] if name in ("odd", "odd_grey") else both
            found = measure(*both)
            assert found.dtype == np.float64
            assert abs(float(found[0]) - recorded[f"ms_ssim/{name}/{change}"]) < TOLERANCE[name], change


def test_small_pictures_are_refused_because_fewer_scales_are_another_metric():
    pictures = np.zeros((1, 160, 200, 3), np.uint8)
    with pytest.raises(UserError, match="each side needs at least 161 pixels for five scales; use ssim"):
        metrics.ms_ssim(pictures, pictures)


@pytest.mark.slow
def test_it_is_nan_if_no_window_at_the_coarsest_scale_has_a_known_middle():
    picture, target = (p[None] for p in pairs.pictures((176, 208, 3), "noisy"))
    known = np.zeros((1, 176, 208, 1), np.float32)
    known[:, :40] = 1
    assert np.isnan(jax.jit(metrics.ms_ssim)(picture, target, known)[0])

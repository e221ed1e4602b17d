"""Anti-aliased halving and doubling against NumPy; `tests/parity/test_forks.py` compares them with PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import normal

from p2p_jax import ops
from p2p_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("one_device")


@pytest.mark.parametrize("size", [(4, 6), (5, 2), (3, 3)])
def test_halving_blurs_with_mirrored_edges(size):
    x = normal(2, *size, 3, dtype=np.float32)
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    y = np.asarray(jax.jit(ops.blur_downsample)(x))
    assert y.shape == (2, -(-size[0] // 2), -(-size[1] // 2), 3)
    weights = np.outer([1, 2, 1], [1, 2, 1])[None, :, :, None] / 16
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            expected = (wide[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * weights).sum((1, 2))
            np.testing.assert_allclose(y[:, i, j], expected, rtol=1e-5, atol=1e-6)


def test_doubling_is_bilinear_with_repeated_edges():
    x = normal(2, 3, 5, 2, dtype=np.float32)
    found = jax.jit(ops.upsample_bilinear)(x)
    np.testing.assert_allclose(found, ops.resize(jnp.asarray(x), (6, 10), "bilinear"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fn", [ops.blur_downsample, ops.upsample_bilinear])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_constant_pictures_stay_constant_and_dtypes_are_kept(fn, dtype):
    y = fn(jnp.full((1, 4, 6, 2), 0.3, dtype))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, jnp.full(y.shape, 0.3, dtype))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 4), (4, 1), (1, 1)])
def test_a_single_row_or_column_is_not_halved(size):
    with pytest.raises(UserError, match=f"given a picture of {size[0]} x {size[1]} pixels: each side must be at least 2"):
        ops.blur_downsample(jnp.zeros((1, *size, 1)))
    assert ops.upsample_bilinear(jnp.ones((1, *size, 1))).shape == (1, 2 * size[0], 2 * size[1], 1)

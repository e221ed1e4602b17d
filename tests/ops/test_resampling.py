"""Padding, upsampling and stacking of channels against NumPy. `tests/parity/test_ops.py` compares resizing with Pillow."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import normal

from p2p_jax import ops
from p2p_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("one_device")
jit = jax.jit


@pytest.mark.parametrize("dtypes", [(jnp.bfloat16, jnp.bfloat16), (jnp.bfloat16, jnp.float32), (jnp.float32,) * 2])
def test_concat_channels_and_its_derivatives(dtypes):
    a, b = (jnp.asarray(normal(2, 3, 4, c), dtype) for c, dtype in zip((2, 3), dtypes, strict=True))
    weight = normal(2, 3, 4, 5).astype(np.float32)

    def run(stack):
        y = stack(a, b)
        return (
            y,
            jax.jvp(stack, (a, b), (b[..., :2].astype(a.dtype), b)),
            jax.grad(lambda a, b: (jnp.sin(stack(a, b).astype(jnp.float32)) * weight).sum(), (0, 1))(a, b),
        )

    expected, found = jit(lambda: [run(fn) for fn in (lambda a, b: jnp.concatenate([a, b], -1), ops.concat_channels)])()
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        assert one.dtype == other.dtype, (one.dtype, other.dtype)
        np.testing.assert_allclose(other.astype(jnp.float32), one.astype(jnp.float32), rtol=1e-6)


def test_reflect_pad_mirrors_without_repeating_the_edge():
    x = normal(2, 5, 4, 3, dtype=np.float32)
    for pad in (1, 3):
        expected = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(ops.reflect_pad(jnp.array(x), pad), expected)


def test_upsample_nearest_repeats_every_pixel():
    x = normal(2, 2, 3, 2, dtype=np.float32)
    y = np.asarray(ops.upsample_nearest(jnp.array(x), 3))
    assert y.shape == (2, 6, 9, 2)
    for i in range(6):
        for j in range(9):
            np.testing.assert_array_equal(y[:, i, j], x[:, i // 3, j // 3])


def test_reflect_pad_needs_sides_above_the_padding():
    assert jax.eval_shape(partial(ops.reflect_pad, pad=3), jnp.zeros((1, 4, 4, 1))).shape == (1, 10, 10, 1)
    with pytest.raises(UserError, match=r"given a picture of 3 x 9 pixels and pad 3: .* larger than the padding"):
        ops.reflect_pad(jnp.zeros((1, 3, 9, 2)), 3)

"""The pure array functions but convolutions and norms, against their definitions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import normal

from p2p_jax import ops

pytestmark = pytest.mark.usefixtures("one_device")
jit = jax.jit


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: ops.conv2d(jnp.zeros((1, 8, 8, 3)), jnp.zeros((4, 4, 2, 5))), ["conv2d", "(1, 8, 8, 3)", "(4, 4, 2, 5)"]),
        (lambda: ops.conv2d(jnp.zeros((8, 8, 2)), jnp.zeros((4, 4, 2, 5))), ["conv2d", "(8, 8, 2)", "(n, h, w, in)"]),
        (
            lambda: ops.conv2d(jnp.zeros((1, 1, 8, 2)), jnp.zeros((4, 4, 2, 5)), padding=1),
            ["1 x 8", "padding 1", "4 x 4", "larger picture"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 8, 8, 3)), jnp.zeros((2, 4, 4, 5))),
            ["conv2d_transpose", "(1, 8, 8, 3)", "(2, 4, 4, 5)"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 8, 8, 2)), jnp.zeros((2, 3, 3, 5)), output_padding=2),
            ["output_padding 2", "stride 2", "smaller than the stride"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 8, 8, 2)), jnp.zeros((2, 3, 3, 5)), output_padding=-1),
            ["output_padding -1", "at least 0"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 1, 4, 2)), jnp.zeros((2, 2, 2, 5)), padding=1),
            ["0 x 6", "1 x 4", "padding 1 is too large"],
        ),
        (lambda: ops.reflect_pad(jnp.zeros((1, 3, 9, 2)), 3), ["3 x 9", "pad 3", "larger than the padding"]),
        (lambda: ops.dropout(jax.random.key(0), jnp.ones(3), 1.0), ["rate 1.0", "below 1"]),
        (lambda: ops.dropout(jax.random.key(0), jnp.ones(3), -0.1), ["rate -0.1", "at least 0"]),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_values_given(call, parts):
    with pytest.raises(ValueError, match=r"given|would give") as error:
        call()
    for part in parts:
        assert part in str(error.value)


def test_smallest_sizes_are_accepted():
    one, kernel = jnp.zeros((1, 1, 1, 1)), jnp.zeros((1, 3, 3, 1))
    assert jax.eval_shape(partial(ops.conv2d, padding=1), one, jnp.zeros((3, 3, 1, 1))).shape == (1, 1, 1, 1)
    assert jax.eval_shape(partial(ops.conv2d_transpose, padding=1), one, kernel).shape == (1, 1, 1, 1)
    assert jax.eval_shape(partial(ops.reflect_pad, pad=3), jnp.zeros((1, 4, 4, 1))).shape == (1, 10, 10, 1)


def test_relu_and_its_gradient():
    x = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(ops.relu(x), [0, 0, 3])
    np.testing.assert_array_equal(jax.grad(lambda x: ops.relu(x).sum())(x), [0, 0, 1])
    np.testing.assert_array_equal(jax.jvp(ops.relu, (x,), (jnp.array([5.0, 6.0, 7.0]),))[1], [0, 0, 7])


def test_leaky_relu_and_its_gradient():
    x = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(ops.leaky_relu(x), [-0.4, 0, 3])
    np.testing.assert_allclose(ops.leaky_relu(x, 0.5), [-1, 0, 3])
    np.testing.assert_allclose(jax.grad(lambda x: ops.leaky_relu(x).sum())(x), [0.2, 0.2, 1])
    np.testing.assert_allclose(jax.jvp(lambda x: ops.leaky_relu(x, 0.5), (x,), (x,))[1], [-1, 0, 3])
    np.testing.assert_array_equal(jax.grad(lambda x: ops.leaky_relu(x, 0).sum())(x), [0, 0, 1])
    np.testing.assert_allclose(jax.grad(lambda x: ops.leaky_relu(x, -0.1).sum())(x), [-0.1, -0.1, 1], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda slope: ops.leaky_relu(x, slope).sum())(0.2), -2)


def test_activations_keep_bfloat16_and_pass_nan_on():
    x = jnp.array([jnp.nan, 1.0], jnp.bfloat16)
    for activation in (ops.relu, ops.leaky_relu, ops.tanh, ops.sigmoid):
        y = activation(x)
        assert y.dtype == jnp.bfloat16, activation
        assert jnp.isnan(y).tolist() == [True, False], activation


def test_tanh_and_sigmoid():
    x = np.array([-100.0, -1.5, 0.0, 0.25, 100.0])
    np.testing.assert_allclose(ops.tanh(jnp.array(x)), np.tanh(x), rtol=1e-6)
    np.testing.assert_allclose(ops.sigmoid(jnp.array(x)), [0, 1 / (1 + np.exp(1.5)), 0.5, 1 / (1 + np.exp(-0.25)), 1], 1e-6)


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

    expected, given = jit(lambda: [run(fn) for fn in (lambda a, b: jnp.concatenate([a, b], -1), ops.concat_channels)])()
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(given), strict=True):
        assert one.dtype == other.dtype, (one.dtype, other.dtype)
        np.testing.assert_allclose(other.astype(jnp.float32), one.astype(jnp.float32), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_its_share_and_scales_the_rest(rate):
    y = np.asarray(ops.dropout(jax.random.key(3), jnp.full((200, 200), 2.0), rate))
    np.testing.assert_allclose(np.unique(y), [0, 2 / (1 - rate)], rtol=1e-6)
    # 5 standard deviations of the mean of 40,000 draws
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / y.size)


def test_dropout_is_fixed_by_its_key():
    x = jnp.ones(64)
    drop = lambda seed: np.asarray(ops.dropout(jax.random.key(seed), x, 0.5))
    np.testing.assert_array_equal(drop(0), drop(0))
    assert (drop(0) != drop(1)).any()


def test_dropout_of_rate_zero_is_the_identity():
    x = jnp.asarray(normal(8, 8), jnp.float32)
    np.testing.assert_array_equal(ops.dropout(jax.random.key(0), x, 0), x)


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

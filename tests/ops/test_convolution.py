"""Convolutions against loops in NumPy written from their definitions, and the choice of a formulation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import normal
from helpers.formulations import CONVOLUTIONS, FORMULATIONS, TRANSPOSED
from helpers.naive import naive_conv2d, naive_conv2d_transpose

from p2p_jax import ops
from p2p_jax.errors import UserError
from p2p_jax.ops import convolution

pytestmark = pytest.mark.usefixtures("one_device")
jit = jax.jit


@pytest.mark.parametrize("setting", CONVOLUTIONS)
def test_conv2d_equals_its_definition(setting):
    h, w, kh, kw, channels, features, stride, padding = setting
    x, kernel, bias = normal(2, h, w, channels), normal(kh, kw, channels, features), normal(features)
    expected = naive_conv2d(x, kernel, bias, stride=stride, padding=padding)
    size = ((h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1)
    arrays = [jnp.asarray(a, jnp.float32) for a in (x, kernel, bias)]
    y = jit(partial(ops.conv2d, stride=stride, padding=padding))(*arrays)
    assert y.shape == expected.shape == (2, *size, features)
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("setting", TRANSPOSED)
def test_conv2d_transpose_equals_its_definition(setting):
    h, w, kh, kw, channels, features, stride, padding, extra = setting
    x, kernel, bias = normal(2, h, w, channels), normal(channels, kh, kw, features), normal(features)
    expected = naive_conv2d_transpose(x, kernel, bias, stride=stride, padding=padding, output_padding=extra)
    size = ((h - 1) * stride - 2 * padding + kh + extra, (w - 1) * stride - 2 * padding + kw + extra)
    arrays = [jnp.asarray(a, jnp.float32) for a in (x, kernel, bias)]
    y = jit(partial(ops.conv2d_transpose, stride=stride, padding=padding, output_padding=extra))(*arrays)
    assert y.shape == expected.shape == (2, *size, features)
    np.testing.assert_allclose(y, expected, atol=1e-5)


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
    ],
)
def test_impossible_arguments_are_refused_with_their_values(call, parts):
    with pytest.raises(UserError, match=r"was given|would return") as error:
        call()
    for part in parts:
        assert part in str(error.value)


def test_smallest_sizes_are_accepted():
    one, kernel = jnp.zeros((1, 1, 1, 1)), jnp.zeros((1, 3, 3, 1))
    assert jax.eval_shape(partial(ops.conv2d, padding=1), one, jnp.zeros((3, 3, 1, 1))).shape == (1, 1, 1, 1)
    assert jax.eval_shape(partial(ops.conv2d_transpose, padding=1), one, kernel).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("shape", "features", "stride", "dtype", "name"),
    [
        ((1, 128, 128, 64), 128, 2, jnp.float32, "winograd 3"),
        ((1, 64, 64, 128), 256, 2, jnp.float32, "winograd 2"),
        ((1, 32, 32, 256), 512, 1, jnp.float32, "winograd 3"),
        ((1, 32, 32, 256), 512, 1, jnp.bfloat16, "polyphase"),
        ((1, 31, 31, 512), 1, 1, jnp.bfloat16, "output im2col"),
        ((8, 64, 64, 128), 256, 2, jnp.float32, "winograd 3"),
        ((1, 4, 4, 512), 512, 2, jnp.float32, "im2col"),
        ((1, 64, 64, 3), 16, 2, jnp.float32, "im2col"),
        ((1, 31, 31, 512), 1, 1, jnp.float32, "output im2col"),
    ],
)
def test_the_cheapest_formulation_depends_on_the_shape(shape, features, stride, dtype, name):
    kernel = jax.ShapeDtypeStruct((4, 4, shape[-1], features), jnp.float32)
    geometry = convolution.geometry_of_conv(jax.ShapeDtypeStruct(shape, dtype), kernel, stride=stride, padding=1)
    chosen = convolution.choose(geometry, shape[0], shape[-1], features, dtype)
    assert chosen == FORMULATIONS[name]


def test_transposed_convolution_is_the_transpose_of_the_convolution():
    with jax.enable_x64(True):
        x, y, kernel = (jnp.asarray(normal(*shape)) for shape in ((1, 9, 9, 2), (1, 5, 5, 3), (3, 3, 2, 3)))
        forth = ops.conv2d(x, kernel, stride=2, padding=1)
        back = ops.conv2d_transpose(y, kernel.transpose(3, 0, 1, 2), stride=2, padding=1)
        assert float((forth * y).sum()) == pytest.approx(float((x * back).sum()), rel=1e-12)


def test_convolutions_in_bfloat16_keep_the_dtype_and_sum_in_float32():
    x = jnp.asarray(normal(1, 8, 8, 32), jnp.bfloat16)
    kernel = jnp.asarray(normal(4, 4, 32, 4), jnp.float32)
    rounded = np.asarray(kernel.astype(jnp.bfloat16), np.float64)
    y = jit(partial(ops.conv2d, stride=2, padding=1))(x, kernel)
    assert y.dtype == jnp.bfloat16
    expected = naive_conv2d(np.asarray(x, np.float64), rounded, stride=2, padding=1)
    np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=2**-8, atol=1e-4)
    assert jax.eval_shape(ops.conv2d_transpose, x, jnp.zeros((32, 4, 4, 2))).dtype == jnp.bfloat16


def test_the_gradient_of_a_bias_is_summed_in_float32():
    x, kernel, bias = jnp.ones((1, 65, 63, 1), jnp.bfloat16), jnp.zeros((1, 1, 1, 1)), jnp.zeros(1)
    of_bias = jit(jax.grad(lambda bias: ops.conv2d(x, kernel, bias).astype(jnp.float32).sum()))(bias)
    np.testing.assert_array_equal(of_bias, [65 * 63])  # 4,095, which bfloat16 rounds to 4,096

"""Normalisation against NumPy, and its gradients against those of its parts by jax.grad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import normal

from p2p_jax import ops

pytestmark = pytest.mark.usefixtures("one_device")
jit = jax.jit


def test_moments_are_mean_and_biased_variance():
    x = normal(2, 3, 4, 5) * 3 + 7
    for axes in ((0, 1, 2), (1, 2)):
        mean, var = ops.moments(jnp.array(x, jnp.float32), axes)
        np.testing.assert_allclose(mean, x.mean(axes, keepdims=True), rtol=1e-5)
        np.testing.assert_allclose(var, x.var(axes, keepdims=True), rtol=1e-4)


def test_moments_and_normalize_of_bfloat16_are_computed_in_float32():
    x = jnp.asarray(normal(1, 16, 16, 2) + 50, jnp.bfloat16)  # here neighbouring bfloat16 values differ by 0.25
    wide = np.asarray(x, np.float64)
    mean, var = ops.moments(x, (0, 1, 2))
    assert mean.dtype == var.dtype == jnp.float32
    np.testing.assert_allclose(mean, wide.mean((0, 1, 2), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(var, wide.var((0, 1, 2), keepdims=True), rtol=1e-4)
    y = ops.normalize(x, mean, var)
    assert y.dtype == jnp.bfloat16
    expected = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=2**-8, atol=1e-5)


def test_moments_and_normalize_of_float64_stay_float64():
    x = normal(2, 3, 3, 2)
    with jax.enable_x64(True):
        mean, var = ops.moments(jnp.array(x), (1, 2))
        y = ops.normalize(jnp.array(x), mean, var, jnp.array([2.0, 3.0]), jnp.array([-1.0, 1.0]), eps=1e-3)
        assert mean.dtype == var.dtype == y.dtype == jnp.float64
        expected = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-3)
        np.testing.assert_allclose(y, expected * [2, 3] + [-1, 1], rtol=1e-12, atol=1e-12)


def test_normalize_of_a_constant_picture_is_zero_and_its_gradient_finite():
    x = jnp.full((1, 4, 4, 1), 3.0)
    normalized = lambda x: ops.normalize(x, *ops.moments(x, (1, 2)))
    y, vjp = jit(lambda x: jax.vjp(normalized, x))(x)
    np.testing.assert_array_equal(y, np.zeros(x.shape))
    assert jnp.isfinite(vjp(jnp.arange(16.0).reshape(x.shape))[0]).all()


def standardize_by_parts(x, axes, *affine, eps):
    mean, var = ops.moments(x, axes)
    return ops.normalize(x, mean, var, *affine, eps=eps), mean, var


@pytest.mark.slow
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_standardize_is_normalize_by_the_moments_with_all_derivatives(axes, affine):
    """Gradients through mean and variance, and gradients of gradients, agree too."""
    with jax.enable_x64(True):
        x = jnp.asarray(normal(2, 3, 5, 4) * 3 + 7)
        arrays = [x, *(jnp.asarray(normal(4)) for _ in range(2 * affine))]
        weights = jax.tree.map(lambda part: normal(*part.shape), standardize_by_parts(x, axes, eps=0.1))

        def all_of(fn):
            def loss(*arrays):
                parts = fn(arrays[0], axes, *arrays[1:], eps=0.1)
                return sum((part * weight).sum() for part, weight in zip(parts, weights, strict=True))

            every = range(len(arrays))
            of_gradient = jax.grad(lambda *a: sum(jnp.square(g).sum() for g in jax.grad(loss, every)(*a)), every)
            return fn(arrays[0], axes, *arrays[1:], eps=0.1), jax.grad(loss, every)(*arrays), of_gradient(*arrays)

        expected, found = jit(lambda: (all_of(standardize_by_parts), all_of(ops.standardize)))()
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10)


def test_standardize_of_bfloat16_is_computed_in_float32():
    x, grad = (jnp.asarray(normal(2, 8, 8, 4) + shift, jnp.bfloat16) for shift in (50, 1))
    affine = jnp.asarray(normal(4), jnp.float32), jnp.asarray(normal(4), jnp.float32)

    def run(x, grad):
        (y, mean, var), vjp = jax.vjp(lambda x, *affine: ops.standardize(x, (0, 1, 2), *affine), x, *affine)
        return y, vjp((grad, jnp.zeros_like(mean), jnp.zeros_like(var)))

    y, (of_x, *of_affine) = jit(run)(x, grad)
    wide_y, (wide_of_x, *wide_of_affine) = jit(run)(x.astype(jnp.float32), grad.astype(jnp.float32))
    assert y.dtype == of_x.dtype == jnp.bfloat16
    for narrow, wide in ((y, wide_y), (of_x, wide_of_x)):
        np.testing.assert_allclose(narrow.astype(jnp.float32), wide, rtol=2**-8, atol=1e-5)
    for narrow, wide in zip(of_affine, wide_of_affine, strict=True):
        np.testing.assert_allclose(narrow, wide, rtol=1e-5)


@pytest.mark.slow
def test_a_norm_and_an_activation_keep_one_array_each_for_the_backward_pass():
    """Kept are the input of the norm and the output of the activation, which the next convolution keeps anyway."""
    x, kernel = jnp.ones((4, 64, 64, 8)), jnp.ones((3, 3, 8, 8))

    def count_arrays(depth):
        def loss(kernel):
            y = x
            for _ in range(depth):
                y = ops.leaky_relu(ops.standardize(ops.conv2d(y, kernel, padding=1), (0, 1, 2))[0])
            return y.sum()

        return jax.jit(jax.grad(loss)).lower(kernel).compile().memory_analysis().temp_size_in_bytes / x.nbytes

    assert count_arrays(6) - count_arrays(3) == pytest.approx(2 * 3, abs=0.1)

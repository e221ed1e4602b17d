"""Activations and dropout against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import normal

from p2p_jax import ops
from p2p_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("one_device")


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


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_a_fraction_and_scales_the_rest(rate):
    y = np.asarray(ops.dropout(jax.random.key(3), jnp.full((200, 200), 2.0), rate))
    np.testing.assert_allclose(np.unique(y), [0, 2 / (1 - rate)], rtol=1e-6)
    # 5 standard deviations of the mean of 40,000 draws
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / y.size)


def test_dropout_depends_on_its_key_only():
    x = jnp.ones(64)
    drop = lambda seed: np.asarray(ops.dropout(jax.random.key(seed), x, 0.5))
    np.testing.assert_array_equal(drop(0), drop(0))
    assert (drop(0) != drop(1)).any()


def test_dropout_of_rate_zero_is_the_identity():
    x = jnp.asarray(normal(8, 8), jnp.float32)
    np.testing.assert_array_equal(ops.dropout(jax.random.key(0), x, 0), x)


@pytest.mark.parametrize(
    ("rate", "said"), [(1.0, r"given rate 1\.0: .* below 1"), (-0.1, r"given rate -0\.1: .* at least 0")]
)
def test_a_dropout_rate_out_of_range_is_refused(rate, said):
    with pytest.raises(UserError, match=said):
        ops.dropout(jax.random.key(0), jnp.ones(3), rate)

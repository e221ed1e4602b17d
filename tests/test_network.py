"""The pair of functions of a network: state, noise, inputs, and networks written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.networks import CONTRACT, TALL

from p2p_jax import layers
from p2p_jax.network import Network, count_parameters, network
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step


def test_the_table_of_parameter_names_covers_all_networks():
    assert set(CONTRACT) == {"unet_256", "patchgan_70", "resnet_9", "pixelgan"}


@pytest.fixture(scope="module")
def small():
    def body(scope, x, *, train):
        x = scope.child(layers.conv, "conv")(x, 2, kernel=1, stride=1, padding=0)
        x = scope.child(layers.batch_norm, "norm")(x, train=train)
        return scope.child(layers.dropout, "dropout")(x, 0.5)

    net = network(body)
    x = jnp.asarray(TALL, jnp.float32)
    params, state = net.init(jax.random.key(0), x)
    return net, params, state, x


def test_apply_without_training_returns_the_same_state(small):
    net, params, state, x = small
    _, after = jax.jit(lambda *a: net.apply(*a, train=False))(params, state, x)
    jax.tree.map(np.testing.assert_array_equal, after, state)
    assert net.apply(params, state, x, train=False)[1] is state


def test_apply_in_training_returns_new_statistics_and_changes_nothing_in_place(small):
    net, params, state, x = small
    before = jax.tree.map(np.array, (params, state))
    y, after = net.apply(params, state, x, train=True)
    plain, _ = net.apply(params, state, x, train=False)
    np.testing.assert_array_equal(y, plain)
    hidden = np.asarray(x) @ np.asarray(params["conv"]["kernel"])[0, 0]
    np.testing.assert_allclose(after["batch_stats"]["norm"]["mean"], 0.1 * hidden.mean((0, 1, 2)), rtol=1e-4, atol=1e-7)
    jax.tree.map(np.testing.assert_array_equal, (params, state), before)


def test_noise_depends_on_a_key_and_not_on_training(small):
    net, params, state, x = small
    plain = net.apply(params, state, x, train=False)[0]
    for train in (False, True):
        noisy = net.apply(params, state, x, train=train, key=jax.random.key(1))[0]
        assert (noisy == 0).any()
        again = net.apply(params, state, x, train=train, key=jax.random.key(1))[0]
        np.testing.assert_array_equal(noisy, again)
        np.testing.assert_allclose(noisy, np.where(noisy == 0, 0, 2 * plain), rtol=1e-6)


def test_a_network_without_statistics_has_an_empty_state_and_accepts_several_inputs():
    net = network(lambda scope, a, b, *, train: a * scope.param("w", layers.zeros, ()) + b)
    params, state = net.init(jax.random.key(0), jnp.ones(2), jnp.ones(2))
    assert state == {}
    y, after = net.apply(params, state, jnp.ones(2), jnp.full(2, 3.0), train=True)
    np.testing.assert_array_equal(y, [3, 3])
    assert after == {}


def test_count_parameters_sums_over_all_leaves():
    assert count_parameters({"a": {"k": jnp.zeros((2, 3))}, "b": [jnp.zeros(()), jnp.zeros(4)]}) == 11


def test_the_step_trains_networks_written_in_plain_jax():
    def apply(params, state, x, *, train, key=None):
        del train, key
        return jnp.tanh(jnp.einsum("nhwc,cd->nhwd", x, params)), {"calls": state["calls"] + 1}

    def by_hand(features):
        return Network(lambda key, x: (jax.random.normal(key, (x.shape[-1], features)), {"calls": jnp.zeros(())}), apply)

    model = Pix2Pix(by_hand(2), by_hand(1), optax.sgd(0.01), optax.sgd(0.01))
    batch = {"input": jnp.asarray(TALL, jnp.float32), "target": jnp.asarray(TALL[..., :2], jnp.float32)}
    state = init_train_state(jax.random.key(0), model, batch)
    assert state.generator.params.shape == (3, 2)
    assert state.discriminator.params.shape == (5, 1)
    step = jax.jit(make_train_step(model))
    after, first = step(state, batch)
    for _ in range(20):
        after, metrics = step(after, batch)
    assert float(metrics["generator_l1"]) < 0.9 * float(first["generator_l1"])
    assert int(after.generator.state["calls"]) == 21
    assert int(after.discriminator.state["calls"]) == 63

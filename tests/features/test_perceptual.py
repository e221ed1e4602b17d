"""Perceptual losses: their values, and gradients that are finite and right."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import feature_inputs as inputs
from helpers.cases import tiers
from helpers.feature_weights import NEEDS_LITE0, NEEDS_LPIPS, small_lpips, tiny_lite0

from p2p_jax.features import perceptual
from p2p_jax.features.layers import Layer
from p2p_jax.features.lite0 import enlarge, read_lite0_weights
from p2p_jax.features.lpips import lpips, to_unit_length

NETWORKS = pytest.mark.parametrize("network", tiers(["alex", "lite0", "vgg"], 2, slow=1))


@cache
def pair(count=2, size=48):
    """A target and a fake that differs from it, in [-1, 1]. The noise lets no two pixels be equal, which are kinks."""
    random = np.random.default_rng(1)
    target, difference = (np.kron(random.uniform(-0.4, 0.4, (count, 6, 6, 3)), np.ones((1, 8, 8, 1))) for _ in range(2))
    noise = random.uniform(-0.2, 0.2, (2, count, 48, 48, 3))
    pictures = np.stack([target, target + difference]) + noise
    return list(jnp.asarray(pictures[:, :, :size, :size], jnp.float32))


def positive(network):
    """Random weights of a backbone, with heads of at least 0 as the trained ones have."""
    weights = small_lpips(network)
    return weights._replace(heads=[np.abs(head) for head in weights.heads])


@cache
def loss_of(network):
    if network == "lite0":
        return jax.jit(partial(perceptual.lite0_loss, tiny_lite0()))
    return jax.jit(partial(perceptual.lpips_loss, positive(network), network=network))


@NETWORKS
def test_a_loss_falls_to_0_as_the_fake_approaches_its_target(network):
    target, other = pair()
    values = [float(loss_of(network)(target + amount * (other - target), target)) for amount in (0.4, 0.2, 0.1, 0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 1e-3
    assert values[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("network", tiers(["alex", "vgg"], slow=1))
def test_the_loss_is_the_mean_of_the_metric(network):
    target, fake = pair()
    scale = lambda x: (np.asarray(x) + 1) * 127.5
    metric = jax.jit(partial(lpips, positive(network), network=network))
    expected = metric(scale(fake), scale(target))
    np.testing.assert_allclose(loss_of(network)(fake, target), expected.mean(), rtol=1e-4)


@NETWORKS
def test_gradients_agree_with_differences_of_values(network):
    target, other = pair()
    fake, loss = target + 0.5 * (other - target), loss_of(network)
    gradient = jax.jit(jax.grad(loss))(fake, target)
    length = jnp.sqrt(jnp.square(gradient).sum())
    step = 0.0003 * gradient / length
    slope = (loss(fake + step, target) - loss(fake - step, target)) / 0.0006
    assert float(slope) == pytest.approx(float(length), rel=0.03)
    assert float(length) > 1e-3


def test_gradients_are_finite_where_all_features_are_0():
    """The last block of Lite0 ends without a rectifier, which would let no gradient through."""
    weights = tiny_lite0()
    last = weights.blocks[-1]
    silent = last._replace(project=Layer(0 * last.project.kernel, 0 * last.project.bias))
    weights = weights._replace(blocks=[*weights.blocks[:-1], silent])
    target, fake = pair()
    gradient = np.asarray(jax.jit(jax.grad(partial(perceptual.lite0_loss, weights)))(fake, target))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1e-6


def test_features_of_length_0_stay_0_and_others_get_length_1():
    features = jnp.asarray([[[[0.0, 0.0], [3.0, 4.0]]]])
    np.testing.assert_allclose(to_unit_length(features)[0, 0], [[0, 0], [0.6, 0.8]], rtol=1e-6)
    np.testing.assert_array_equal(jax.grad(lambda x: to_unit_length(x)[0, 0, 0].sum())(features)[0, 0, 1], [0, 0])
    assert np.isfinite(jax.grad(lambda x: to_unit_length(x).sum())(features)).all()


def test_small_pictures_are_enlarged_for_lite0_in_their_shape():
    assert enlarge(jnp.zeros((2, 32, 40, 1)), 128).shape == (2, 128, 160, 1)
    assert enlarge(jnp.zeros((2, 128, 40, 3)), 40).shape == (2, 128, 40, 3)
    levels = jax.eval_shape(partial(perceptual.picture_levels, tiny_lite0()), jnp.zeros((1, 16, 32, 1)))
    assert [level.shape[1:3] for level in levels] == [(64, 128), (32, 64), (16, 32), (8, 16), (4, 8)]


@pytest.mark.parametrize("network", ["vgg", "lite0"])
def test_weights_are_read_once_and_not_before_they_are_needed(monkeypatch, network):
    read = []
    monkeypatch.setattr(perceptual, "read_lpips_weights", lambda name: read.append(name) or small_lpips(name))
    monkeypatch.setattr(perceptual, "read_lite0_weights", lambda: read.append("lite0") or tiny_lite0())
    loss, levels = perceptual.open_loss(network), perceptual.open_levels()
    assert read == []
    target, fake = pair(1, 32)
    for _ in range(2):
        jax.eval_shape(loss, fake, target)
    assert read == [network]
    assert len(jax.eval_shape(levels, fake)) == 5


@pytest.mark.slow
@NEEDS_LPIPS
@NEEDS_LITE0
@pytest.mark.parametrize("network", ["alex", "vgg", "lite0"])
def test_descent_along_the_gradients_of_trained_networks_lowers_the_loss(network):
    target, fake = (jnp.asarray(each[:1], jnp.float32) / 127.5 - 1 for each in inputs.pairs("even")[::-1])
    fake = target + 0.3 * jnp.asarray(np.random.default_rng(0).normal(size=target.shape), jnp.float32)
    loss = jax.jit(jax.value_and_grad(perceptual.open_loss(network)))
    first = float(loss(fake, target)[0])
    for _ in range(10):
        value, gradient = loss(fake, target)
        fake = fake - 0.3 * gradient / jnp.sqrt(jnp.square(gradient).sum())
    assert float(value) < 0.97 * first


@pytest.mark.slow
@NEEDS_LITE0
def test_the_trained_network_has_five_levels():
    levels = jax.eval_shape(partial(perceptual.picture_levels, read_lite0_weights()), jnp.zeros((1, 128, 128, 3)))
    found = [(level.shape[1], level.shape[3]) for level in levels]
    assert found == [(64, 16), (32, 24), (16, 40), (8, 112), (4, 320)]

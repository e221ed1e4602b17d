"""A step with a segmentation discriminator, LabelMix, warps and noise is the same on any number of devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.cases import tiers
from helpers.small_step import make_picture
from jax.sharding import NamedSharding

from p2p_jax import discriminators, generators, layers, losses
from p2p_jax.devices.sharding import make_mesh, replicate, split_batch
from p2p_jax.network import network
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step

CLASSES = 3
NUMBERS = np.random.default_rng(0).integers(0, CLASSES, (4, 8, 8))
BATCH = {
    "input": np.eye(CLASSES, dtype=np.float32)[NUMBERS] * 2 - 1,
    "target": np.random.default_rng(1).uniform(-1, 1, (4, 8, 8, 2)).astype(np.float32),
}


def segment(scope, x, *, train):
    del train
    return layers.conv(scope, x, CLASSES + 1, kernel=3, stride=1, padding=1, init=layers.normal(0.5))


def build():
    judge = discriminators.with_labels(network(segment), CLASSES)
    generator = network(make_picture, norm=layers.no_norm)
    return Pix2Pix(
        generators.with_input_warp(generators.with_input_noise(generator, stddev=0.1), strength=0.1),
        discriminators.with_noise(judge, CLASSES, stddev=0.1),
        optax.sgd(0.1),
        optax.sgd(0.1),
        adversarial=losses.segmentation_adversarial,
        penalty=losses.label_mix,
    )


def one_step(devices, accumulate):
    """The state and the metrics after one step in float64, and the program's text."""
    model, mesh = build(), make_mesh(4, devices)
    batch = {name: np.asarray(value, np.float64) for name, value in BATCH.items()}
    state = jax.jit(lambda batch: init_train_state(jax.random.key(0), model, batch))(batch)
    wide = lambda leaf: np.asarray(leaf, np.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    state, batch = replicate(mesh, jax.tree.map(wide, state)), split_batch(mesh, batch)
    step = jax.jit(make_train_step(model, accumulate=accumulate), out_shardings=NamedSharding(mesh, jax.P()))
    compiled = step.lower(state, batch).compile()
    state, metrics = jax.device_get(compiled(state, batch))
    return state.replace(key=None), metrics, compiled.as_text()


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", tiers([1, 2], slow=0))
def test_two_devices_train_as_one_and_exchange_only_sums(accumulate):
    with jax.enable_x64(True):
        one, two = (one_step(each, accumulate) for each in (jax.devices()[:1], jax.devices()))
    for (path, b), a in zip(jax.tree.leaves_with_path(two[:2]), jax.tree.leaves(one[:2]), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-8, err_msg=jax.tree_util.keystr(path))
    assert "all-reduce" in two[2]
    assert not any(name in two[2] for name in ("all-gather(", "all-to-all(", "collective-permute("))

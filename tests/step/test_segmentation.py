"""A step with a segmentation discriminator, LabelMix, warps and noise: who gets a gradient, and any number of devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding

from p2p_jax import discriminators, generators, losses
from p2p_jax.devices.sharding import make_mesh, replicate, split_batch
from p2p_jax.network import network
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step

CLASSES = 3
NUMBERS = np.random.default_rng(0).integers(0, CLASSES, (4, 8, 8))
BATCH = {
    "input": np.eye(CLASSES, dtype=np.float32)[NUMBERS] * 2 - 1,
    "target": np.random.default_rng(1).uniform(-1, 1, (4, 8, 8, 3)).astype(np.float32),
}


def model_of(**options):
    unet = network(discriminators.segmentation_unet, classes=CLASSES, widths=(2, 3))
    generator = network(generators.unet, widths=(2, 3), dropout_rates=(0.0, 0.5))
    pieces = {
        "generator": generators.with_input_warp(generators.with_input_noise(generator, stddev=0.1), strength=0.1),
        "discriminator": discriminators.with_noise(discriminators.with_labels(unet, CLASSES), CLASSES, stddev=0.1),
        "adversarial": losses.segmentation_adversarial,
        "penalty": losses.label_mix,
    }
    return Pix2Pix(**pieces | {f"{name}_optimizer": optax.sgd(0.1) for name in ("generator", "discriminator")} | options)


def one_step(model, devices, accumulate=1):
    """The state and the metrics after one step in float64, and the program's text."""
    mesh = make_mesh(4, devices)
    batch = {name: np.asarray(value, np.float64) for name, value in BATCH.items()}
    state = jax.jit(lambda batch: init_train_state(jax.random.key(0), model, batch))(batch)
    wide = lambda leaf: np.asarray(leaf, np.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    state, batch = replicate(mesh, jax.tree.map(wide, state)), split_batch(mesh, batch)
    step = jax.jit(make_train_step(model, accumulate=accumulate), out_shardings=NamedSharding(mesh, jax.P()))
    compiled = step.lower(state, batch).compile()
    state, metrics = jax.device_get(compiled(state, batch))
    return state.replace(key=None), metrics, compiled.as_text()


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_devices_train_as_one_and_exchange_only_sums(accumulate):
    with jax.enable_x64(True):
        one, two = (one_step(model_of(), each, accumulate) for each in (jax.devices()[:1], jax.devices()))
    for (path, b), a in zip(jax.tree.leaves_with_path(two[:2]), jax.tree.leaves(one[:2]), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-8, err_msg=jax.tree_util.keystr(path))
    assert "all-reduce" in two[2]
    assert not any(name in two[2] for name in ("all-gather(", "all-to-all(", "collective-permute("))


@pytest.mark.slow
def test_label_mix_changes_the_discriminator_alone():
    still = {"update": "simultaneous"}
    with jax.enable_x64(True):
        without, penalized = (
            one_step(model_of(penalty=penalty, **still), jax.devices()[:1])
            for penalty in (None, partial(losses.label_mix, weight=100.0))
        )
    jax.tree.map(np.testing.assert_array_equal, penalized[0].generator.params, without[0].generator.params)
    assert penalized[1]["generator_loss"] == without[1]["generator_loss"]
    assert penalized[1]["discriminator_loss"] > without[1]["discriminator_loss"]
    kernels = [run[0].discriminator.params["down0"]["kernel"] for run in (without, penalized)]
    assert not np.allclose(*kernels, atol=1e-6)

"""A training step whose targets are label maps: cross-entropy of the classes, with weights and unknown pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.small_step import batch_of, build, initial

from p2p_jax import losses, pix2pix
from p2p_jax.config import Config, Loss
from p2p_jax.step import generate, generator_gradients

OF_CLASSES = {"reconstruction": losses.cross_entropy, "weigh": losses.weigh_classes}


@pytest.mark.parametrize("name", ["l1", "l2", "cross_entropy"])
def test_the_config_chooses_the_loss_and_how_masks_weigh_it(name):
    model = pix2pix.build(Config(epochs=None, steps=1, loss=Loss(reconstruction=name)))
    weigh = losses.weigh_classes if name == "cross_entropy" else losses.weigh_difference
    assert (model.reconstruction, model.weigh) == (getattr(losses, name), weigh)


def label_batch():
    classes = np.random.default_rng(5).integers(0, 2, (2, 5, 5))
    return batch_of() | {"target": jnp.asarray(np.eye(2, dtype=np.float32)[classes] * 2 - 1)}


def losses_of(model, batch):
    """The fake of the first step, and the generator's metrics."""

    @jax.jit
    def run(state, batch):
        fake = generate(model, state.generator, batch["input"], jax.random.key(1))
        metrics = generator_gradients(model, state.discriminator, state.discriminator, batch, fake)[2]
        return fake.picture, metrics

    picture, metrics = run(initial(model, batch), batch)
    return picture, {name: float(value) for name, value in metrics.items()}


@pytest.mark.slow
@pytest.mark.parametrize("mask", tiers([("weight", 0.5), ("weight", 0.0), ("known", 0.0)], slow=1))
def test_the_generators_loss_holds_the_cross_entropy_of_every_pixel_by_its_mask(mask):
    name, value = mask
    batch = label_batch() | {name: jnp.ones((2, 5, 5, 1)).at[:, :2].set(value)}
    picture, found = losses_of(build(**OF_CLASSES), batch)
    right = np.asarray(batch["target"]) > 0
    each = -np.asarray(jax.nn.log_softmax(10 * picture))[right].reshape(2, 5, 5)
    expected = (each * np.asarray(batch[name])[..., 0]).mean()
    assert found["generator_loss"] == pytest.approx(found["generator_gan"] + 100 * expected, rel=1e-5)


@pytest.mark.slow
def test_without_a_weight_the_generators_l1_does_not_depend_on_the_loss():
    batch = label_batch()
    first, second = (losses_of(build(**options), batch)[1] for options in ({}, OF_CLASSES))
    assert first["generator_l1"] == second["generator_l1"]
    assert first["generator_gan"] == second["generator_gan"]

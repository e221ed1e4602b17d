"""Losses, learning rates and Adam against golden values from PyTorch, which `tests/reference/record.py` recorded."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import reference_values as values

from p2p_jax import discriminators, layers, losses, pix2pix, schedules
from p2p_jax.config import Config, Optimizer, resolve_length
from p2p_jax.network import network
from p2p_jax.ops import convolution
from p2p_jax.pytorch import convert

jit = jax.jit
NAMES = ["bce", "least_squares", "hinge", "wasserstein"]
SIDES = {
    "real": lambda loss: lambda x: loss.discriminator(x, True),
    "fake": lambda loss: lambda x: loss.discriminator(x, False),
    "generator": lambda loss: loss.generator,
}


@pytest.fixture(scope="module")
def stored():
    return values.load("losses")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", SIDES)
def test_adversarial_loss_equals_pytorchs_also_at_extreme_logits(name, side, stored):
    logits = jnp.asarray(values.LOGITS)[None, :, None, None]
    y, gradient = jax.value_and_grad(SIDES[side](getattr(losses, name)))(logits)
    expected = values.part(stored, f"{name}/{side}")
    np.testing.assert_allclose(y, expected["y"], rtol=1e-6)
    # Each gradient by itself, however small: that of cross-entropy is 2e-10 at a logit of 20. At 50 PyTorch rounds it to 0.
    np.testing.assert_allclose(gradient.ravel(), expected["d_x"], rtol=1e-5, atol=1e-20)


@pytest.mark.parametrize("name", ["bce", "least_squares"])
def test_smoothed_labels_equal_pytorchs_targets_of_nine_tenths(name, stored):
    loss = losses.smooth_labels(getattr(losses, name), 0.1)
    y, gradient = jax.value_and_grad(SIDES["real"](loss))(jnp.asarray(values.LOGITS))
    expected = values.part(stored, f"{name}/smooth")
    np.testing.assert_allclose(gradient, expected["d_x"], rtol=1e-5, atol=1e-8)
    constant = 0.1 * 0.9 if name == "least_squares" else 0.0  # it has no gradient
    np.testing.assert_allclose(y, expected["y"] + constant, rtol=1e-6)
    generators = [jax.grad(SIDES["generator"](side))(jnp.asarray(values.LOGITS)) for side in (loss, getattr(losses, name))]
    np.testing.assert_array_equal(*generators)


def reconstruction(name, stored):
    """Returns (found, expected) for two pictures with one equal channel."""
    fake, target = values.uniform("pictures/fake", 2, 3, 4, 5), values.uniform("pictures/target", 2, 3, 4, 5)
    target[0, 0] = fake[0, 0]
    nhwc = lambda x: jnp.asarray(x.transpose(0, 2, 3, 1))
    y, gradients = jax.value_and_grad(getattr(losses, name), (0, 1))(nhwc(fake), nhwc(target))
    d_input, d_target = (np.array(gradient).transpose(0, 3, 1, 2) for gradient in gradients)
    return {"y": y, "d_input": d_input, "d_target": d_target}, values.part(stored, name)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_reconstruction_loss_equals_pytorchs(name, stored):
    found, expected = reconstruction(name, stored)
    for gradient in ("d_input", "d_target"):
        found[gradient][0, 0] = expected[gradient][0, 0] = 0
    values.assert_agree(found, expected, 1e-6)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_reconstruction_loss_has_no_gradient_where_pictures_are_equal(name, stored):
    found, expected = reconstruction(name, stored)
    for gradient in ("d_input", "d_target"):
        assert not expected[gradient][0, 0].any()
        np.testing.assert_array_equal(found[gradient][0, 0], 0)


def test_cross_entropy_equals_pytorchs_of_ten_times_the_fake(stored):
    fake, target = (values.uniform(f"pictures/{name}", 2, 3, 4, 5).transpose(0, 2, 3, 1) for name in ("fake", "target"))
    target[0, :, :, 0] = fake[0, :, :, 0]  # as for the other losses
    one_hot = jax.nn.one_hot(target.argmax(-1), 3) * 2 - 1
    y, gradient = jax.value_and_grad(losses.cross_entropy)(jnp.asarray(fake), one_hot)
    found = {"y": y, "d_input": np.asarray(gradient).transpose(0, 3, 1, 2)}
    values.assert_agree(found, values.part(stored, "cross_entropy"), 1e-6)


def test_gradient_penalty_equals_pytorchs_at_the_same_interpolations(stored, monkeypatch):
    monkeypatch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)
    fractions = values.uniform("gradient_penalty/share", 2, 1, 1, 1, low=0)
    monkeypatch.setattr(jax.random, "uniform", lambda _key, shape, dtype: jnp.asarray(fractions.reshape(shape), dtype))
    shapes = values.shapes(stored, "gradient_penalty")
    converted = convert.from_torch(values.weights("gradient_penalty", shapes))
    critic = network(discriminators.patchgan, widths=(3, 4), norm=layers.instance_norm)

    def penalty(params, *pictures):
        discriminate = lambda a, b: critic.apply(params, {}, jnp.concatenate([a, b], -1), train=False)[0]
        return losses.gradient_penalty(discriminate, jax.random.key(0), *pictures)

    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), converted.params)
        pictures = [values.uniform(f"gradient_penalty/{name}", 2, 2, 16, 12) for name in ("input", "real", "fake")]
        pictures = [jnp.asarray(picture.transpose(0, 2, 3, 1), jnp.float64) for picture in pictures]
        y, gradients = jit(jax.value_and_grad(penalty))(params, *pictures)
        np.testing.assert_allclose(y, stored["gradient_penalty/y"], rtol=1e-9)
        by_name = convert.to_torch(converted.options, gradients, {})
    values.assert_agree(by_name, values.part(stored, "gradient_penalty/gradients"), 1e-9)


# --------------------------------------------------------------------------------------------------------------------
# Learning rates and Adam


@pytest.mark.parametrize("name", ["linear", "step", "cosine"])
def test_the_rate_of_every_step_is_that_of_pytorchs_scheduler_in_the_same_epoch(name, stored):
    pairs, rate = 7, 2e-4
    made = {
        "linear": partial(schedules.linear, hold=100, decay=100),
        "step": partial(schedules.step_decay, every=50),
        "cosine": partial(schedules.cosine, length=200),
    }[name](rate, unit=pairs)
    config = resolve_length(Config(epochs=values.EPOCHS, optimizer=Optimizer(schedule=name)), pairs)
    steps = np.arange(values.EPOCHS * pairs, dtype=np.int32)
    expected = rate * stored[f"schedule/{name}"].repeat(pairs)
    for schedule in (made, pix2pix.build_schedule(config, rate)):
        np.testing.assert_allclose(schedule(jnp.asarray(steps)), expected, rtol=0, atol=1e-6 * rate)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", ["adam", "adam_linear"])
def test_adam_equals_pytorchs_from_large_gradients_to_rounding_errors(name, x64, stored):
    options = Optimizer(schedule="constant" if name == "adam" else "linear")
    config = resolve_length(Config(epochs=5, optimizer=options), 2)
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        optimizer = pix2pix.build_optimizer(options, pix2pix.build_schedule(config, options.learning_rate))
        moved = {}
        # Starting from zero loses no digit of the movement, which does not depend on the start.
        x = jnp.zeros(8, dtype)
        state, update = optimizer.init(x), jit(optimizer.update)
        for step in range(10):
            gradient = values.uniform(f"adam/{step}", 8) * np.array(values.ADAM_SIZES)
            updates, state = update(jnp.asarray(gradient, dtype), state, x)
            x = x + updates
            moved[f"moved_{step}"] = np.asarray(x, np.float64)
    # In units of the rate. A schedule is always float32 (6e-8); 1 - 0.999^t is float32 here too (3e-5 at first) and
    # float64 in PyTorch.
    bound = 1e-4 if not x64 else 1e-11 if name == "adam" else 2e-7
    for key, value in moved.items():
        assert np.abs(value - stored[f"{name}/{key}"]).max() < 2e-4 * bound, key
    adam = jax.tree.leaves(state, is_leaf=lambda leaf: hasattr(leaf, "mu"))[0]
    for moment in ("mu", "nu"):
        np.testing.assert_allclose(getattr(adam, moment), stored[f"{name}/{moment}"], rtol=1e-12 if x64 else 2e-5)

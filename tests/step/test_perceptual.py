"""A perceptual loss in a training step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.small_step import batch_of, build, initial

from p2p_jax import layers, losses
from p2p_jax.network import network
from p2p_jax.step import make_train_step


def squares(fake, target):
    return 7 * losses.l2(fake, target)


def one_step(batch, *, accumulate=1, **options):
    with jax.enable_x64(True):
        model = build(layers.no_norm)._replace(**options)
        state = initial(model, batch, np.float64)
        state, metrics = jax.jit(make_train_step(model, accumulate=accumulate))(state, batch)
        return jax.device_get(state.replace(key=None)), jax.device_get(metrics)


def test_it_is_added_to_the_generators_loss_and_logged():
    _, plain = one_step(batch_of(n=4))
    _, metrics = one_step(batch_of(n=4), perceptual=squares)
    assert set(metrics) - set(plain) == {"generator_perceptual"}
    difference = metrics["generator_loss"] - plain["generator_loss"]
    assert difference == pytest.approx(metrics["generator_perceptual"]) != 0


def test_it_trains_the_generator_and_not_the_discriminator():
    optimizers = {"generator_optimizer": optax.sgd(0.1), "discriminator_optimizer": optax.sgd(0.1)}
    plain, _ = one_step(batch_of(n=4), **optimizers)
    trained, _ = one_step(batch_of(n=4), perceptual=squares, **optimizers)
    jax.tree.map(np.testing.assert_array_equal, plain.discriminator, trained.discriminator)
    # The same gradients as those of an equal share of the reconstruction loss.
    mixed = lambda fake, target: losses.l1(fake, target) + squares(fake, target) / 100
    expected, _ = one_step(batch_of(n=4), reconstruction=mixed, **optimizers)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), trained.generator, expected.generator)
    assert not np.array_equal(*(s.generator.params["conv1"]["kernel"] for s in (plain, trained)))


def test_unknown_and_weightless_pixels_count_as_equal_to_the_target():
    seen = []

    def spy(fake, target):
        jax.debug.callback(lambda *pictures: seen.append(pictures), fake, target)
        return squares(fake, target)

    known, weight = (np.ones((2, 5, 5, 1), np.float32) for _ in range(2))
    known[:, :2], weight[:, :, :2] = 0, 0
    one_step(batch_of() | {"known": jnp.asarray(known), "weight": jnp.asarray(weight)}, perceptual=spy)
    fake, target = map(np.asarray, seen[0])
    assert len(seen) == 1
    hidden = np.broadcast_to((known == 0) | (weight == 0), fake.shape)
    np.testing.assert_array_equal(fake[hidden], target[hidden])
    assert (fake != target)[~hidden].all()


@pytest.mark.slow
def test_its_mean_over_micro_batches_is_that_of_the_batch():
    def no_dropout(scope, x, *, train):
        return jnp.tanh(scope.child(layers.conv, "conv0")(x, 2, kernel=1, stride=1, padding=0))

    options = {"perceptual": squares, "generator": network(no_dropout), "generator_optimizer": optax.sgd(0.1)}
    whole, one = one_step(batch_of(n=4), **options)
    parts, two = one_step(batch_of(n=4), accumulate=2, **options)
    assert one["generator_perceptual"] == pytest.approx(float(two["generator_perceptual"]), rel=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), whole.generator.params, parts.generator.params)

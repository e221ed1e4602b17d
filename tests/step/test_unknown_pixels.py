"""Pixels of which nothing is known give no gradient in a training step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.small_step import batch_of, build, initial

from p2p_jax.step import discriminator_gradients, generate, generator_gradients, make_train_step


def batch_with_unknown_pixels():
    known = np.ones((2, 5, 5, 1), np.float32)
    known[:, :2, :3] = 0
    return batch_of() | {"known": jnp.asarray(known)}


@pytest.mark.slow
@pytest.mark.parametrize("update", tiers(["sequential", "stale", "simultaneous"], slow=2))
def test_unknown_pixels_give_the_generator_no_gradient(update):
    model, batch = build(update=update), batch_with_unknown_pixels()
    state = initial(model, batch)
    fake, caught = generate(model, state.generator, batch["input"], jax.random.key(1)), []
    spy = fake._replace(backpropagate=lambda gradient: (caught.append(np.asarray(gradient)),))
    generator_gradients(model, state.discriminator, state.discriminator, batch, spy)
    hidden = np.broadcast_to(np.asarray(batch["known"]) == 0, caught[0].shape)
    assert (caught[0][hidden] == 0).all()
    assert (caught[0][~hidden] != 0).any()


@pytest.mark.slow
def test_the_discriminator_cannot_see_what_the_generator_makes_of_unknown_pixels():
    model, batch = build(), batch_with_unknown_pixels()
    state, key = initial(model, batch), jax.random.key(1)
    fakes = [jnp.where(batch["known"] > 0, 0.5, value) * jnp.ones((2, 5, 5, 2)) for value in (-1.0, 1.0)]
    results = [discriminator_gradients(model, state.discriminator, batch, fake, key) for fake in fakes]
    jax.tree.map(np.testing.assert_array_equal, *results)


@pytest.mark.slow
def test_a_mask_of_known_pixels_alone_changes_nothing():
    model, batch = build(), batch_of()
    state = initial(model, batch)
    plain, masked = (
        jax.device_get(jax.jit(make_train_step(model))(state, given)[1])
        for given in (batch, batch | {"known": jnp.ones((2, 5, 5, 1))})
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), plain, masked)

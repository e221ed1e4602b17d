"""Penalties on the discriminator's gradients, against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import losses

KEY = jax.random.key(0)


def discriminate(weights, input, picture):
    """A smooth discriminator with an output of 2 x 2 patches."""
    features = jnp.tanh(jnp.einsum("nhwc,chd->nhwd", picture, weights) + input.mean((1, 2, 3), keepdims=True))
    return jnp.square(features).reshape(len(picture), 2, 2, -1).mean(-1, keepdims=True)


def samples(dtype=np.float64):
    random = np.random.default_rng(0)
    weights = random.normal(size=(2, 4, 3)).astype(dtype)
    return weights, *(random.normal(size=(3, 4, 4, 2)).astype(dtype) for _ in range(3))


def squared_norm_by_differences(weights, input, picture, step=1e-5):
    """The mean over pictures of the squared norm of the gradient of their mean logit, by central differences."""
    score = jax.jit(lambda picture: discriminate(weights, input, picture).mean((1, 2, 3)))
    total = np.zeros(len(picture))
    for index in np.ndindex(picture.shape[1:]):
        moved = np.zeros_like(picture)
        moved[(slice(None), *index)] = step
        total += np.square((score(picture + moved) - score(picture - moved)) / (2 * step))
    return total.mean()


@pytest.mark.parametrize(("penalty", "of"), [(losses.r1, "real"), (losses.r2, "fake")])
def test_r1_and_r2_are_half_the_squared_norm_of_the_gradient(penalty, of):
    with jax.enable_x64(True):
        weights, input, real, fake = samples()
        judge = lambda input, picture: discriminate(weights, input, picture)
        found = penalty(judge, KEY, input, real, fake, weight=3.0)
        expected = 1.5 * squared_norm_by_differences(weights, input, {"real": real, "fake": fake}[of])
        assert float(found) == pytest.approx(expected, rel=1e-6)


def test_the_gradient_of_r1_for_the_params_equals_finite_differences():
    with jax.enable_x64(True):
        weights, input, real, fake = samples()
        penalty = jax.jit(lambda w: losses.r1(lambda x, y: discriminate(w, x, y), KEY, input, real, fake))
        gradient = jax.grad(penalty)(weights)
        direction = np.random.default_rng(1).normal(size=weights.shape)
        slope = (penalty(weights + 1e-5 * direction) - penalty(weights - 1e-5 * direction)) / 2e-5
        assert float(jnp.vdot(gradient, direction)) == pytest.approx(float(slope), rel=1e-6)


def test_penalties_are_added_with_keys_of_their_own():
    weights, input, real, fake = samples(np.float32)
    judge = lambda input, picture: discriminate(weights, input, picture)
    keys = []

    def noted(discriminate, key, input, real, fake):
        keys.append(jax.random.key_data(key))
        return losses.r1(discriminate, key, input, real, fake)

    both = losses.add_penalties(noted, losses.r2, noted)(judge, KEY, input, real, fake)
    of = [float(penalty(judge, KEY, input, real, fake)) for penalty in (losses.r1, losses.r2)]
    assert float(both) == pytest.approx(2 * of[0] + of[1])
    assert not np.array_equal(*keys)

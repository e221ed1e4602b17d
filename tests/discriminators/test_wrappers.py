"""Discriminators made of another one: spectral normalization and several scales."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import discriminators, layers, losses, ops
from p2p_jax.config import Config, Discriminator, Loss
from p2p_jax.errors import UserError
from p2p_jax.network import network
from p2p_jax.pix2pix import build

small = network(discriminators.patchgan, widths=(4, 8), norm=layers.no_norm)
PAIR = jax.random.normal(jax.random.key(1), (1, 16, 16, 6))


def singular_values(params, state):
    """The largest singular value of each kernel after its division, from a linear discriminator that shows its kernel."""
    shown = {}

    def apply(params, state, pair, *, train, key=None):
        shown.update({name: layer["kernel"] for name, layer in params.items()})
        return pair, state

    discriminators.spectral_norm(small._replace(apply=apply)).apply(params, state, PAIR, train=False)
    matrices = {name: np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1]) for name, kernel in shown.items()}
    return {name: np.linalg.svd(matrix, compute_uv=False)[0] for name, matrix in matrices.items()}


def test_the_largest_singular_value_of_each_normalized_kernel_is_1():
    normalized = discriminators.spectral_norm(small)
    params, state = normalized.init(jax.random.key(0), PAIR)
    apply = jax.jit(partial(normalized.apply, train=True))
    for _ in range(40):
        _, state = apply(params, state, PAIR)
    found = singular_values(params, state)
    assert set(found) == {"conv0", "conv1", "conv2"}
    np.testing.assert_allclose(list(found.values()), 1, rtol=1e-4)


def test_spectral_norm_keeps_params_and_makes_logits_independent_of_their_scale():
    normalized = discriminators.spectral_norm(small)
    params, state = normalized.init(jax.random.key(0), PAIR)
    assert jax.tree.structure(params) == jax.tree.structure(small.init(jax.random.key(0), PAIR)[0])
    kernels = lambda factor: jax.tree.map(lambda leaf: factor * leaf if leaf.ndim > 1 else leaf, params)
    one, three = (normalized.apply(kernels(factor), state, PAIR, train=False)[0] for factor in (1, 3))
    np.testing.assert_allclose(one, three, rtol=1e-4, atol=1e-6)
    assert np.abs(one).max() > 1e-3


def test_the_singular_vectors_change_in_training_alone():
    normalized = discriminators.spectral_norm(small)
    params, state = normalized.init(jax.random.key(0), PAIR)
    other = jax.tree.map(lambda leaf: leaf[..., ::-1], params)
    kept = normalized.apply(other, state, PAIR, train=False)[1]["spectral_norm"]
    moved = normalized.apply(other, state, PAIR, train=True)[1]["spectral_norm"]
    assert all(np.array_equal(kept[name], vector) for name, vector in state["spectral_norm"].items())
    several = [name for name, vector in kept.items() if vector.size > 1]
    assert len(several) == 2
    assert not any(np.allclose(moved[name], kept[name], atol=1e-3) for name in several)


@pytest.mark.slow
def test_the_gradient_of_a_normalized_kernel_is_orthogonal_to_it():
    """The output does not depend on the kernel's scale, so the gradient has no part in its direction."""
    normalized = discriminators.spectral_norm(small)
    params, state = normalized.init(jax.random.key(0), PAIR)
    for _ in range(40):
        _, state = normalized.apply(params, state, PAIR, train=True)
    grads = jax.grad(lambda params: normalized.apply(params, state, PAIR, train=False)[0].mean())(params)
    for name, layer in params.items():
        kernel, gradient = layer["kernel"], grads[name]["kernel"]
        along = jnp.vdot(kernel, gradient) / jnp.linalg.norm(kernel) / jnp.linalg.norm(gradient)
        assert abs(float(along)) < 1e-3, name


def test_each_scale_judges_a_picture_of_half_the_size_with_params_of_its_own():
    both = discriminators.at_scales(small, 2)
    params, state = both.init(jax.random.key(0), PAIR)
    (full, half), _ = both.apply(params, state, PAIR, train=False)
    np.testing.assert_array_equal(full, small.apply(params["scale0"], {}, PAIR, train=False)[0])
    np.testing.assert_array_equal(half, small.apply(params["scale1"], {}, ops.blur_downsample(PAIR), train=False)[0])
    assert not np.array_equal(params["scale0"]["conv0"]["kernel"], params["scale1"]["conv0"]["kernel"])


def test_a_scale_whose_picture_is_too_small_is_named():
    with pytest.raises(
        UserError, match=r"scale 3 of 3 \(--discriminator\.scales\) does not fit: .* pictures of 4 x 4 pixels"
    ):
        discriminators.at_scales(small, 3).init(jax.random.key(0), PAIR)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_all_pieces_are_built_from_a_config(dtype):
    discriminator = Discriminator(num_layers=1, width=4, norm="instance", spectral_norm=True, scales=2, conditional=False)
    loss = Loss(adversarial="hinge", relativistic=True, r1=1.0, r2=1.0, penalty_every=4, feature_matching=10.0)
    model = build(Config(image_size=32, dtype=dtype, discriminator=discriminator, loss=loss, epochs=None, steps=8))
    pair = jnp.zeros((2, 32, 32, 6))
    params, state = model.discriminator.init(jax.random.key(0), pair)
    judged = losses.as_judged(model.discriminator.apply(params, state, pair, train=True)[0])
    assert [each.shape for each in judged.logits] == [(2, 14, 14, 1), (2, 6, 6, 1)]
    assert len(jax.tree.leaves(judged.features)) == 4
    assert (model.adversarial.relative, model.penalty_every) == (True, 4)
    assert model.matching is not None
    assert model.penalty is not None


def test_noise_is_added_to_the_picture_alone_and_only_with_a_key():
    shown = small._replace(apply=lambda params, state, pair, **_: (pair, state))
    noisy = discriminators.with_noise(shown, 4, stddev=0.2)
    pair = jnp.ones((2, 32, 32, 7))
    see = lambda key, train: np.asarray(noisy.apply({}, {}, pair, train=train, key=key)[0])
    first, other = see(jax.random.key(0), True), see(jax.random.key(1), True)
    np.testing.assert_array_equal(first[..., :4], 1)
    noise = first[..., 4:] - 1
    assert noise.mean() == pytest.approx(0, abs=5 * 0.2 / np.sqrt(noise.size))
    assert noise.std() == pytest.approx(0.2, rel=5 / np.sqrt(2 * noise.size))
    np.testing.assert_array_equal(first, see(jax.random.key(0), False))
    assert (first != other)[..., 4:].mean() > 0.99
    for train in (True, False):
        np.testing.assert_array_equal(see(None, train), pair)

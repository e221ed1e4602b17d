"""Heads on fixed features beside another discriminator."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import discriminators, layers, losses, ops
from p2p_jax.discriminators.projected import draw_projections, mix_levels
from p2p_jax.network import network

PAIR = jax.random.normal(jax.random.key(1), (2, 32, 32, 5))
pixelgan = network(discriminators.pixelgan, width=2, norm=layers.no_norm)
heads = network(discriminators.projected_heads, width=2, norm=layers.no_norm)


def features(picture):
    """Two levels of squares, a function without params."""
    return [jnp.square(picture[:, ::4, ::4]), jnp.square(picture[:, 1::8, 1::8])]


both = discriminators.with_projected(pixelgan, heads, features, 2, width=2)


def apply(pair, key=None):
    params, state = both.init(jax.random.key(0), PAIR)
    return both.apply(params, state, pair, train=True, key=key)[0]


def test_projections_are_the_same_in_every_run_and_keep_kaimings_variance():
    first, second = draw_projections((200, 300), 64), draw_projections((200, 300), 64)
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert [matrix.shape for matrix in (*first.channels, *first.scales)] == [(200, 64), (300, 128), (64, 64), (128, 64)]
    for matrix in (*first.channels, *first.scales):
        assert matrix.std() == pytest.approx(np.sqrt(2 / len(matrix)), rel=0.05)


def test_levels_are_mixed_across_channels_and_from_coarse_to_fine():
    fine, coarse = (np.random.default_rng(i).normal(size=shape) for i, shape in enumerate([(1, 8, 6, 3), (1, 4, 3, 5)]))
    projections = draw_projections((3, 5), 2)
    upsample = lambda x, factor: ops.resize(jnp.asarray(x), (factor * x.shape[1], factor * x.shape[2]), "bilinear")
    of_coarse = upsample(coarse @ projections.channels[1], 2) @ projections.scales[1]
    of_fine = upsample(fine @ projections.channels[0] + of_coarse, 2) @ projections.scales[0]
    for found, expected in zip(mix_levels(projections, [fine, coarse]), [of_fine, of_coarse], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_levels_of_odd_sizes_are_mixed():
    levels = [jnp.zeros((1, 25, 13, 3)), jnp.zeros((1, 13, 7, 5)), jnp.zeros((1, 7, 4, 4))]
    mixed = jax.eval_shape(partial(mix_levels, draw_projections((3, 5, 4), 2)), levels)
    assert [each.shape for each in mixed] == [(1, 50, 26, 2), (1, 25, 13, 2), (1, 13, 7, 4)]


def test_the_output_is_that_of_the_discriminator_and_the_logits_of_the_heads():
    logits, of_heads = apply(PAIR)
    params, state = pixelgan.init(jax.random.key(0), PAIR)
    np.testing.assert_array_equal(logits, pixelgan.apply(params, state, PAIR, train=True)[0])
    # 16 x 16 and 8 x 8 positions, halved twice and once, and one less a side after the last convolution.
    assert of_heads.shape == (2, 3 * 3 + 3 * 3, 1, 1)
    assert losses.hinge.generator([logits, of_heads]) == pytest.approx(-(logits.mean() + of_heads.mean()) / 2)


def test_heads_judge_the_picture_alone():
    other = PAIR.at[..., :2].add(1.0)
    for index, same in ((0, False), (1, True)):
        assert np.array_equal(apply(PAIR)[index], apply(other)[index]) == same
    assert not np.array_equal(apply(PAIR)[1], apply(PAIR.at[..., 2:].add(1.0))[1])


def test_gradients_reach_the_picture_through_the_features_but_only_heads_have_params():
    gradient = jax.grad(lambda picture: apply(jnp.concatenate([PAIR[..., :2], picture], -1))[1].sum())(PAIR[..., 2:])
    seen = np.zeros((32, 32), bool)
    seen[::4, ::4] = seen[1::8, 1::8] = True
    assert (np.abs(gradient).max((0, 3)) > 0).tolist() == seen.tolist()
    params, state = both.init(jax.random.key(0), PAIR)
    assert set(params) == set(state) == {"pair", "projected"}
    names = {"head0_conv0", "head0_conv1", "head0_conv2", "head1_conv0", "head1_conv1"}
    assert set(params["projected"]) == names


def test_heads_are_computed_in_bfloat16_with_logits_in_float32():
    small = network(discriminators.projected_heads, width=2, dtype="bfloat16")
    levels = [jnp.ones((1, 16, 16, 2)), jnp.ones((1, 8, 8, 2))]
    params, state = small.init(jax.random.key(0), levels)
    of = lambda head: head.apply(params, state, levels, train=True)[0]
    exact = network(discriminators.projected_heads, width=2)
    assert of(small).dtype == jnp.float32
    assert not np.array_equal(of(small), of(exact))
    assert jax.tree.leaves(params)[0].dtype == jnp.float32


@pytest.mark.parametrize("changes", [["cutout"], ["translation"]])
def test_both_see_the_changed_pair(changes):
    changed = discriminators.augmented(both, input_channels=2, changes=changes)
    params, state = changed.init(jax.random.key(0), PAIR)
    key = jax.random.key(3)
    seen, own = discriminators.change_pair(
        jax.random.split(key)[1], PAIR, input_channels=2, changes=changes
    ), partial(both.apply, params, state, train=True)  # fmt: skip
    found = changed.apply(params, state, PAIR, train=True, key=key)[0]
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), found, own(seen)[0])
    assert all(not np.array_equal(a, b) for a, b in zip(found, own(PAIR)[0], strict=True))

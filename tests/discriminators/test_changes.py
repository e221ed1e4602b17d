"""Random changes of what the discriminator sees: alike for input and picture, differentiable, adapted in training."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import discriminators
from p2p_jax.config import Config, Data, Discriminator, Side
from p2p_jax.config.checks import check_config
from p2p_jax.errors import UserError
from p2p_jax.network import Network
from p2p_jax.pix2pix import build

KEY = jax.random.key(3)
GEOMETRY = ("translation", "cutout", "flip")
# What a discriminator sees: it returns the pair itself as logits.
show = Network(lambda key, pair: ({}, {}), lambda params, state, pair, *, train, key=None: (pair, state))
change = jax.jit(
    discriminators.change_pair, static_argnames=("input_channels", "changes", "strength", "fill"),
)  # fmt: skip


def pairs(n=4, size=16):
    return jax.random.uniform(KEY, (n, size, size, 4), minval=0.1, maxval=1)


@pytest.mark.parametrize("name", GEOMETRY)
def test_input_and_picture_have_the_same_geometry(name):
    picture = pairs(16)[..., 1:]
    pair = jnp.concatenate([picture[..., :1], picture], -1)
    changed = change(KEY, pair, input_channels=1, changes=(name,))
    np.testing.assert_array_equal(changed[..., 0], changed[..., 1])
    assert not np.array_equal(changed, pair)


@pytest.mark.parametrize("name", GEOMETRY)
def test_pixels_without_a_source_have_the_fill_of_the_input_and_0_in_the_picture(name):
    changed = np.asarray(change(KEY, pairs(), input_channels=1, changes=(name,), fill=-1.0))
    outside = changed[..., 1] == 0
    assert outside.any() == (name != "flip")
    np.testing.assert_array_equal(changed[..., 0] == -1, outside)


def test_translations_move_by_up_to_an_eighth_and_pictures_of_a_batch_differ():
    marked = jnp.zeros((64, 16, 16, 2)).at[:, 8, 8].set(1)
    moved = np.argwhere(np.asarray(change(KEY, marked, input_channels=1, changes=("translation",)))[..., 0])[:, 1:] - 8
    assert len(moved) == 64
    assert {*np.unique(moved)} == {-2, -1, 0, 1, 2}


def test_a_rectangle_of_half_of_each_side_is_cut_out_also_over_the_border():
    left = np.asarray(change(KEY, jnp.ones((200, 16, 12, 2)), input_channels=1, changes=("cutout",)))[..., 0]
    sizes = 16 * 12 - left.sum((1, 2))
    assert sizes.max() == 8 * 6
    assert sizes.min() < 8 * 6
    assert sizes.min() >= 4 * 3


def test_colours_of_the_picture_alone_change():
    pair = pairs()
    changed = change(KEY, pair, input_channels=1, changes=("colour",))
    np.testing.assert_array_equal(changed[..., 0], pair[..., 0])
    difference = np.asarray(changed - pair)[..., 1:].mean((1, 2, 3))
    assert 0.01 < np.abs(difference).max() <= 0.5
    assert len({*np.round(difference, 4)}) == 4


@pytest.mark.parametrize("name", discriminators.augmented.__kwdefaults__["changes"])
def test_strength_or_probability_0_changes_nothing(name):
    pair = pairs()
    for options in ({"strength": 0.0}, {"probability": 0.0}):
        np.testing.assert_allclose(change(KEY, pair, input_channels=1, changes=(name,), **options), pair, atol=1e-6)


def test_the_probability_is_the_fraction_of_changed_pairs():
    pair = jnp.tile(pairs(1), (1000, 1, 1, 1))
    changed = change(KEY, pair, input_channels=1, changes=("colour",), probability=0.3)
    assert 0.25 < float((jnp.abs(changed - pair).max((1, 2, 3)) > 0).mean()) < 0.35


@pytest.mark.slow
@pytest.mark.parametrize("name", [*GEOMETRY, "colour"])
def test_gradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        pair = jnp.asarray(pairs(2, 8), jnp.float64)
        weights, direction = (np.random.default_rng(i).normal(size=pair.shape) for i in range(2))
        score = lambda pair: (weights * jnp.square(change(KEY, pair, input_channels=1, changes=(name,)))).sum()
        slope = (score(pair + 1e-6 * direction) - score(pair - 1e-6 * direction)) / 2e-6
        assert float(jnp.vdot(jax.grad(score)(pair), direction)) == pytest.approx(float(slope), rel=1e-6)


def test_a_discriminator_sees_changed_pairs_only_with_a_key():
    changed = discriminators.augmented(show, input_channels=1, changes=("translation",))
    np.testing.assert_array_equal(changed.apply({}, {}, pairs(), train=True)[0], pairs())
    assert not np.array_equal(changed.apply({}, {}, pairs(), train=False, key=KEY)[0], pairs())


def test_an_adaptive_probability_is_read_from_the_state():
    changed = discriminators.augmented(show, input_channels=1, changes=("colour",), probability=None)
    _, state = changed.init(KEY, pairs())
    seen = lambda state: changed.apply({}, state, pairs(), train=True, key=KEY)[0]
    np.testing.assert_array_equal(seen(state), pairs())
    assert not np.array_equal(seen({"augmentation": {"probability": jnp.ones(())}}), pairs())


def test_the_probability_rises_while_the_discriminator_is_too_sure_and_falls_back():
    adapt = jax.jit(partial(discriminators.adapt_probability, target=0.6, ramp=4))
    state, seen = {"augmentation": {"probability": jnp.zeros(())}, "other": 1}, []
    for logit in (-1.0, *[2.0] * 5, -1.0):
        state, metrics = adapt(state, [jnp.full((1, 2, 2, 1), logit), jnp.full((1, 1, 1, 1), logit)])
        seen.append(float(metrics["augmentation_probability"]))
    assert seen == [0, 0.25, 0.5, 0.75, 1, 1, 0.75]
    assert metrics["augmentation_sign"] == -1
    assert state["other"] == 1


def test_an_unknown_change_is_refused():
    with pytest.raises(UserError, match="were given blur: each must be one of colour, translation, cutout, flip"):
        discriminators.change_pair(KEY, pairs(), input_channels=1, changes=["blur"])


def test_options_build_it_with_the_ramp_of_a_quarter_of_the_run():
    options = Discriminator(num_layers=1, width=4, augment=("translation", "cutout"), augment_target=0.6)
    model = build(Config(image_size=32, discriminator=options, epochs=None, steps=40))
    assert model.adapt is not None
    state, _ = model.adapt({"augmentation": {"probability": jnp.zeros(())}}, jnp.ones((1, 2, 2, 1)))
    assert float(state["augmentation"]["probability"]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"augment_strength": 0.5}, "--discriminator.augment-strength was given 0.5, but no changes are"),
        ({"augment_target": 0.6}, "--discriminator.augment-target was given 0.6, but no changes are"),
        ({"augment": ("cutout",), "augment_ramp": 9}, "but the probability of the changes is fixed"),
        ({"augment": ("cutout",), "augment_strength": 1.5}, "it must be at most 1"),
        (
            {"augment": ("cutout",), "augment_target": 0.6, "augment_probability": 0.5},
            "which chooses it: omit one of them",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, said):
    with pytest.raises(UserError, match=said):
        check_config(Config(discriminator=Discriminator(**options)))


def test_colours_of_classes_are_refused():
    data = Data(target=Side(kind="labels", classes=4))
    with pytest.raises(UserError, match="the targets are classes, which have no colours"):
        check_config(Config(data=data, discriminator=Discriminator(augment=("colour",))))

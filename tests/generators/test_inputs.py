"""What the generator sees in training: noise and warps act only in training and with a key, and nothing else changes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import generators
from p2p_jax.config import Augment, Config, Data, Generator, Side
from p2p_jax.network import Network
from p2p_jax.pix2pix import build

KEY = jax.random.key(0)
LABELS = jnp.asarray(np.eye(3)[np.random.default_rng(0).integers(0, 3, (2, 16, 16))] * 2 - 1, jnp.float32)


# A generator that returns what it sees, and its key as its state.
shown = Network(lambda key, x: ({}, {}), lambda params, state, x, *, train, key=None: (x, key))


CHANGED = {
    "noise": lambda net: generators.with_input_noise(net, stddev=0.1),
    "warp": lambda net: generators.with_input_warp(net, strength=0.1),
}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize(("train", "key"), [(True, None), (False, KEY), (False, None)])
def test_the_input_stays_without_a_key_or_outside_of_training(name, train, key):
    seen, _ = CHANGED[name](shown).apply({}, {}, LABELS, train=train, key=key)
    assert seen is LABELS


@pytest.mark.parametrize("name", CHANGED)
def test_the_change_depends_on_the_key_which_the_generator_gets_as_it_is(name):
    apply = jax.jit(lambda key: CHANGED[name](shown).apply({}, {}, LABELS, train=True, key=key))
    (first, kept), (again, _), (other, _) = map(apply, (KEY, KEY, jax.random.key(1)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, LABELS)
    assert kept == KEY


def test_the_noise_has_mean_0_and_its_standard_deviation():
    x = jnp.zeros((4, 32, 32, 3))
    noise = np.asarray(generators.with_input_noise(shown, stddev=0.2).apply({}, {}, x, train=True, key=KEY)[0])
    assert noise.mean() == pytest.approx(0, abs=5 * 0.2 / np.sqrt(noise.size))
    assert noise.std() == pytest.approx(0.2, rel=5 / np.sqrt(2 * noise.size))


def test_a_warp_of_strength_0_changes_nothing_and_any_other_keeps_labels_one_hot():
    warp = lambda strength: generators.with_input_warp(shown, strength=strength).apply({}, {}, LABELS, train=True, key=KEY)[
        0
    ]
    np.testing.assert_array_equal(warp(0.0), LABELS)
    np.testing.assert_array_equal(jnp.sort(warp(0.2)), np.broadcast_to([-1, -1, 1], LABELS.shape))


def test_the_config_builds_a_generator_that_sees_something_else_in_training_alone():
    side = Side(kind="labels", channels=(1,), classes=3)
    plain = Config(image_size=16, epochs=None, steps=1, data=Data(input=side), generator=Generator(widths=(2, 2)))
    params, state = jax.eval_shape(build(plain).generator.init, KEY, LABELS)

    def program(augment, train):
        net = build(replace(plain, augment=augment)).generator
        run = lambda params, state, key: net.apply(params, state, LABELS, train=train, key=key)[0]
        return str(jax.make_jaxpr(run)(params, state, KEY))

    both = [Augment(), Augment(input_warp=0.2), Augment(input_noise=0.5), Augment(input_warp=0.2, input_noise=0.5)]
    assert len({program(augment, False) for augment in both}) == 1
    assert len({program(augment, True) for augment in both}) == 4

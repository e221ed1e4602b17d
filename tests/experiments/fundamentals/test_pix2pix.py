"""The lesson on pix2pix, with small networks: every claim holds, and fails when the generators do not differ."""

import jax
import numpy as np
import pytest
from helpers.lessons import assert_claims_hold, assert_told, compose_lesson

from experiments.fundamentals import pix2pix as lesson
from experiments.fundamentals.course import to_host
from experiments.fundamentals.lesson import holds
from p2p_jax import losses, ops, pix2pix
from p2p_jax.network import Network

SMALL = {"size": 32, "width": 8, "pairs": 60}


pytestmark = pytest.mark.exhaustive  # trains for long


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure(**SMALL, steps=400))


def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


def test_told(numbers):
    assert_told("pix2pix", numbers)


def test_the_same_start(numbers):
    first = [numbers[name]["curves"]["generator_l1"][0] for name in lesson.VARIANTS]
    assert first == pytest.approx([first[0]] * 3, rel=1e-6)


def test_told_from_the_numbers(numbers):
    text = "".join(block for block in compose_lesson("pix2pix", numbers) if isinstance(block, str))
    assert f"{numbers['patch']} × {numbers['patch']} pixels" in text


def one_convolution(channels, end):
    def init(key, x):
        return {"kernel": 0.1 * jax.random.normal(key, (3, 3, x.shape[-1], channels))}, {}

    def apply(params, state, x, *, train, key=None):
        return end(ops.conv2d(x, params["kernel"], padding=1)), state

    return Network(init, apply)


@pytest.mark.exhaustive
@pytest.mark.parametrize("weighed", [True, False])
def test_noticed_when_the_gan_is_not_weighed(numbers, monkeypatch, weighed):
    """Without the factor of the GAN, L1 alone learns the same as both together."""
    build = pix2pix.build
    small = {"generator": one_convolution(3, ops.tanh), "discriminator": one_convolution(1, lambda x: x)}
    monkeypatch.setattr(pix2pix, "build", lambda config: build(config)._replace(**small))
    if not weighed:
        monkeypatch.setattr(losses, "weigh_generator", lambda adversarial, weight: adversarial)
    found = to_host(lesson.measure(**SMALL, steps=50))
    curves = [found[name]["curves"]["generator_l1"] for name in ("L1 alone", "L1 and GAN")]
    assert np.array_equal(*curves) is not weighed


@pytest.mark.parametrize(
    ("name", "other"), [("L1 alone", "L1 and GAN"), ("L1 and GAN", "L1 alone"), ("GAN alone", "L1 alone")]
)
def test_noticed_when_two_are_the_same(numbers, name, other):
    assert [claim for claim in lesson.claims({**numbers, name: numbers[other]}) if not holds(claim)]

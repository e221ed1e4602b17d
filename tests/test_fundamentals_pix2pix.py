"""The lesson on pix2pix, with small networks: every claim holds, and no longer does when the game is not played."""

import numpy as np
import pytest
from lessons import assert_claims_hold

from experiments.fundamentals import pix2pix as lesson
from experiments.fundamentals.course import to_host
from experiments.fundamentals.lesson import holds
from p2p_jax import losses

SMALL = {"size": 32, "width": 8, "pairs": 60}


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure(**SMALL, steps=300))


def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


def test_the_same_start(numbers):
    first = [numbers[name]["curves"]["generator_l1"][0] for name in lesson.VARIANTS]
    assert first == pytest.approx([first[0]] * 3, rel=1e-6)


def test_told_from_the_numbers(numbers):
    text = "".join(block for block in lesson.tell(numbers) if isinstance(block, str))
    assert f"{numbers['patch']} x {numbers['patch']} pixels" in text


def test_noticed_when_the_gan_is_not_weighed(numbers, monkeypatch):
    """Then L1 alone is the same as both together."""
    monkeypatch.setattr(losses, "weigh_generator", lambda adversarial, weight: adversarial)
    broken = to_host(lesson.measure(**SMALL, steps=50))
    one, other = (broken[name] for name in ("L1 alone", "L1 and GAN"))
    np.testing.assert_array_equal(one["curves"]["generator_l1"], other["curves"]["generator_l1"])
    claims = lesson.claims({**numbers, "L1 alone": one, "L1 and GAN": other})
    assert "Both together are nearer to the photos' sharpness than L1 alone." in {c.text for c in claims if not holds(c)}

"""The lesson on skip connections, with small networks: every claim holds, and fails when the bridges are cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.lessons import assert_claims_hold, assert_told, compose_lesson

from experiments.fundamentals import skip_connections as lesson
from experiments.fundamentals.course import to_host
from experiments.fundamentals.facades import compare, draw_facades, to_pictures, to_values
from experiments.fundamentals.lesson import holds
from p2p_jax import layers
from p2p_jax.generators import unet

pytestmark = pytest.mark.exhaustive  # trains for long


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure(size=32, width=8, steps=200, pairs=60))


def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


def test_told(numbers):
    assert_told("skip_connections", numbers)


def test_told_from_the_numbers(numbers):
    text = "".join(block for block in compose_lesson("skip_connections", numbers) if isinstance(block, str))
    assert f"{numbers['unet']['parameters']:,}" in text


def test_nothing_cut_is_the_trained_network(numbers):
    assert numbers["cut"][0]["l1"] == pytest.approx(numbers["unet"]["l1"], rel=1e-4)
    assert [result["bridge"] for result in numbers["cut"]] == ["none", "first", "second", "third", "fourth", "all"]


@pytest.mark.exhaustive
def test_noticed_when_the_bridges_are_cut(numbers, monkeypatch):
    monkeypatch.setitem(unet.__kwdefaults__, "merge", layers.no_skip)
    picture = jnp.ones((1, 32, 32, 3))
    cut = to_host(lesson.measure_gradients(unet, [8, 16, 32, 64, 64], picture, -picture))
    gradients = {**numbers["gradients"], "without a norm": {**numbers["gradients"]["without a norm"], "unet": cut}}
    broken = [claim.text for claim in lesson.claims({**numbers, "gradients": gradients}) if not holds(claim)]
    assert [text for text in broken if text.startswith("Without a norm")]


def test_noticed_when_the_u_net_draws_as_the_tower(numbers):
    broken = [claim for claim in lesson.claims({**numbers, "unet": numbers["encoder_decoder"]}) if not holds(claim)]
    assert len(broken) >= 3


def test_compare():
    _, photos = draw_facades(3, size=32)
    values = to_values(photos)
    np.testing.assert_array_equal(to_pictures(values), photos)
    same = compare(values, values)
    assert (float(same["l1"]), float(same["ssim"]), float(same["sharpness"])) == pytest.approx((0, 1, 1))
    blurred = jax.image.resize(jax.image.resize(values, (3, 8, 8, 3), "linear"), values.shape, "linear")
    worse = compare(blurred, values)
    assert worse["sharpness"] < 0.7
    assert worse["ssim"] < 0.9

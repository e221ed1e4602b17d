"""The lesson on leaky ReLU: every claim holds, and fails when the idea is broken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.lessons import assert_claims_hold, assert_told, broken_claims, run_widget

from experiments.fundamentals import leaky_relu as lesson
from experiments.fundamentals import open_paths
from experiments.fundamentals.course import to_host
from p2p_jax import ops

pytestmark = pytest.mark.slow

SIZES = {"networks": 8, "steps": 300}


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure(**SIZES, widths=(8, 16)))


@pytest.mark.slow
def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


@pytest.mark.slow
def test_told(numbers):
    assert_told("leaky_relu", numbers)


@pytest.mark.parametrize(("name", "slope"), lesson.SLOPES.items())
def test_the_curves_by_their_definition(numbers, name, slope):
    x = numbers["curves"]["x"].astype(float)
    np.testing.assert_allclose(numbers["curves"][name]["y"], np.where(x > 0, x, slope * x), atol=1e-6)
    np.testing.assert_allclose(numbers["curves"][name]["slope"], np.where(x > 0, 1, slope), atol=1e-6)


@pytest.mark.parametrize(("name", "slope"), lesson.SLOPES.items())
def test_the_single_unit_by_hand(numbers, name, slope):
    x, (w, b) = np.linspace(-1, 1, 41), (1.0, -2.0)
    path = []
    for _ in range(SIZES["steps"]):
        path.append(b)
        z = w * x + b
        back = 2 * (np.where(z > 0, z, slope * z) - np.maximum(0, x)) * np.where(z > 0, 1, slope) / len(x)
        w, b = w - 0.5 * (back @ x), b - 0.5 * back.sum()
    np.testing.assert_allclose(numbers["single"][name]["shift"], path[::5], atol=1e-3)


def test_units_are_counted_as_by_hand(numbers):
    x, y, start = (
        jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part) for part in lesson.start_networks(SIZES["networks"])
    )
    off = np.zeros(lesson.MISTAKE_AT + 3)
    for network in range(SIZES["networks"]):
        w, b, v, c = (start[name][network] for name in ("in", "shift", "out", "height"))
        for step in range(len(off)):
            z = x @ w + b
            off[step] += (z <= 0).all(0).sum() / SIZES["networks"]
            h = np.maximum(0, z)
            target = y + (lesson.MISTAKE if step == lesson.MISTAKE_AT else 0)
            error = 2 * (h @ v + c - target) / len(x)
            back = error[:, None] * v * (z > 0)
            w, b, v, c = w - 0.1 * x.T @ back, b - 0.1 * back.sum(0), v - 0.1 * h.T @ error, c - 0.1 * error.sum()
    np.testing.assert_allclose(numbers["networks"]["first"]["ReLU"]["off"][: len(off)], off, atol=0.2)
    assert off[-1] > 0


def test_paths_are_counted_as_by_hand():
    random = np.random.default_rng(0)
    on = [random.random((2, side, side, features)) < 0.5 for side, features in ((16, 3), (15, 2))]

    def spread(paths, stride, side):
        padded, last = np.pad(paths, ((0, 0), (1, 1), (1, 1))), stride * (side - 1) + 1
        return sum(padded[:, i : i + last : stride, j : j + last : stride] for i in range(4) for j in range(4))

    paths = np.full((2, 32, 32), 6)
    for layer, stride in zip(on, (2, 1), strict=True):
        reached = spread(paths, stride, layer.shape[1])
        paths = sum(reached * layer[..., feature] for feature in range(layer.shape[-1]))
    np.testing.assert_allclose(open_paths.count_paths(on), spread(paths, 1, 14).mean())


@pytest.mark.exhaustive
def test_noticed_when_nothing_leaks(monkeypatch, numbers):
    monkeypatch.setattr(ops, "leaky_relu", lambda x, _slope=0.2: jnp.where(x > 0, x, 0.0))
    told = broken_claims(
        lesson,
        numbers,
        curves=lesson.measure_curves,
        single=lambda: lesson.measure_single(20),
        networks=lambda: lesson.measure_networks(2, 60),
    )
    for text in (
        "the chosen one",
        "back within 20 steps",
        "0.01 no unit was ever",
        "With a slope of 0.2 no unit was ever",
        "every dead unit moves again",
    ):
        assert text in told


@pytest.mark.slow
def test_noticed_when_relu_leaks(monkeypatch, numbers):
    monkeypatch.setattr(ops, "relu", lambda x: jnp.where(x > 0, x, 0.1 * x))
    assert "zero leaky ReLU is ReLU" in broken_claims(lesson, numbers, curves=lesson.measure_curves)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.2, 1.0])
@pytest.mark.parametrize(("x", "layers"), [(-2.0, 3), (0.0, 1), (1.5, 8)])
def test_widget_leaky_slope(slope, x, layers):
    result = run_widget("leaky_slope", {"slope": slope, "x": x, "layers": layers})
    value, rise = jax.value_and_grad(lambda x: ops.leaky_relu(x, slope))(x)
    np.testing.assert_allclose((result["output"], result["rise"], result["left"]), (value, rise, rise**layers), rtol=1e-5)


@pytest.mark.exhaustive
def test_noticed_when_the_discriminator_ignores_its_slope(monkeypatch, numbers):
    monkeypatch.setattr(ops, "leaky_relu", lambda x, _slope=0.2: ops.relu(x))
    told = broken_claims(lesson, numbers, discriminator=lambda: open_paths.measure_discriminator((4, 8, 8)))
    assert "shorter with 0.2" in told

"""The lesson on ReLU: every claim holds, and fails when the idea is broken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.lessons import assert_claims_hold, assert_told, broken_claims, run_widget

from experiments.fundamentals import relu as lesson
from experiments.fundamentals.course import to_host
from p2p_jax import ops

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure(widths=(8, 16)))


@pytest.mark.slow
def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


@pytest.mark.slow
def test_told(numbers):
    assert_told("relu", numbers)


def test_the_curves_by_their_definitions(numbers):
    curves = numbers["curves"]
    x = curves["x"].astype(float)
    sigmoid = 1 / (1 + np.exp(-x))
    for name, y, slope in (
        ("relu", np.maximum(0, x), x > 0),
        ("sigmoid", sigmoid, sigmoid * (1 - sigmoid)),
        ("tanh", np.tanh(x), 1 - np.tanh(x) ** 2),
    ):
        np.testing.assert_allclose(curves[name]["y"], y, atol=1e-6)
        np.testing.assert_allclose(curves[name]["slope"], slope, atol=1e-6)


def test_the_broken_lines_are_straight_between_bends(numbers):
    bends = numbers["bends"]
    for name in ("few", "many"):
        fit = bends[name]
        knots = np.array([-1, *fit["bends"], 1])
        x = bends["x"]
        clear = np.abs(x[:, None] - fit["bends"]).min(1) > 0.02  # points whose neighbours lie on the same piece
        piece = np.searchsorted(knots, x)
        for p in np.unique(piece[clear]):
            on = clear & (piece == p)
            if on.sum() > 2:
                line = np.polyfit(x[on], fit["y"][on], 1)
                np.testing.assert_allclose(np.polyval(line, x[on]), fit["y"][on], atol=1e-4)
                np.testing.assert_allclose(line[0], fit["slope"][on], atol=1e-3)


def test_gradients_of_two_layers_by_hand(numbers):
    random = np.random.default_rng(0)
    depth, width, examples, seeds = lesson.DEPTHS[-1], lesson.WIDTH, lesson.EXAMPLES, lesson.SEEDS
    shapes = ((depth, width, width), (examples, width), (width,), (examples,))
    weights, x, readout, target = (random.standard_normal((seeds, *shape), np.float32)[0] for shape in shapes)
    first, second = (w * np.sqrt(2 / width) for w in weights[:2])
    readout = readout / np.sqrt(width)
    hidden = np.maximum(0, x @ first)
    out = np.maximum(0, hidden @ second)
    back = 2 * (out @ readout - target)[:, None] / examples * readout * (out > 0)
    expected = np.abs(x.T @ (back @ second.T * (hidden > 0))).mean(), np.abs(hidden.T @ back).mean()
    np.testing.assert_allclose(numbers["deep"]["gradient"]["ReLU"][0, 0, :2], expected, rtol=1e-3)
    assert (numbers["deep"]["gradient"]["ReLU"][:, 0, 2:] == 0).all()


@pytest.mark.exhaustive
def test_noticed_when_the_switch_is_smooth(monkeypatch, numbers):
    monkeypatch.setattr(ops, "relu", jax.nn.softplus)
    told = broken_claims(lesson, numbers, curves=lesson.measure_curves, bends=lesson.measure_bends)
    for text in ("only two slopes", "At exactly zero", "straight piece than bends"):
        assert text in told


@pytest.mark.slow
def test_noticed_when_sigmoids_pass_gradients_and_relu_leaks(monkeypatch, numbers):
    monkeypatch.setattr(ops, "sigmoid", lambda x: 4 * jax.nn.sigmoid(x) - 2)
    monkeypatch.setattr(ops, "relu", lambda x: jnp.where(x > 0, x, 0.1 * x))
    told = broken_claims(lesson, numbers, curves=lesson.measure_curves, deep=lambda: lesson.measure_deep(2))
    for text in ("at most a quarter", "32 layers of sigmoids", "first of 32 sigmoid layers", "values in a random network"):
        assert text in told


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize(("layers", "weight"), [(1, 1.0), (7, 0.25), (12, 2.0), (32, 1.0)])
def test_widget_deep_chain(activation, layers, weight):
    result = run_widget("deep_chain", {"activation": activation, "layers": layers, "weight": weight})

    def chain(h):
        for _ in range(layers):
            h = getattr(ops, activation)(weight * h)
        return h

    value, slope = jax.value_and_grad(chain)(1.0)
    np.testing.assert_allclose((result["output"], result["reached"][0]), (value, slope), rtol=1e-4)
    assert len(result["reached"]) == layers + 1
    assert result["reached"][-1] == 1


@pytest.mark.slow
def test_noticed_when_the_decoder_has_no_relu(monkeypatch, numbers):
    monkeypatch.setattr(ops, "relu", lambda x: x)
    told = broken_claims(lesson, numbers, decoder=lambda: lesson.measure_decoder((4, 8, 8)))
    assert "the U-Net's decoder applies ReLU" in told

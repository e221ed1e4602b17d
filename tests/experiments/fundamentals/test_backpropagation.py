"""The lesson on backpropagation: every claim holds, and fails when the idea is broken."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.lessons import assert_claims_hold, assert_told, broken_claims, run_widget

from experiments.fundamentals import backpropagation as lesson
from experiments.fundamentals.course import to_host
from experiments.fundamentals.lesson import Slider
from experiments.fundamentals.text import backpropagation as told
from p2p_jax import losses, ops, step

pytestmark = pytest.mark.slow

WIDTHS = (4, 64)  # fewer than the page shows, for speed


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure(WIDTHS))


@pytest.mark.slow
def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


@pytest.mark.slow
def test_told(numbers):
    assert_told("backpropagation", numbers)


def forward_in_numpy(values):
    """The loss of the drawn network, from its inputs and weights by name, in float64."""
    h1 = np.tanh(values["x1"] * values["w11"] + values["x2"] * values["w21"] + values["b1"])
    h2 = np.tanh(values["x1"] * values["w12"] + values["x2"] * values["w22"] + values["b2"])
    z = h1 * values["v1"] + h2 * values["v2"] + values["c"]
    return -np.log(1 - 1 / (1 + np.exp(-z)))


def test_graph_against_numpy(numbers):
    values = numbers["graph"]["values"]
    np.testing.assert_allclose(values["loss"], forward_in_numpy(values), rtol=1e-6)
    for name in (*told.LABELS, "x1", "x2"):
        up, down = ({**values, name: values[name] + move} for move in (1e-6, -1e-6))
        slope = (forward_in_numpy(up) - forward_in_numpy(down)) / 2e-6
        np.testing.assert_allclose(numbers["graph"]["by_hand"][name], slope, rtol=1e-5, err_msg=name)


def test_graph_shows_every_value_and_slope(numbers):
    shown = set(told.NODES) | set(told.LABELS)
    assert shown == set(numbers["graph"]["by_hand"])
    assert shown == set(numbers["graph"]["values"]) - {"p"}
    assert {place for arrow in told.ARROWS for place in arrow.split()} | {"w11", "w12", "w21", "w22", "v1", "v2"} == shown


def test_chain_by_algebra(numbers):
    h = np.tanh(0.6)
    inner = 2 * (h - 1) * (1 - h**2)
    np.testing.assert_allclose(numbers["chain"]["products"], (3 * inner, inner, 2 * (h - 1)), rtol=1e-5)


def test_costs_are_those_of_matrix_products(numbers):
    for row, width in zip(numbers["cost"], WIDTHS, strict=True):
        assert row["weights"] == 64 * width + 2 * width + 1
    x, w = jnp.ones((32, 64)), jnp.ones((64, 16))
    assert lesson.count_operations(lambda x, w: x @ w, x, w) == 2 * 32 * 64 * 16


def broken(numbers, part):
    measure = getattr(lesson, f"measure_{part}")
    return broken_claims(lesson, numbers, **{part: partial(measure, WIDTHS[:1]) if part == "cost" else measure})


def without_tanh_factor(params, x, target):
    value = lesson.forward(params, x)
    slope_z = ops.sigmoid(value["z"]) - target
    slope_s = slope_z * params["v"]
    return {"c": slope_z, "v": slope_z * value["h"], "b": slope_s, "w": x[:, None] * slope_s}


def squared_error(logits, target, **_):
    return jnp.square(ops.sigmoid(logits) - target).mean()


def by_differences(function, argnums=0):
    def value_and_grad(*arguments):
        flat = arguments[0]
        return function(*arguments), lesson.finite_differences(lambda flat: function(flat, *arguments[1:]), flat)

    return value_and_grad


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "module", "name", "other", "text"),
    [
        ("layers", ops, "tanh", lambda x: x, "best straight line"),
        ("xor", ops, "tanh", lambda x: x, "four units"),
        ("graph", ops, "tanh", jnp.sin, "By hand"),
        ("graph", losses, "binary_cross_entropy", squared_error, "By hand"),
        ("graph", lesson, "backward_by_hand", without_tanh_factor, "By hand"),
        ("cost", jax, "value_and_grad", by_differences, "less than 4 forward passes"),
        ("pix2pix", step, "generator_gradients", lesson.forward, "computes a gradient twice"),
    ],
)
def test_noticed_when_broken(monkeypatch, numbers, part, module, name, other, text):
    monkeypatch.setattr(module, name, other)
    assert text in broken(numbers, part)


@jax.jit
def run_in_python(params, x, target):
    loss, slopes = jax.value_and_grad(lesson.network_loss, argnums=(0, 1))(params, x, target)
    return loss, slopes, lesson.forward(params, x), lesson.backward_by_hand(params, x, target)


@pytest.mark.parametrize("truth", ["no", "yes"])
@pytest.mark.parametrize(("x1", "w11", "v1"), [(1.5, 0.8, 0.9), (-2.0, 4.0, -3.0), (0.0, -1.3, 0.0)])
def test_widget_blame(truth, x1, w11, v1):
    params = {name: np.array(value, np.float32) for name, value in lesson.WEIGHTS.items()}
    x = np.array((x1, lesson.INPUTS[1]), np.float32)
    constants = lesson.name_each({"x": x, **params})
    params["w"][0, 0], params["v"][0] = w11, v1
    result = run_widget("blame", {"x1": x1, "w11": w11, "v1": v1, "truth": truth}, constants)
    target = 1.0 if truth == "yes" else 0.0
    loss, (slopes, slopes_x), between, by_hand = run_in_python(params, x, target)
    values = lesson.name_each({"x": x, **params, **between, "loss": loss})
    assert set(result["value"]) == set(values)
    for name, value in values.items():
        np.testing.assert_allclose(result["value"][name], value, atol=1e-5, err_msg=name)
    for name, slope in {**lesson.name_each(by_hand), **lesson.name_each({**slopes, "x": slopes_x})}.items():
        np.testing.assert_allclose(result["slope"][name], slope, atol=1e-5, err_msg=name)


def test_widget_starts_with_the_drawn_graph(numbers):
    controls, data, _ = told.tell(numbers).parts["blame"]
    start = {control.name: control.value for control in controls if isinstance(control, Slider)}
    result = run_widget("blame", {**start, "truth": "no"}, data)
    for name, slope in numbers["graph"]["by_hand"].items():
        np.testing.assert_allclose(result["slope"][name], slope, atol=1e-5, err_msg=name)

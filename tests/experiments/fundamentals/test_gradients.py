"""The lesson on gradients: every claim holds, and fails when the idea is broken."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.lessons import assert_claims_hold, assert_told, broken_claims, run_widget

from experiments.fundamentals import gradients as lesson
from experiments.fundamentals.descents import METHODS, SURFACES, descend, make_optimizer
from p2p_jax import losses

pytestmark = pytest.mark.slow

DATA = {
    "starts": {name: list(surface.start) for name, surface in SURFACES.items()},
    "levels": {name: list(surface.levels) for name, surface in SURFACES.items()},
}


@pytest.fixture(scope="module")
def numbers():
    return lesson.measure()


def broken(numbers, part):
    return broken_claims(lesson, numbers, **{part: lambda: lesson.measure([part])[part]})


def by_hand(method, rate, gradient, start, steps):
    """The three update rules as the lesson writes them, in numpy."""
    w, v, s, path = np.array(start), np.zeros(2), np.zeros(2), [np.array(start)]
    for t in range(1, steps + 1):
        g = gradient(w)
        if method == "plain":
            w = w - rate * g
        elif method == "momentum":
            v = 0.9 * v + g
            w = w - rate * v
        else:
            v, s = 0.9 * v + 0.1 * g, 0.999 * s + 0.001 * g**2
            w = w - rate * (v / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        path.append(w)
    return np.array(path)


@pytest.mark.slow
def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


@pytest.mark.slow
def test_told(numbers):
    assert_told("gradients", numbers)


def test_slopes_by_calculus(numbers):
    w, x, y = 0.7, np.array([1, 2, 3]), np.array([2, 3, 7])
    expected = {"log loss": -1 / (1 + np.exp(w)), "L2": (2 * (w * x - y) * x).mean(), "L1": (np.sign(w * x - y) * x).mean()}
    for name, slope in expected.items():
        for way in ("hand", "jax"):
            assert numbers["slopes"][name][way] == pytest.approx(slope, rel=1e-14)


def test_the_error_of_differences_is_that_of_the_taylor_series(numbers):
    # f(w + h) has the terms h²/2 f'' and h³/6 f''', so the errors of the differences are h/2 f'' and h²/6 f'''.
    p, h = 1 / (1 + np.exp(-0.7)), 1e-2
    second, third = p * (1 - p), p * (1 - p) * (1 - 2 * p)
    errors = numbers["errors"]["float64"]
    assert numbers["errors"]["h"][3] == pytest.approx(h)
    assert errors["forward"][3] == pytest.approx(abs(h / 2 * second), rel=0.01)
    assert errors["central"][3] == pytest.approx(abs(h**2 / 6 * third), rel=0.01)


def test_descents_are_the_rules_of_the_text(numbers):
    for name, gradient in (("bowl", lambda w: w * (1, 2)), ("valley", lambda w: w * (1, 100))):
        for method, found in numbers["tried"][name].items():
            expected = by_hand(method, found["rate"], gradient, SURFACES[name].start, lesson.STEPS)
            np.testing.assert_allclose(found["path"], expected, atol=1e-5)


def test_steps_needed_counts_to_where_the_path_stays():
    path = np.array([[100.0, 0], [0.5, 0], [3, 0], [0.9, 0], [0.1, 0]])
    assert lesson.count_steps_needed(path) == 3
    assert lesson.count_steps_needed(path[:3]) == 3  # never, within the path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "other", "part", "text"),
    [
        (losses, "binary_cross_entropy", lambda z, t: jnp.square(jax.nn.sigmoid(z) - t).mean(), "slopes", "by hand"),
        (losses, "l1", lambda a, b: jnp.abs(a - b).mean(), "corner", "At the corner"),
        (optax, "sgd", lambda rate, momentum=None: optax.adam(rate), "bowl", "hundredth above"),
        (optax, "adam", lambda rate: optax.chain(optax.scale(-rate)), "adam", "leaves Adam's path"),
        (optax, "clip_by_global_norm", lambda cap: optax.identity(), "paths", "No clipped step"),
    ],
)
def test_noticed_when_broken(monkeypatch, numbers, module, name, other, part, text):
    monkeypatch.setattr(module, name, other)
    assert text in broken(numbers, part)


@pytest.mark.slow
def test_noticed_when_there_is_no_momentum(monkeypatch, numbers):
    sgd = optax.sgd
    monkeypatch.setattr(optax, "sgd", lambda rate, momentum=None: sgd(rate))
    assert "momentum needs less than half" in broken(numbers, "tried")


@pytest.fixture(scope="module")
def optax_paths():
    """The paths and losses of optax for every surface and method; compiled once for each surface."""
    rates = {"bowl": 0.1, "valley": 0.01, "bumpy": 0.1, "cliff": 0.2}
    with jax.enable_x64(True):

        def run(name):
            loss, start, _ = SURFACES[name]
            return {method: descend(loss, make_optimizer(method, rates[name]), start, 40) for method in METHODS[:3]}

        return rates, jax.device_get(jax.jit(lambda: {name: run(name) for name in rates})())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["plain", "momentum", "Adam"])
@pytest.mark.parametrize("surface", ["bowl", "valley", "bumpy", "cliff"])
def test_widget(optax_paths, surface, method):
    rates, paths = optax_paths
    values = {"surface": surface, "method": method, "rate": rates[surface], "steps": 40}
    result, (path, value) = run_widget("descent", values, DATA), paths[surface][method]
    np.testing.assert_allclose(result["path"], path, atol=1e-6)
    np.testing.assert_allclose(result["losses"], value, rtol=1e-6, atol=1e-9)
    assert not result["diverged"]


def test_widget_stops_when_it_runs_away():
    values = {"surface": "valley", "method": "momentum", "rate": 2.0, "steps": 60}
    result = run_widget("descent", values, DATA)
    assert result["diverged"]
    assert len(result["path"]) < 20
    assert np.isfinite(result["path"]).all()


@pytest.mark.parametrize("surface", ["bowl", "cliff"])
def test_widget_without_a_step(surface):
    result = run_widget("descent", {"surface": surface, "method": "Adam", "rate": 0.1, "steps": 0}, DATA)
    assert result["path"] == [list(SURFACES[surface].start)]

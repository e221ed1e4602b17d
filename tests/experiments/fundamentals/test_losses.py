"""The lesson on losses: every claim holds, and fails when the idea is broken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.lessons import assert_claims_hold, assert_told, broken_claims, run_widget

from experiments.fundamentals import losses as lesson
from experiments.fundamentals.course import to_host
from p2p_jax import losses, ops

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure())


@pytest.mark.slow
def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


@pytest.mark.slow
def test_told(numbers):
    assert_told("losses", numbers)


def test_log_loss_by_its_definition(numbers):
    curves = numbers["curves"]
    probability = 1 / (1 + np.exp(-curves["logit"].astype(float)))
    np.testing.assert_allclose(curves["log"], -np.log(probability), rtol=1e-5)
    np.testing.assert_allclose(curves["log_slope"], probability - 1, atol=1e-6)
    np.testing.assert_allclose(curves["squared"], (1 - probability) ** 2, atol=1e-6)
    np.testing.assert_allclose(curves["squared_slope"], -2 * probability * (1 - probability) ** 2, atol=1e-6)


def test_pictures_are_the_median_and_the_mean(numbers):
    edges = numbers["edges"]
    assert sorted(set(np.round(edges["l1"]["row"], 1))) in ([-0.6, 0.8], [-0.6, 0.7, 0.8])
    assert len(set(np.round(edges["l2"]["row"], 2))) > 10


def squared_error(logits, target):
    return losses.l2(ops.sigmoid(logits), jnp.full((), target))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "other", "part", "text"),
    [
        ("l1", losses.l2, lesson.measure_centre, "the median"),
        ("l2", losses.l1, lesson.measure_centre, "the mean"),
        (
            "binary_cross_entropy",
            lambda z, t: losses.l2(ops.sigmoid(z), jnp.full((), t)),
            lesson.measure_curves,
            "one half is log 2",
        ),
    ],
)
def test_noticed_when_broken(monkeypatch, numbers, name, other, part, text):
    monkeypatch.setattr(losses, name, other)
    assert text in broken_claims(lesson, numbers, **{part.__name__.removeprefix("measure_"): part})


@pytest.mark.parametrize("truth", ["real", "fake"])
@pytest.mark.parametrize("logit", [-8.0, -1.5, 0.0, 4.0])
def test_widget_log_loss(truth, logit):
    result = run_widget("log_loss", {"truth": truth, "logit": logit})
    target = 1.0 if truth == "real" else 0.0
    for name, loss in (
        ("log", lambda z: losses.binary_cross_entropy(z, target)),
        ("squared", lambda z: losses.l2(ops.sigmoid(z), jnp.array(target))),
    ):
        value, slope = jax.value_and_grad(loss)(jnp.array(logit))
        np.testing.assert_allclose((result[name], result[f"{name}Slope"]), (value, slope), atol=1e-6)


def test_widget_best_guess():
    result = run_widget("best_guess", {"guess": 4.2}, {"prices": lesson.PRICES.tolist()})
    guess = jnp.array(4.2)
    expected = losses.l1(guess, jnp.asarray(lesson.PRICES)), losses.l2(guess, jnp.asarray(lesson.PRICES))
    np.testing.assert_allclose((result["l1"], result["l2"]), expected, rtol=1e-5)

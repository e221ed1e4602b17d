"""Losses: squared error, log loss, L1 and L2, and what a program learns with each.

python -m experiments.fundamentals.losses
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.fundamentals.descents import descend
from experiments.fundamentals.facades import to_pictures
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import losses, ops

TITLE = "Loss functions: a number to make small"
QUESTION = "How does a program know how wrong it is, and how does the loss decide what it learns?"
HOMES = (losses.l1, losses.l2, losses.binary_cross_entropy, ops.sigmoid)

WRONG_LOGIT = -6.0  # of an answer that is nearly certain and wrong
PRICES = np.array([1.0, 2.0, 2.5, 3.0, 9.0])


def measure() -> Numbers:
    """Fits a line, separates two clouds, and compares the losses."""
    return {
        "line": measure_line(),
        "clouds": measure_clouds(),
        "curves": measure_curves(),
        "race": measure_race(),
        "centre": measure_centre(),
        "edges": measure_edges(),
    }


def measure_line() -> Numbers:
    """Fits a line to forty points by descent, and by algebra."""
    random = np.random.default_rng(0)
    x = np.linspace(-1, 1, 40)
    y = 2 * x + 1 + 0.3 * random.standard_normal(40)

    def loss(line: Array) -> Array:
        return losses.l2(line[0] * x + line[1], jnp.asarray(y))

    path, values = descend(loss, optax.sgd(0.3), jnp.zeros(2), 60)
    by_algebra = np.linalg.lstsq(np.stack([x, np.ones(40)], axis=1), y, rcond=None)[0]
    return {"x": x, "y": y, "path": path, "loss": values, "by_algebra": by_algebra}


def measure_clouds() -> Numbers:
    """Separates two clouds of points by descent on the log loss."""
    random = np.random.default_rng(1)
    real = random.standard_normal((60, 2)) * 0.7 + (1, 0.7)
    fake = random.standard_normal((60, 2)) * 0.7 - (1, 0.7)

    def loss(weights: Array) -> Array:
        judge = losses.bce.discriminator
        return (judge(real @ weights[:2] + weights[2], True) + judge(fake @ weights[:2] + weights[2], False)) / 2

    path, values = descend(loss, optax.sgd(1.0), jnp.zeros(3), 60)
    weights = np.asarray(path[-1])
    right = np.concatenate([real @ weights[:2] + weights[2] > 0, fake @ weights[:2] + weights[2] < 0])
    return {"real": real, "fake": fake, "weights": weights, "loss": values, "accuracy": right.mean()}


def _of_logit(logit: Array) -> tuple[Array, Array]:
    """Squared error after the sigmoid, and log loss, of an answer whose target is 1."""
    return losses.l2(ops.sigmoid(logit), jnp.ones(())), losses.binary_cross_entropy(logit, 1.0)


def measure_curves() -> Numbers:
    """Squared error and log loss against the logit of an answer, with their slopes, and log loss by probability."""
    logits = jnp.linspace(-8, 8, 161)
    squared, log = jax.vmap(_of_logit)(logits)
    squared_slope, log_slope = jax.vmap(jax.jacrev(_of_logit))(logits)
    named = {"squared": squared, "log": log, "squared_slope": squared_slope, "log_slope": log_slope}
    costs = {p: losses.binary_cross_entropy(jnp.log(p) - jnp.log1p(-p), 1.0) for p in (0.99, 0.5, 0.1, 0.01, 0.001)}
    return {"logit": logits, "probability": ops.sigmoid(logits), **named, "of_probability": costs}


def measure_race() -> Numbers:
    """How many steps squared error and log loss need from a wrong answer to a probability of 90 % for the right one."""
    start, result = jnp.array(WRONG_LOGIT), {}
    for index, name in enumerate(("squared", "log")):
        path, _ = descend(lambda logit, index=index: _of_logit(logit)[index], optax.sgd(1.0), start, 3000)
        probability = np.asarray(ops.sigmoid(path))
        result[name] = {"steps_to_90_percent": int(np.argmax(probability > 0.9)), "probability": probability[:60]}
        result[name]["slope_at_start"] = jax.grad(lambda logit, index=index: _of_logit(logit)[index])(start)
    return result


def measure_centre() -> Numbers:
    """The single guess for five prices with the smallest L1 and with the smallest L2."""
    guesses = np.linspace(0, 10, 201)
    result: Numbers = {"prices": PRICES, "guesses": guesses, "mean": PRICES.mean(), "median": np.median(PRICES)}
    for name, loss in (("l1", losses.l1), ("l2", losses.l2)):
        path, _ = descend(lambda guess, loss=loss: loss(guess, jnp.asarray(PRICES)), optax.sgd(0.05), jnp.array(8.0), 2000)
        result[name] = {"found": path[-1], "curve": [loss(jnp.asarray(guess), jnp.asarray(PRICES)) for guess in guesses]}
    return result


def measure_edges() -> Numbers:
    """The single picture with the smallest L1, and with the smallest L2, for pictures with an edge at varying positions."""
    random = np.random.default_rng(2)
    edges = random.permutation(np.repeat(np.arange(10, 23), 3))
    pictures = jnp.asarray(np.where(np.arange(32) < edges[:, None], -0.6, 0.8))[:, None, :].repeat(16, axis=1)
    result: Numbers = {"examples": to_pictures(pictures[:3, ..., None])}
    for name, loss, rate in (("l1", losses.l1, 20.0), ("l2", losses.l2, 100.0)):
        path, _ = descend(lambda answer, loss=loss: loss(answer, pictures), optax.sgd(rate), jnp.zeros((16, 32)), 3000)
        row = np.asarray(path[-1, 0])
        result[name] = {"row": row, "steepest": np.abs(np.diff(row)).max(), "picture": to_pictures(path[-1, ..., None])}
    return {**result, "height": 1.4}


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    return [*_descent_claims(numbers), *_log_loss_claims(numbers), *_preference_claims(numbers)]


def _descent_claims(numbers: Numbers) -> list[Claim]:
    line, clouds = numbers["line"], numbers["clouds"]
    start, end, best = line["loss"][0], line["loss"][-1], line["by_algebra"]
    return [
        Claim("Descent lowers the squared error of the line to less than a tenth.", end / start, "<", 0.1),
        Claim("The line's slope is the one that algebra finds.", line["path"][-1][0], "=", best[0], 0.001),
        Claim("The line's height at x = 0 is the one that algebra finds.", line["path"][-1][1], "=", best[1], 0.001),
        Claim("Log loss starts at log 2, where every answer is one half.", clouds["loss"][0], "=", np.log(2), 1e-5),
        Claim("More than 95 of 100 points are on the right side of the line.", clouds["accuracy"], ">", 0.95),
    ]


def _log_loss_claims(numbers: Numbers) -> list[Claim]:
    costs, squared, log = numbers["curves"]["of_probability"], numbers["race"]["squared"], numbers["race"]["log"]
    steps = squared["steps_to_90_percent"] / log["steps_to_90_percent"]
    return [
        Claim("The log loss of an answer of one half is log 2.", costs[0.5], "=", np.log(2), 1e-5),
        Claim("The log loss of 1 % for the right answer is log 100.", costs[0.01], "=", np.log(100), 1e-3),
        Claim("A tenth of the chance adds log 10 to the loss.", costs[0.001] - costs[0.01], "=", np.log(10), 1e-2),
        Claim("At a logit of −6 squared error has a slope near 0.", abs(float(squared["slope_at_start"])), "<", 0.01),
        Claim("There log loss is nearly as steep as it can be.", abs(float(log["slope_at_start"])), ">", 0.99),
        Claim("Squared error needs over ten times as many steps from there to 90 %.", steps, ">", 10),
    ]


def _preference_claims(numbers: Numbers) -> list[Claim]:
    centre, edges = numbers["centre"], numbers["edges"]
    return [
        Claim("The guess with the smallest L1 is the median.", centre["l1"]["found"], "=", centre["median"], 0.05),
        Claim("The guess with the smallest L2 is the mean.", centre["l2"]["found"], "=", centre["mean"], 0.001),
        Claim("L1's answer jumps by over 90 % of the edge at once.", edges["l1"]["steepest"] / edges["height"], ">", 0.9),
        Claim("L2's answer jumps nowhere by 20 % of the edge.", edges["l2"]["steepest"] / edges["height"], "<", 0.2),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)

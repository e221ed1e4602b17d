"""Gradient descent with optax, and surfaces to descend on."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

METHODS = ("plain", "momentum", "Adam", "plain, clipped")
CLIP = 1.0

Loss = Callable[[Any], Array]


class Surface(NamedTuple):
    """A loss of two weights, (2,) to a scalar, with the start of the descent and the levels of the contours."""

    loss: Loss
    start: tuple[float, float]
    levels: Sequence[float]


def _cliff(w: Array) -> Array:
    face = 0.5 * (jax.nn.softplus(40 * w[0]) - jax.nn.softplus(40 * (w[0] - 1)))  # rises by 20 between w[0] = 0 and 1
    return 0.05 * (w[0] + 1.5) ** 2 + 0.2 * w[1] ** 2 + face


SURFACES = {
    "bowl": Surface(lambda w: 0.5 * w[0] ** 2 + w[1] ** 2, (-2.5, 1.5), (0.1, 0.5, 1, 2, 3, 4.5, 6)),
    "valley": Surface(lambda w: 0.5 * w[0] ** 2 + 50 * w[1] ** 2, (-2.5, 1.5), (0.5, 2, 5, 15, 40, 80, 140)),
    "bumpy": Surface(
        lambda w: 0.15 * (w[0] ** 2 + w[1] ** 2) + 0.2 * (2 - jnp.cos(3 * w[0]) - jnp.cos(3 * w[1])),
        (-2.7, 1.2),
        (0.1, 0.25, 0.45, 0.65, 0.85, 1.05, 1.25, 1.5, 1.9),
    ),
    "cliff": Surface(_cliff, (2.4, 1.5), (0.05, 0.2, 0.5, 1, 3, 7, 11, 15, 19, 20.2, 20.6, 21)),
}


def make_optimizer(method: str, rate: float | Array) -> optax.GradientTransformation:
    """The optax optimizer of a method in `METHODS`."""
    match method:
        case "momentum":
            return optax.sgd(rate, momentum=0.9)
        case "Adam":
            return optax.adam(rate)
        case "plain, clipped":
            return optax.chain(optax.clip_by_global_norm(CLIP), optax.sgd(rate))
        case _:
            return optax.sgd(rate)


def descend(loss: Loss, optimizer: optax.GradientTransformation, start: Any, steps: int) -> tuple[Array, Array]:
    """Descends from `start`; returns the weights of every step, (steps + 1, ...), start included, and their losses."""

    def one_step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], tuple[Any, Array]]:
        weights, state = carry
        value, gradient = jax.value_and_grad(loss)(weights)
        updates, state = optimizer.update(gradient, state, weights)
        return (optax.apply_updates(weights, updates), state), (weights, value)

    weights = jnp.asarray(start)
    return jax.lax.scan(one_step, (weights, optimizer.init(weights)), length=steps + 1)[1]

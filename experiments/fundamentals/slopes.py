"""Slopes of losses: by hand, by finite differences and by `jax.grad`, and where a loss has no slope."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.fundamentals.descents import Loss, descend
from experiments.fundamentals.lesson import Numbers
from p2p_jax import losses, ops

WEIGHT = 0.7  # the slopes are measured at this weight
X, Y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 7.0])


def _log_loss(w: Array) -> Array:
    return losses.binary_cross_entropy(w, 1.0)


@jax.jit
def measure_slopes() -> Numbers:
    """The slopes of three losses of one weight: by hand, by `jax.grad` and by finite differences."""
    w, h = jnp.array(WEIGHT), 1e-5
    off = w * X - Y
    cases: list[tuple[str, Loss, Array]] = [
        ("log loss", _log_loss, ops.sigmoid(w) - 1),
        ("L2", lambda w: losses.l2(w * X, jnp.asarray(Y)), 2 / 3 * (off * X).sum()),
        ("L1", lambda w: losses.l1(w * X, jnp.asarray(Y)), 1 / 3 * (jnp.sign(off) * X).sum()),
    ]
    return {
        name: {"hand": hand, "jax": jax.grad(loss)(w), "differences": (loss(w + h) - loss(w - h)) / (2 * h)}
        for name, loss, hand in cases
    }


def measure_errors() -> Numbers:
    """The errors of finite differences and of `jax.grad` for log loss, for steps from 0.1 down to 1e-12."""
    h = np.logspace(-1, -12, 34)
    slope = -1 / (1 + np.exp(WEIGHT))

    @jax.jit
    def find(w: Array, h: Array) -> tuple[Array, Array, Array]:
        forward = jax.vmap(lambda h: (_log_loss(w + h) - _log_loss(w)) / h)(h)
        central = jax.vmap(lambda h: (_log_loss(w + h) - _log_loss(w - h)) / (2 * h))(h)
        return forward, central, jax.grad(_log_loss)(w)

    result: Numbers = {"h": h}
    for dtype in ("float64", "float32"):
        found = jax.device_get(find(jnp.array(WEIGHT, dtype), jnp.asarray(h, dtype)))
        forward, central, exact = (np.abs(np.asarray(value, np.float64) - slope) for value in found)
        result[dtype] = {"forward": forward, "central": central, "jax": float(exact)}
    return result


def measure_mistakes() -> Numbers:
    """Descends to a threshold between two groups of numbers, on the fraction of mistakes and on log loss."""
    random = np.random.default_rng(3)
    real, fake = random.standard_normal(30) * 0.8 + 1, random.standard_normal(30) * 0.8 - 1

    def fraction(w: Array) -> Array:
        return jnp.where(real < w, 0.5, 0.0).mean() + jnp.where(fake > w, 0.5, 0.0).mean()

    def log_loss(w: Array) -> Array:
        judge = losses.bce.discriminator
        return (judge(3 * (real - w), True) + judge(3 * (fake - w), False)) / 2

    @jax.jit
    def measure(start: Array, thresholds: Array) -> Numbers:
        result: Numbers = {"thresholds": thresholds}
        for name, loss in (("fraction", fraction), ("log loss", log_loss)):
            path, _ = descend(loss, optax.sgd(0.2), start, 60)
            curve, slopes = jax.vmap(jax.value_and_grad(loss))(thresholds)
            result[name] = {"curve": curve, "slopes": slopes, "path": path, "mistakes": fraction(path[-1])}
        return result

    return measure(jnp.array(-2.0), jnp.linspace(-3, 3, 241))


@jax.jit
def measure_corner() -> Numbers:
    """The slopes of L1 and of JAX's absolute value for a difference below zero, of zero and above zero."""
    differences = jnp.array([-0.1, 0.0, 0.1])
    slopes = {"package": jax.grad(lambda d: losses.l1(d, jnp.zeros(()))), "absolute": jax.grad(jnp.abs)}
    return {name: jax.vmap(slope)(differences) for name, slope in slopes.items()}

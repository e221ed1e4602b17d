"""An optimizer that optax lacks."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array


def adam_epsilon_first(
    learning_rate: optax.ScalarOrSchedule, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam with epsilon joining the root of the second moment before its bias correction, as Torch and TensorFlow do.

    The step is rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps), where `optax.adam` and PyTorch divide
    m / (1 - b1^t) by sqrt(v / (1 - b2^t)) + eps: the same but for eps, which is about 30 times larger at the first step
    here and alike after some thousands.

    Args:
        learning_rate: a rate, or a function of the number of steps done.
        b1, b2: shares of the old moments kept per step.
        eps: keeps the division finite.

    Source: Kingma and Ba, Adam, 2015, the remark before section 2.1 ("epsilon hat").
    """

    def update(updates: optax.Updates, state: Any, params: optax.Params | None = None) -> tuple[optax.Updates, Any]:
        del params
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * jnp.square(g), state.nu, updates)
        count = state.count + 1
        factor = jnp.sqrt(1 - b2**count) / (1 - b1**count)

        def scaled(m: Array, v: Array) -> Array:
            return (factor * m / (jnp.sqrt(v) + eps)).astype(m.dtype)

        return jax.tree.map(scaled, mu, nu), optax.ScaleByAdamState(count, mu, nu)

    init = optax.scale_by_adam(b1, b2).init
    return optax.chain(optax.GradientTransformation(init, update), optax.scale_by_learning_rate(learning_rate))

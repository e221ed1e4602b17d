"""Learning-rate schedules: functions from the number of steps done to a rate, as optax takes them.

Each holds the rate for `unit` steps (an epoch, as the reference does, or 1 to change it at every step).
"""

import jax.numpy as jnp
import optax


def constant(rate: float) -> optax.Schedule:
    """The same rate throughout."""
    return optax.constant_schedule(rate)


def linear(rate: float, *, hold: int, decay: int, unit: int = 1) -> optax.Schedule:
    """`rate` for `hold` units, then down in equal steps over `decay` units; the last unit still has rate / (decay + 1).

    Source: the reference's PyTorch implementation, policy "linear": factor 1 - max(0, t + 1 - hold) / (decay + 1), t
    counted from 0.
    """
    return lambda step: rate * (1 - jnp.maximum(0, jnp.asarray(step) // unit + 1 - hold) / (decay + 1))


def step_decay(rate: float, *, every: int, factor: float = 0.1, unit: int = 1) -> optax.Schedule:
    """`rate`, multiplied by `factor` after every `every` units."""
    return lambda step: rate * factor ** (jnp.asarray(step) // unit // every)


def warm_up(schedule: optax.Schedule, steps: int) -> optax.Schedule:
    """Another schedule, times a factor that rises from 0 to 1 in equal parts over the first `steps` steps.

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2 ("gradual warmup"), which starts at the rate of a
    small batch.
    """
    return lambda step: schedule(step) * jnp.minimum(1, jnp.asarray(step) / steps)


def cosine(rate: float, *, length: int, unit: int = 1) -> optax.Schedule:
    """Half a cosine from `rate` to 0 over `length` units.

    The PyTorch original's policy "cosine" takes for the length what it calls n_epochs, half the run by default, and rises
    again after it; here it is the whole run.
    """
    return lambda step: rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(jnp.asarray(step) // unit, length) / length))

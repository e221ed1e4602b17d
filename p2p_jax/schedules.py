"""Learning-rate schedules as optax defines them: functions from the number of completed steps to a rate.

Each keeps the rate for `unit` steps: an epoch, as in the PyTorch original, or 1 to change it at every step.
"""

import jax.numpy as jnp
import optax


def constant(rate: float) -> optax.Schedule:
    """Returns a schedule with a constant rate."""
    return optax.constant_schedule(rate)


def linear(rate: float, *, hold: int, decay: int, unit: int = 1) -> optax.Schedule:
    """Returns a schedule of `rate` for `hold` units, then linear decay over `decay` units.

    The last unit still has the rate rate / (decay + 1).

    Source: the PyTorch original, policy "linear": factor 1 - max(0, t + 1 - hold) / (decay + 1), with t from 0.
    """
    return lambda step: rate * (1 - jnp.maximum(0, jnp.asarray(step) // unit + 1 - hold) / (decay + 1))


def step_decay(rate: float, *, every: int, factor: float = 0.1, unit: int = 1) -> optax.Schedule:
    """Returns a schedule that multiplies `rate` by `factor` after every `every` units."""
    return lambda step: rate * factor ** (jnp.asarray(step) // unit // every)


def warm_up(schedule: optax.Schedule, steps: int) -> optax.Schedule:
    """Multiplies another schedule by a factor that rises linearly from 0 to 1 over the first `steps` steps.

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2 ("gradual warmup"), where it rises from the rate
    of a small batch instead of 0.
    """
    return lambda step: schedule(step) * jnp.minimum(1, jnp.asarray(step) / steps)


def cosine(rate: float, *, length: int, unit: int = 1) -> optax.Schedule:
    """Returns a schedule of half a cosine, from `rate` to 0 over `length` units, and 0 afterwards.

    The PyTorch original's policy "cosine" has the length of its option n_epochs, by default half the run, after which the
    rate rises again. `pix2pix.build` passes the length of the run.
    """
    return lambda step: rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(jnp.asarray(step) // unit, length) / length))

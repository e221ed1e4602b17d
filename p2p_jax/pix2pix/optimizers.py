"""Builds learning rates and optimizers from a config."""

import math
from functools import partial

import optax

from p2p_jax import schedules
from p2p_jax.config import Config, Optimizer, steps_per_unit
from p2p_jax.optimizers import adam


def build_schedule(config: Config, rate: float) -> optax.Schedule:
    """Builds a learning-rate schedule: `rate` scaled by the config's `batch_rule`, with the config's decay and warm-up.

    Args:
        config: of the run, with its length resolved by `config.resolve_length`.
        rate: the rate before scaling.
    """
    options, unit = config.optimizer, steps_per_unit(config)
    units = -(-(config.steps or 0) // unit)
    rate *= {"none": 1, "linear": config.batch_size, "root": math.sqrt(config.batch_size)}[options.batch_rule]
    schedule = {
        "linear": partial(schedules.linear, hold=units - units // 2, decay=units // 2, unit=unit),
        "constant": schedules.constant,
        "step": partial(schedules.step_decay, every=max(units // 4, 1), unit=unit),
        "cosine": partial(schedules.cosine, length=units, unit=unit),
    }[options.schedule](rate)
    return schedules.warm_up(schedule, options.warmup_steps) if options.warmup_steps else schedule


def build_optimizer(options: Optimizer, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Builds Adam with the config's options, preceded by clipping of the gradient's global norm if the config has it."""
    transformation = adam(
        schedule, b1=options.beta1, b2=options.beta2, eps=options.epsilon, epsilon_place=options.epsilon_place
    )
    return transformation if options.clip is None else optax.chain(optax.clip_by_global_norm(options.clip), transformation)

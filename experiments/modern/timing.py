"""How long a step of one config takes beside a step of another one."""

from collections.abc import Callable
from statistics import median

import jax

import p2p_jax
from experiments.benchmark.jax_side import random_batch, time_steps
from experiments.modern.sets import DRAWN
from p2p_jax.config import Config
from p2p_jax.config.derived import resolve_length

ROUNDS, STEPS = 7, 20


def time_ratio(first: Config, second: Config) -> float:
    """Measures steps of both configs in turn, and returns the time of a step of the second as a multiple of the first's."""
    runs = [_open(config) for config in (first, second)]
    rounds = [[run(STEPS) for run in runs] for _ in range(ROUNDS)]
    return median(other / one for one, other in rounds)


def _open(config: Config) -> Callable[[int], float]:
    """Compiles the step of a config, runs it once, and returns the function that times a number of steps."""
    model, batch = p2p_jax.build(resolve_length(config, DRAWN)), random_batch(config)
    init = jax.jit(lambda key: p2p_jax.init_train_state(key, model, batch))
    step = jax.jit(p2p_jax.make_train_step(model), donate_argnums=0)
    held = {"state": init(jax.random.key(0))}
    run = lambda count: time_steps(held, step, [batch] * count)
    run(1)
    return run

"""The built-in facades as arrays for the lessons, and the training of networks on them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from p2p_jax import losses
from p2p_jax.config import Side
from p2p_jax.data import values
from p2p_jax.data.procedural import facade
from p2p_jax.evaluation import metrics
from p2p_jax.network import Network

SIDE = Side()  # 8 bits, three channels
RUN_ONCE = {"xla_backend_optimization_level": 0}
"""Compiler options for code that runs once, such as initialization: it compiles five times faster and runs slower."""
jit_once = partial(jax.jit, compiler_options=RUN_ONCE)


def draw_facades(count: int, *, size: int, first: int = 0) -> tuple[Array, Array]:
    """Label maps and photos of the same buildings, uint8 (count, size, size, 3) each."""
    pairs = [facade(0, first + index, size=size) for index in range(count)]
    return jnp.asarray(np.stack([labels for _, labels in pairs])), jnp.asarray(np.stack([photo for photo, _ in pairs]))


def to_values(pictures: Array) -> Array:
    """Pictures (n, h, w, 3) from uint8 in [0, 255] to float32 in [-1, 1]."""
    return values.encode(SIDE, pictures)


def to_pictures(made: Array | np.ndarray) -> np.ndarray:
    """Values (..., c), clipped to [-1, 1], as pictures of uint8 (..., c)."""
    return np.asarray(values.decode(SIDE, jnp.asarray(made)))


def draw_photo() -> np.ndarray:
    """A facade in [-1, 1], (1, 64, 64, 3)."""
    return np.asarray(to_values(draw_facades(1, size=64, first=9)[1]))


def to_grey(values: Any) -> np.ndarray:
    """Values (..., h, w), clipped to [-1, 1], as grey pictures (..., h, w, 1)."""
    return to_pictures(np.asarray(values)[..., None])


def run_steps(step: Callable[[Any, Array], Any], state: Any, *, count: int, batch: int, steps: int) -> Any:
    """Runs a step, `(state, indices (batch,)) -> state`, over `count` pairs in an order that is always the same.

    Each epoch has every pair once, in a new random order. Returns the last state.
    """
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(count) for _ in range(-(-steps * batch // count))])
    for k in range(steps):
        state = step(state, jnp.asarray(order[k * batch : (k + 1) * batch]))
    return jax.block_until_ready(state)


class Training(NamedTuple):
    """What `train_on_l1` returns.

    Attributes:
        start: the params before training.
        params, state: the params and state after training.
        losses: L1 of every step, (steps,).
        watched: `watch` of the first step's gradient.
    """

    start: Any
    params: Any
    state: Any
    losses: Array
    watched: Array


def train_on_l1(
    net: Network,
    inputs: Array,
    targets: Array,
    optimizer: optax.GradientTransformation,
    *,
    batch: int,
    steps: int,
    watch: Callable[[Any], Array] = lambda gradient: jnp.zeros(()),
) -> Training:
    """Trains a network on pairs with L1 as the only loss.

    Args:
        net: the network, from inputs to targets.
        inputs, targets: (n, h, w, c) in [-1, 1].
        optimizer: an optax optimizer.
        batch: number of pairs in a step.
        steps: number of steps.
        watch: function of the first step's gradient (a tree like the params), for `watched`.
    """

    @jax.jit
    def step(carry: Any, indices: Array) -> Any:
        params, state, memory, curve, first, k = carry

        def loss(params: Any) -> tuple[Array, Any]:
            made, changed = net.apply(params, state, inputs[indices], train=True)
            return losses.l1(made, targets[indices]), changed

        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        update, memory = optimizer.update(gradient, memory, params)
        first = jnp.where(k == 0, watch(gradient), first)
        return optax.apply_updates(params, update), state, memory, curve.at[k].set(value), first, k + 1

    start, state = jit_once(net.init)(jax.random.key(0), inputs[:1])
    carry = start, state, optimizer.init(start), jnp.zeros(steps), jnp.zeros_like(watch(start)), jnp.zeros((), jnp.int32)
    params, state, _, curve, first, _ = run_steps(step, carry, count=len(inputs), batch=batch, steps=steps)
    return Training(start, params, state, curve, first)


def sharpness(pictures: Array) -> Array:
    """The mean absolute difference of neighbouring pixels in pictures (n, h, w, c): a scalar, 0 for a uniform surface."""
    return jnp.abs(jnp.diff(pictures, axis=1)).mean() + jnp.abs(jnp.diff(pictures, axis=2)).mean()


@jit_once
def compare(fake: Array, target: Array) -> dict[str, Array]:
    """Mean L1, SSIM and sharpness (as a fraction of the target's) of pictures (n, h, w, c) in [-1, 1]."""
    on_255 = values.decode(SIDE, fake), values.decode(SIDE, target)
    return {
        "l1": metrics.l1(*on_255).mean(),
        "ssim": metrics.ssim(*on_255).mean(),
        "sharpness": sharpness(fake) / sharpness(target),
    }

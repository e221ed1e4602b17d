"""The built-in facades as the lessons use them, and how they train networks on them."""

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
"""Compiler options for what runs only once, such as initial values: compiled five times faster, and slower to run."""


def draw_facades(count: int, *, size: int, first: int = 0) -> tuple[Array, Array]:
    """Label maps and photos of the same buildings, uint8 (count, size, size, 3) each."""
    pairs = [facade(0, first + index, size=size) for index in range(count)]
    return jnp.asarray(np.stack([labels for _, labels in pairs])), jnp.asarray(np.stack([photo for photo, _ in pairs]))


def to_values(pictures: Array) -> Array:
    """Pictures (n, h, w, 3) from uint8 in [0, 255] to float32 in [-1, 1]."""
    return values.encode(SIDE, pictures)


def to_pictures(made: Array | np.ndarray) -> np.ndarray:
    """And back to uint8, (..., c) to (..., c); what lies outside [-1, 1] is cut off."""
    return np.asarray(values.decode(SIDE, jnp.asarray(made)))


def run_steps(step: Callable[[Any, Array], Any], state: Any, *, count: int, batch: int, steps: int) -> Any:
    """Takes steps of `(state, indices (batch,)) -> state` through `count` pairs, in an order that is always the same.

    Every pair comes once before any comes again; the order is shuffled anew each time. Returns the last state.
    """
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(count) for _ in range(-(-steps * batch // count))])
    for k in range(steps):
        state = step(state, jnp.asarray(order[k * batch : (k + 1) * batch]))
    return jax.block_until_ready(state)


class Training(NamedTuple):
    """What `train_on_l1` returns.

    Attributes:
        start: the params before.
        params, state: those after.
        losses: L1 of every step, (steps,).
        watched: what `watch` made of the first step's gradient.
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
        net: from inputs to targets.
        inputs, targets: (n, h, w, c) in [-1, 1].
        optimizer: of optax.
        batch: pairs of each step.
        steps: how many.
        watch: of the gradient, a tree as the params; only the first step's is kept.
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

    start, state = jax.jit(net.init, compiler_options=RUN_ONCE)(jax.random.key(0), inputs[:1])
    carry = start, state, optimizer.init(start), jnp.zeros(steps), jnp.zeros_like(watch(start)), jnp.zeros((), jnp.int32)
    params, state, _, curve, first, _ = run_steps(step, carry, count=len(inputs), batch=batch, steps=steps)
    return Training(start, params, state, curve, first)


def sharpness(pictures: Array) -> Array:
    """How much neighbours in pictures (n, h, w, c) differ in the mean, down and across: a scalar, 0 for a plain surface."""
    return jnp.abs(jnp.diff(pictures, axis=1)).mean() + jnp.abs(jnp.diff(pictures, axis=2)).mean()


@partial(jax.jit, compiler_options=RUN_ONCE)
def compare(fake: Array, target: Array) -> dict[str, Array]:
    """Mean L1, SSIM and sharpness (as a share of the target's) of pictures (n, h, w, c) in [-1, 1]."""
    on_255 = values.decode(SIDE, fake), values.decode(SIDE, target)
    return {
        "l1": metrics.l1(*on_255).mean(),
        "ssim": metrics.ssim(*on_255).mean(),
        "sharpness": sharpness(fake) / sharpness(target),
    }

"""The built-in facades as the lessons use them, and how they train networks on them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax import metrics
from p2p_jax.config import Side
from p2p_jax.data import values
from p2p_jax.data.procedural import facade

SIDE = Side()  # 8 bits, three channels
RUN_ONCE = {"xla_backend_optimization_level": 0}
"""Compiler options for what runs only once, such as initial values: compiled five times faster, and slower to run."""


def draw_facades(count: int, *, size: int, first: int = 0) -> tuple[Array, Array]:
    """Label maps and photos of the same buildings, uint8 (count, size, size, 3) each."""
    pairs = [facade(0, first + index, size=size) for index in range(count)]
    return jnp.asarray(np.stack([labels for _, labels in pairs])), jnp.asarray(np.stack([photo for photo, _ in pairs]))


def to_values(pictures: Array) -> Array:
    """Pictures from [0, 255] to float32 in [-1, 1]."""
    return values.encode(SIDE, pictures)


def to_pictures(made: Array | np.ndarray) -> np.ndarray:
    """And back to uint8; what lies outside is cut off."""
    return np.asarray(values.decode(SIDE, jnp.asarray(made)))


def run_steps(step: Callable[[Any, Array], Any], state: Any, *, count: int, batch: int, steps: int) -> Any:
    """Takes that many steps of `(state, indices of a batch) -> state`, through `count` pairs in a shuffled order."""
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(count) for _ in range(-(-steps * batch // count))])
    for k in range(steps):
        state = step(state, jnp.asarray(order[k * batch : (k + 1) * batch]))
    return jax.block_until_ready(state)


def sharpness(pictures: Array) -> Array:
    """How much neighbouring pixels differ in the mean, down and across: 0 for a plain surface."""
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

"""The gradient that returns through a discriminator, and the paths that its activations leave open."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import Scope
from jax import Array

from experiments.fundamentals.facades import draw_facades, to_values
from experiments.fundamentals.lesson import Numbers
from p2p_jax import discriminators, layers, losses, ops
from p2p_jax.network import Network, network

SIDE = 32  # of the pictures


def _watched_norm(scope: Scope, x: Array, *, train: bool) -> Array:
    """Batch normalisation that also records its output, the input of the next activation."""
    y = layers.batch_norm(scope, x, train=train)
    scope.variable("seen", "before", jnp.zeros, y.shape).value = y
    return y


def measure_discriminator(widths: Sequence[int]) -> Numbers:
    """The gradient that a generator gets through a PatchGAN of these widths before training, with slopes of 0 and 0.2."""
    plans, photos = map(to_values, draw_facades(4, size=SIDE))

    def judge(slope: float | Array) -> Network:
        return network(discriminators.patchgan, widths=widths, norm=_watched_norm, leaky_slope=slope)

    def measure(photos: Array, key: Array) -> Numbers:
        params, state = judge(0.2).init(key, jnp.concatenate([plans, photos], axis=-1))

        def loss(photos: Array, slope: Array) -> tuple[Array, Numbers]:
            logits, seen = judge(slope).apply(params, state, jnp.concatenate([plans, photos], axis=-1), train=True)
            return losses.bce.generator(logits), seen["seen"]

        gradient, seen = jax.vmap(jax.grad(loss, has_aux=True), (None, 0))(photos, jnp.array([0.0, 0.2]))
        kernel, bias = params["conv0"]["kernel"], params["conv0"]["bias"]
        first = ops.conv2d(jnp.concatenate([plans, photos], axis=-1), kernel, bias, stride=2, padding=1)
        on = [first > 0, *(seen[f"conv{i}_norm"]["before"][0] > 0 for i in range(1, len(widths)))]
        size = jnp.sqrt(jnp.square(gradient).sum((1, 2, 3, 4)))
        back = ops.leaky_relu(ops.leaky_relu(first, 0.2), 1 / 0.2)
        return {
            "relative_size": size[1] / size[0],
            "pixels_without": (gradient == 0).mean((1, 2, 3, 4)),
            "off": [1 - layer.mean() for layer in on],
            "on": on,
            "error_of_going_back": jnp.abs(back - first).max() / jnp.abs(first).max(),
            "lost_by_relu": ((first != 0) & (ops.relu(first) == 0)).mean(),
        }

    # With keys of the kind "rbg" XLA compiles random numbers in a tenth of the time.
    seen = jax.device_get(jax.jit(measure)(photos, jax.random.key(0, impl="rbg")))
    on = seen.pop("on")
    return {**seen, "open": count_paths(on) / count_paths([np.ones_like(layer) for layer in on])}


def count_paths(on: Sequence[np.ndarray]) -> np.ndarray:
    """Counts the paths from values of the pictures to logits through units that are on.

    Args:
        on: for each layer, which units are on, bool (n, h, w, features).

    Returns:
        The mean number of paths that end in a logit.
    """

    def under_kernels(paths: np.ndarray, stride: int) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(paths, ((0, 0), (1, 1), (1, 1))), (4, 4), (1, 2))
        return windows[:, ::stride, ::stride].sum((-2, -1))

    paths = np.full((1, SIDE, SIDE), 6.0)
    for i, layer in enumerate(on):
        paths = under_kernels(paths, 2 if i < len(on) - 1 else 1) * layer.sum(-1)
    return under_kernels(paths, 1).mean()

"""Upsampling: transposed convolutions, their checkerboard, and repeated pixels as the alternative."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.fundamentals.facades import jit_once, to_grey
from experiments.fundamentals.lesson import Numbers
from p2p_jax import ops

RAMP = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16  # a kernel that grows towards its middle


def draw_normal(seed: int, *shape: int) -> Array:
    """Random numbers of a normal distribution, always the same for a seed."""
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


def largest(difference: Any) -> float:
    """The largest absolute value of an array."""
    return float(np.abs(np.asarray(difference)).max())


def measure_transposed() -> Numbers:
    """Spots after a transposed convolution, and two sums that are equal if it is the transpose of the convolution."""
    spots = np.zeros((2, 4, 4, 1), np.float32)
    spots[:, 1, 1] = spots[1, 1, 2] = 1

    @jit_once
    def convolve(x: Array, y: Array, kernel: Array, spots: Array, ramp: Array) -> tuple[Array, ...]:
        forth = ops.conv2d(x, kernel, stride=2, padding=1)
        back = ops.conv2d_transpose(y, kernel.transpose(3, 0, 1, 2), stride=2, padding=1)
        spread = ops.conv2d_transpose(spots, ramp[None, ..., None], stride=2, padding=1)
        return (forth * y).sum(), (x * back).sum(), spread

    given = draw_normal(0, 1, 16, 16, 3), draw_normal(1, 1, 8, 8, 5), draw_normal(2, 4, 4, 3, 5)
    forth, back, spread = jax.device_get(convolve(*given, jnp.asarray(spots), jnp.asarray(RAMP)))
    pictures = {"spots": to_grey(2 * spots[..., 0] - 1), "spread": to_grey(2 * spread[..., 0] - 1)}
    return {"forth": forth, "back": back, **pictures}


def measure_checkerboard() -> Numbers:
    """A picture of ones after transposed convolutions, and after repeating its pixels and convolving."""

    def spread(side: int, kernels: Array) -> Array:
        """`kernels` is (k, k, 1, out); a kernel of 3 needs output padding to double the picture, as in `resnet`."""
        ones, transposed, more = jnp.ones((1, side, side, 1)), kernels.transpose(2, 0, 1, 3), kernels.shape[0] % 2
        return ops.conv2d_transpose(ones, transposed, stride=2, padding=1, output_padding=more)[0]

    @jit_once
    def run(random: Array, ramp: Array) -> tuple[dict[str, Array], ...]:
        counts = {str(k): spread(4, jnp.ones((k, k, 1, 1)))[..., 0] for k in (3, 4)}
        repeated = ops.upsample_nearest(jnp.ones((1, 6, 6, 1)), 2)
        even = {"ramp": spread(6, ramp[..., None, None]), "repeated": ops.conv2d(repeated, random[:3, :3], padding=1)[0]}
        return counts, {"3": spread(6, random[:3, :3]), "4": spread(6, random), **even}

    counts, made = jax.device_get(run(draw_normal(0, 4, 4, 1, 200), jnp.asarray(RAMP)))
    # Far from the borders one square of 2 x 2 pixels repeats; its four values are equal if there is no checkerboard.
    squares = {name: picture[4:6, 4:6].reshape(4, -1) for name, picture in made.items()}
    size = np.sqrt(np.square(squares["4"]).mean())
    return {
        "counts": counts,
        "inside": {k: (count[1:-1, 1:-1].min(), count[1:-1, 1:-1].max()) for k, count in counts.items()},
        "uneven": {name: square.std(axis=0).mean() / size for name, square in squares.items()},
        "pictures": {name: to_grey(made[name][..., 0] / largest(made[name][..., 0])) for name in ("3", "4", "repeated")},
    }

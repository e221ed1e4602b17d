"""Convolution of stride 1 as patches of its small picture: cheaper where that has few channels, as a PatchGAN's result.

With stride 1 either picture slides under the other. Turned around, a convolution from x to y is a transposed one from y's
side, with the kernel mirrored; so `patches.py` serves, with the large and the small picture in each other's place.
"""

import jax.numpy as jnp
from jax import Array

from p2p_jax.ops.cpu import im2col
from p2p_jax.ops.geometry import ConvGeometry, Work


def correlate(window: ConvGeometry, x: Array, kernel: Array) -> Array:
    """See `convolution.correlate`."""
    return im2col.spread(turn(window), x, turn_kernel(window, kernel))


def spread(window: ConvGeometry, y: Array, kernel: Array) -> Array:
    """See `convolution.spread`."""
    return im2col.correlate(turn(window), y, turn_kernel(window, kernel))


def kernel_gradient(window: ConvGeometry, x: Array, y: Array) -> Array:
    """See `convolution.kernel_gradient`."""
    return turn_kernel(turn(window), im2col.kernel_gradient(turn(window), y, x))


def work(window: ConvGeometry, channels: int, features: int) -> Work:
    """What this does; its values are those of patches."""
    return im2col.work(turn(window), features, channels)


def suits(window: ConvGeometry) -> bool:
    """Whether a kernel is square, of stride 1, and reaches over the edges by no more than its size."""
    return window.stride == 1 and window.kh == window.kw and window.padding < window.kh


def turn(window: ConvGeometry) -> ConvGeometry:
    """The same window, seen from the small picture."""
    return window._replace(
        padding=window.kh - 1 - window.padding,
        height=window.rows,
        width=window.columns,
        rows=window.height,
        columns=window.width,
        features_first=not window.features_first,
    )


def turn_kernel(window: ConvGeometry, kernel: Array) -> Array:
    """The kernel of a window for its turned one: mirrored, and in the other layout."""
    if window.features_first:
        return jnp.flip(kernel, (1, 2)).transpose(1, 2, 0, 3)
    return jnp.flip(kernel, (0, 1)).transpose(2, 0, 1, 3)

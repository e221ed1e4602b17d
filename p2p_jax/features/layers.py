"""Layers of trained networks, for (n, h, w, c) arrays and kernels in the layout (height, width, in, out).

They compute in full float32 precision on every device, so that metrics are the same on all of them.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Padding = str | tuple[tuple[int, int], tuple[int, int]]
"""\"VALID\", "SAME" as in TensorFlow, or the numbers of pixels ((above, below), (left, right))."""


class Layer(NamedTuple):
    """Weights of a convolution.

    Attributes:
        kernel: (height, width, in, out), or (height, width, 1, channels) of a depthwise convolution.
        bias: (out,).
    """

    kernel: Array | np.ndarray
    bias: Array | np.ndarray


def convolve(x: Array, layer: Layer, stride: int = 1, padding: Padding = "SAME") -> Array:
    """A convolution with bias: (n, h, w, in) to (n, h', w', out)."""
    y = lax.conv_general_dilated(
        x,
        jnp.asarray(layer.kernel),
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )
    return y + layer.bias


def convolve_depthwise(x: Array, layer: Layer, stride: int = 1) -> Array:
    """A convolution of each channel by itself, with bias and TensorFlow's padding: (n, h, w, c) to (n, h', w', c).

    It is a sum over the kernel's places.
    """
    height, width = layer.kernel.shape[:2]
    sizes = [-(-side // stride) for side in x.shape[1:3]]
    pads = lax.padtype_to_pads(x.shape[1:3], (height, width), (stride, stride), "SAME")
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    ends = [(size - 1) * stride + 1 for size in sizes]
    total = jnp.zeros((), x.dtype)
    for i in range(height):
        for j in range(width):
            total = total + x[:, i : i + ends[0] : stride, j : j + ends[1] : stride] * layer.kernel[i, j, 0]
    return total + layer.bias


def max_pool(x: Array, size: int, stride: int, padding: Padding = "VALID") -> Array:
    """The largest value of each window of `size` x `size` pixels."""
    window, steps = (1, size, size, 1), (1, stride, stride, 1)
    pads = padding if isinstance(padding, str) else ((0, 0), *padding, (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, window, steps, pads)


def mean_pool(x: Array, size: int) -> Array:
    """The mean of each window of `size` x `size` pixels at stride 1, without what lies outside of the picture."""
    total = lambda y: lax.reduce_window(y, 0.0, lax.add, (1, size, size, 1), (1, 1, 1, 1), "SAME")
    return total(x) / total(jnp.ones((1, *x.shape[1:3], 1), x.dtype))


def fold_norm(
    kernel: np.ndarray, scale: np.ndarray, offset: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> Layer:
    """Joins a convolution without bias and the batch norm after it into one convolution.

    Args:
        kernel: (out, in, height, width), as in PyTorch.
        scale, offset, mean, variance: (out,), of the batch norm.
        epsilon: of the batch norm.

    Returns:
        the convolution; computed in float64, stored in float32. A depthwise kernel (c, 1, h, w) becomes (h, w, 1, c).
    """
    factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    scaled = kernel.astype(np.float64) * factor[:, None, None, None]
    return Layer(scaled.transpose(2, 3, 1, 0).astype(np.float32), (offset - mean * factor).astype(np.float32))

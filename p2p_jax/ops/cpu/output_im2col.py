"""Stride-1 convolution as im2col on the output side; cheaper with few output channels (PatchGAN's last layer).

A convolution of stride 1 from x to y is also a transposed convolution with the mirrored kernel, in which y is the large
and x the small picture. So `im2col` computes it, with the two pictures exchanged.
"""

import jax.numpy as jnp
from jax import Array

from p2p_jax.ops.cpu import im2col
from p2p_jax.ops.geometry import ConvGeometry, Cost


def conv(geometry: ConvGeometry, x: Array, kernel: Array) -> Array:
    """Computes `convolution.conv`."""
    return im2col.conv_transpose(exchange_pictures(geometry), x, mirror_kernel(geometry, kernel))


def conv_transpose(geometry: ConvGeometry, y: Array, kernel: Array) -> Array:
    """Computes `convolution.conv_transpose`."""
    return im2col.conv(exchange_pictures(geometry), y, mirror_kernel(geometry, kernel))


def kernel_gradient(geometry: ConvGeometry, x: Array, y: Array) -> Array:
    """Computes `convolution.kernel_gradient`."""
    exchanged = exchange_pictures(geometry)
    return mirror_kernel(exchanged, im2col.kernel_gradient(exchanged, y, x))


def cost(geometry: ConvGeometry, channels: int, features: int) -> Cost:
    """Returns the cost for pictures of `channels` (large) and `features` (small)."""
    return im2col.cost(exchange_pictures(geometry), features, channels)


def applies(geometry: ConvGeometry) -> bool:
    """Whether the formulation can compute this: stride 1, a square kernel, padding below the kernel's size."""
    return geometry.stride == 1 and geometry.kh == geometry.kw and geometry.padding < geometry.kh


def exchange_pictures(geometry: ConvGeometry) -> ConvGeometry:
    """Returns the geometry of the same convolution with the large and the small picture exchanged."""
    return geometry._replace(
        padding=geometry.kh - 1 - geometry.padding,
        height=geometry.rows,
        width=geometry.columns,
        rows=geometry.height,
        columns=geometry.width,
        features_first=not geometry.features_first,
    )


def mirror_kernel(geometry: ConvGeometry, kernel: Array) -> Array:
    """Returns the kernel for the exchanged geometry: mirrored, in the other layout."""
    if geometry.features_first:
        return jnp.flip(kernel, (1, 2)).transpose(1, 2, 0, 3)
    return jnp.flip(kernel, (0, 1)).transpose(2, 0, 1, 3)

"""Convolutions by XLA's own operation, and by its transposes."""

import jax
from jax import Array, lax

from p2p_jax.ops.geometry import ConvGeometry


def conv(geometry: ConvGeometry, x: Array, kernel: Array) -> Array:
    """Computes `convolution.conv`."""
    layout = ("NHWC", "OHWI" if geometry.features_first else "HWIO", "NHWC")
    stride, padding = geometry.stride, geometry.padding
    bottom = (geometry.rows - 1) * stride + geometry.kh - geometry.height - padding
    right = (geometry.columns - 1) * stride + geometry.kw - geometry.width - padding
    pads = [(padding, bottom), (padding, right)]
    return lax.conv_general_dilated(x, kernel.astype(x.dtype), (stride, stride), pads, dimension_numbers=layout)


def conv_transpose(geometry: ConvGeometry, y: Array, kernel: Array) -> Array:
    """Computes `convolution.conv_transpose`."""
    channels, _ = geometry.channels(kernel)
    x = jax.ShapeDtypeStruct((y.shape[0], geometry.height, geometry.width, channels), y.dtype)
    return jax.linear_transpose(lambda x: conv(geometry, x, kernel), x)(y)[0]


def kernel_gradient(geometry: ConvGeometry, x: Array, y: Array) -> Array:
    """Computes `convolution.kernel_gradient`."""
    sides, channels, features = (geometry.kh, geometry.kw), x.shape[-1], y.shape[-1]
    shape = (features, *sides, channels) if geometry.features_first else (*sides, channels, features)
    kernel = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda kernel: conv(geometry, x, kernel), kernel)(y)[0]

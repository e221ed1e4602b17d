"""Convolution as one matrix product (im2col): a matrix with one patch per row, times the kernel as a matrix."""

import jax.numpy as jnp
from jax import Array

from p2p_jax.ops.cpu.batching import map_pictures, sum_pictures
from p2p_jax.ops.geometry import ConvGeometry, Cost, matmul


def conv(geometry: ConvGeometry, x: Array, kernel: Array) -> Array:
    """Computes `convolution.conv`."""

    def run(x: Array) -> Array:
        return _times_kernel(geometry, extract_patches(geometry, x), kernel, 1 if geometry.features_first else 0)

    return map_pictures(run, x, cost(geometry, *geometry.channels(kernel)))


def conv_transpose(geometry: ConvGeometry, y: Array, kernel: Array) -> Array:
    """Computes `convolution.conv_transpose`."""

    def run(y: Array) -> Array:
        return overlap_add(geometry, _times_kernel(geometry, y, kernel, 0 if geometry.features_first else 1))

    return map_pictures(run, y, cost(geometry, *geometry.channels(kernel)))


def kernel_gradient(geometry: ConvGeometry, x: Array, y: Array) -> Array:
    """Computes `convolution.kernel_gradient`."""
    kh, kw, channels, features = geometry.kh, geometry.kw, x.shape[-1], y.shape[-1]

    def run(x: Array, y: Array) -> Array:
        large = extract_patches(geometry, x).reshape(-1, kh * kw * channels)
        small = y.reshape(-1, features)
        return matmul(small, large, (0, 0)) if geometry.features_first else matmul(large, small, (0, 0))

    shape = (features, kh, kw, channels) if geometry.features_first else (kh, kw, channels, features)
    return sum_pictures(run, x, y, cost(geometry, channels, features)).reshape(shape)


def cost(geometry: ConvGeometry, channels: int, features: int) -> Cost:
    """Returns the cost for pictures of `channels` (large) and `features` (small); it counts the values of the patches."""
    values = geometry.rows * geometry.columns * geometry.kh * geometry.kw * channels
    return Cost(multiply_adds=values * features, values=values, kernel_values=0, matrices=0)


def extract_patches(geometry: ConvGeometry, x: Array) -> Array:
    """Returns the patch under every position of the kernel: (n, height, width, c) to (n, rows, columns, kh kw c)."""
    kh, kw, stride, padding = geometry.kh, geometry.kw, geometry.stride, geometry.padding
    rows, columns = geometry.rows, geometry.columns
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    pieces = [
        x[:, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
        for i in range(kh)
        for j in range(kw)
    ]
    return jnp.concatenate(pieces, axis=-1)


def overlap_add(geometry: ConvGeometry, patches: Array) -> Array:
    """Adds every patch at its position, the transpose of `extract_patches`.

    Args:
        geometry: of the convolution.
        patches: (n, rows, columns, kh kw c).

    Returns:
        (n, height, width, c).
    """
    kh, kw, stride, padding = geometry.kh, geometry.kw, geometry.stride, geometry.padding
    height, width, rows, columns = geometry.height, geometry.width, geometry.rows, geometry.columns
    n, channels = patches.shape[0], patches.shape[-1] // (kh * kw)
    # The kernel's axes, padded to a multiple of the stride, are split into (steps, phase): within a phase, patches are
    # shifted by whole pixels of the small picture, and the phases are interleaved at the end.
    steps_h, steps_w = -(-kh // stride), -(-kw // stride)
    x = patches.reshape(n, rows, columns, kh, kw, channels)
    x = jnp.pad(x, ((0, 0),) * 3 + ((0, steps_h * stride - kh), (0, steps_w * stride - kw), (0, 0)))
    x = x.reshape(n, rows, columns, steps_h, stride, steps_w, stride, channels)
    shifted = [
        jnp.pad(x[:, :, :, a, :, b], ((0, 0), (a, steps_h - 1 - a), (b, steps_w - 1 - b), *((0, 0),) * 3))
        for a in range(steps_h)
        for b in range(steps_w)
    ]
    x = sum(shifted[1:], shifted[0]).transpose(0, 1, 3, 2, 4, 5)
    rows, columns = (rows + steps_h - 1) * stride, (columns + steps_w - 1) * stride
    x = x.reshape(n, rows, columns, channels)
    # Rows and columns that the kernel does not reach are zero. Then the padding is cropped.
    x = jnp.pad(x, ((0, 0), (0, max(0, height + padding - rows)), (0, max(0, width + padding - columns)), (0, 0)))
    return x[:, padding : padding + height, padding : padding + width]


def _times_kernel(geometry: ConvGeometry, x: Array, kernel: Array, axis: int) -> Array:
    """Multiplies (n, rows, columns, i) by the kernel as a matrix, contracting the given axis of the matrix."""
    matrix = kernel.reshape(kernel.shape[0], -1) if geometry.features_first else kernel.reshape(-1, kernel.shape[-1])
    return matmul(x, matrix.astype(x.dtype), (3, axis))

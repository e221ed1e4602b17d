"""Convolution as one matrix product: the patches under the kernel, each a row, times the kernel as a matrix."""

import jax.numpy as jnp
from jax import Array

from p2p_jax.ops.cpu.batching import map_pictures, sum_pictures
from p2p_jax.ops.geometry import ConvGeometry, Work, matmul


def correlate(window: ConvGeometry, x: Array, kernel: Array) -> Array:
    """See `convolution.correlate`."""

    def run(x: Array) -> Array:
        return _times_kernel(window, patches(window, x), kernel, 1 if window.features_first else 0)

    return map_pictures(run, x, work(window, *window.channels(kernel)))


def spread(window: ConvGeometry, y: Array, kernel: Array) -> Array:
    """See `convolution.spread`."""

    def run(y: Array) -> Array:
        return overlap_add(window, _times_kernel(window, y, kernel, 0 if window.features_first else 1))

    return map_pictures(run, y, work(window, *window.channels(kernel)))


def kernel_gradient(window: ConvGeometry, x: Array, y: Array) -> Array:
    """See `convolution.kernel_gradient`."""
    kh, kw, channels, features = window.kh, window.kw, x.shape[-1], y.shape[-1]

    def run(x: Array, y: Array) -> Array:
        large = patches(window, x).reshape(-1, kh * kw * channels)
        small = y.reshape(-1, features)
        return matmul(small, large, (0, 0)) if window.features_first else matmul(large, small, (0, 0))

    shape = (features, kh, kw, channels) if window.features_first else (kh, kw, channels, features)
    return sum_pictures(run, x, y, work(window, channels, features)).reshape(shape)


def work(window: ConvGeometry, channels: int, features: int) -> Work:
    """What this does; its values are those of patches."""
    values = window.rows * window.columns * window.kh * window.kw * channels
    return Work(products=values * features, values=values, of_kernel=0, matrices=0)


def patches(window: ConvGeometry, x: Array) -> Array:
    """(n, height, width, c) to (n, rows, columns, kh kw c): the patch under every position of the kernel."""
    kh, kw, stride, padding = window.kh, window.kw, window.stride, window.padding
    rows, columns = window.rows, window.columns
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    pieces = [
        x[:, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
        for i in range(kh)
        for j in range(kw)
    ]
    return jnp.concatenate(pieces, axis=-1)


def overlap_add(window: ConvGeometry, patches: Array) -> Array:
    """(n, rows, columns, kh kw c) to (n, height, width, c): every patch added where it was taken from."""
    kh, kw, stride, padding = window.kh, window.kw, window.stride, window.padding
    height, width, rows, columns = window.height, window.width, window.rows, window.columns
    n, channels = patches.shape[0], patches.shape[-1] // (kh * kw)
    # The kernel's axes, filled up to whole strides, fall apart into (steps, phase): within one phase patches are
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
    # The last rows and columns may lie under no position of the kernel: they are zero. Then the padding comes off.
    x = jnp.pad(x, ((0, 0), (0, max(0, height + padding - rows)), (0, max(0, width + padding - columns)), (0, 0)))
    return x[:, padding : padding + height, padding : padding + width]


def _times_kernel(window: ConvGeometry, x: Array, kernel: Array, axis: int) -> Array:
    """Pictures (n, rows, columns, i) times a kernel as a matrix, over one of its axes."""
    matrix = kernel.reshape(kernel.shape[0], -1) if window.features_first else kernel.reshape(-1, kernel.shape[-1])
    return matmul(x, matrix.astype(x.dtype), (3, axis))

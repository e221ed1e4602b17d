"""Convolution of stride 1 as one of stride 2, over copies of the picture that are shifted by a pixel.

Every other result of a stride of 1 is one of a stride of 2, with the same kernel; so four copies, shifted by no pixel or
one down and across, give them all. Winograd's tiles of 4 taps take fewer multiplications, but those of two phases of 2 taps
bear bfloat16, which is multiplied twice as fast.
"""

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.ops.cpu import winograd
from p2p_jax.ops.cpu.batching import map_pictures
from p2p_jax.ops.cpu.xla import compile_separately
from p2p_jax.ops.geometry import ConvGeometry, Work, pad, wide

SHIFTS = [(down, across) for down in (0, 1) for across in (0, 1)]


RESULTS = 2  # of a tile, down and across


def correlate(window: ConvGeometry, x: Array, kernel: Array) -> Array:
    """See `convolution.correlate`."""
    strided = stride_two(window)

    def copy(x: Array) -> Array:
        copies = [pad(x, (0, 0), *_pads(window, strided, shift), (0, 0)) for shift in SHIFTS]
        return jnp.stack(copies, axis=1).reshape(-1, *copies[0].shape[1:])

    def interleave(y: Array) -> Array:
        _, rows, columns, features = y.shape
        y = y.reshape(-1, 2, 2, rows, columns, features).transpose(0, 3, 1, 4, 2, 5)
        return y.reshape(-1, 2 * rows, 2 * columns, features)[:, : window.rows, : window.columns]

    def run(x: Array) -> Array:
        copies = compile_separately(jax.jit(copy), x)
        return compile_separately(jax.jit(interleave), winograd.correlate(RESULTS, strided, copies, kernel))

    return map_pictures(run, x, work(window, *window.channels(kernel)))


def spread(window: ConvGeometry, y: Array, kernel: Array) -> Array:
    """See `convolution.spread`."""
    strided = stride_two(window)

    def take_apart(y: Array) -> Array:
        rows, columns = strided.rows, strided.columns
        y = pad(y, (0, 0), (0, 2 * rows - window.rows), (0, 2 * columns - window.columns), (0, 0))
        y = y.reshape(-1, rows, 2, columns, 2, y.shape[3]).transpose(0, 2, 4, 1, 3, 5)
        return y.reshape(-1, rows, columns, y.shape[5])

    def join(copies: Array) -> Array:
        copies = copies.reshape(-1, len(SHIFTS), *copies.shape[1:]).astype(wide(copies.dtype))
        x = jnp.zeros((copies.shape[0], window.height, window.width, copies.shape[-1]), copies.dtype)
        for i, shift in enumerate(SHIFTS):
            back = [(-before, -after) for before, after in _pads(window, strided, shift)]
            x += pad(copies[:, i], (0, 0), *back, (0, 0))
        return x.astype(y.dtype)

    def run(y: Array) -> Array:
        copies = winograd.spread(RESULTS, strided, compile_separately(jax.jit(take_apart), y), kernel)
        return compile_separately(jax.jit(join), copies)

    return map_pictures(run, y, work(window, *window.channels(kernel)))


def suits(window: ConvGeometry) -> bool:
    """Whether a kernel is square, with a stride of 1, and of 4 taps."""
    return window.stride == 1 and window.kh == window.kw == 4


def work(window: ConvGeometry, channels: int, features: int) -> Work:
    """What this does in bfloat16: a product there, and a value of the large tiles, counts as half of one of float32."""
    one = winograd.work(RESULTS, stride_two(window), channels, features)
    down, across = winograd.count(stride_two(window), RESULTS)
    large = one.matrices * down * across * 4 * channels
    return Work(len(SHIFTS) * one.products // 2, len(SHIFTS) * (one.values - large // 2), one.of_kernel, one.matrices)


def stride_two(window: ConvGeometry) -> ConvGeometry:
    """The window of stride 2 over each copy, which has its padding already."""
    rows, columns = -(-window.rows // 2), -(-window.columns // 2)
    sides = 2 * (rows - 1) + window.kh, 2 * (columns - 1) + window.kw
    return ConvGeometry(window.kh, window.kw, 2, 0, *sides, rows, columns, window.features_first)


def _pads(window: ConvGeometry, strided: ConvGeometry, shift: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns that a picture is given before and after to become a copy."""
    sizes = zip((window.height, window.width), (strided.height, strided.width), shift, strict=True)
    return [(window.padding - by, side - size - window.padding + by) for size, side, by in sizes]

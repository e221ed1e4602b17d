"""Stride-1 convolution with 4 taps as stride-2 convolutions of shifted copies (polyphase), for tiles in bfloat16.

Every second output of a stride-1 convolution is an output of a stride-2 convolution with the same kernel. So four copies,
shifted by 0 or 1 pixel down and across, yield all outputs. Winograd's 4-tap tiles need fewer multiplications, but the
stride-2 convolution has only 2 taps a phase, which are exact enough in bfloat16, and bfloat16 multiplies twice as fast.
"""

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.ops.cpu import winograd
from p2p_jax.ops.cpu.batching import map_pictures
from p2p_jax.ops.cpu.xla import compile_separately
from p2p_jax.ops.geometry import ConvGeometry, Cost, accumulation_dtype, pad

SHIFTS = [(down, across) for down in (0, 1) for across in (0, 1)]
"""Shifts of the four copies, in pixels."""

TILE = 2
"""Outputs per Winograd tile, down and across."""


def conv(geometry: ConvGeometry, x: Array, kernel: Array) -> Array:
    """Computes `convolution.conv`."""
    strided = stride_two_geometry(geometry)

    def make_copies(x: Array) -> Array:
        copies = [pad(x, (0, 0), *_pads(geometry, strided, shift), (0, 0)) for shift in SHIFTS]
        return jnp.stack(copies, axis=1).reshape(-1, *copies[0].shape[1:])

    def interleave(y: Array) -> Array:
        _, rows, columns, features = y.shape
        y = y.reshape(-1, 2, 2, rows, columns, features).transpose(0, 3, 1, 4, 2, 5)
        return y.reshape(-1, 2 * rows, 2 * columns, features)[:, : geometry.rows, : geometry.columns]

    def run(x: Array) -> Array:
        copies = compile_separately(jax.jit(make_copies), x)
        return compile_separately(jax.jit(interleave), winograd.conv(TILE, strided, copies, kernel))

    return map_pictures(run, x, cost(geometry, *geometry.channels(kernel)))


def conv_transpose(geometry: ConvGeometry, y: Array, kernel: Array) -> Array:
    """Computes `convolution.conv_transpose`."""
    strided = stride_two_geometry(geometry)

    def deinterleave(y: Array) -> Array:
        rows, columns = strided.rows, strided.columns
        y = pad(y, (0, 0), (0, 2 * rows - geometry.rows), (0, 2 * columns - geometry.columns), (0, 0))
        y = y.reshape(-1, rows, 2, columns, 2, y.shape[3]).transpose(0, 2, 4, 1, 3, 5)
        return y.reshape(-1, rows, columns, y.shape[5])

    def add_copies(copies: Array) -> Array:
        copies = copies.reshape(-1, len(SHIFTS), *copies.shape[1:]).astype(accumulation_dtype(copies.dtype))
        x = jnp.zeros((copies.shape[0], geometry.height, geometry.width, copies.shape[-1]), copies.dtype)
        for i, shift in enumerate(SHIFTS):
            crops = [(-before, -after) for before, after in _pads(geometry, strided, shift)]
            x += pad(copies[:, i], (0, 0), *crops, (0, 0))
        return x.astype(y.dtype)

    def run(y: Array) -> Array:
        copies = winograd.conv_transpose(TILE, strided, compile_separately(jax.jit(deinterleave), y), kernel)
        return compile_separately(jax.jit(add_copies), copies)

    return map_pictures(run, y, cost(geometry, *geometry.channels(kernel)))


def applies(geometry: ConvGeometry) -> bool:
    """Whether the formulation can compute this: stride 1 and a kernel of 4 x 4."""
    return geometry.stride == 1 and geometry.kh == geometry.kw == 4


def cost(geometry: ConvGeometry, channels: int, features: int) -> Cost:
    """Returns the cost in bfloat16, whose products and tile values count as half of float32's.

    Args:
        geometry: of the convolution.
        channels: of the large picture.
        features: channels of the small picture.
    """
    strided = stride_two_geometry(geometry)
    copy = winograd.cost(TILE, strided, channels, features)
    down, across = winograd.count_tiles(strided, TILE)
    input_values = copy.matrices * down * across * 4 * channels
    return Cost(
        multiply_adds=len(SHIFTS) * copy.multiply_adds // 2,
        values=len(SHIFTS) * (copy.values - input_values // 2),
        kernel_values=copy.kernel_values,
        matrices=copy.matrices,
    )


def stride_two_geometry(geometry: ConvGeometry) -> ConvGeometry:
    """Returns the geometry of the stride-2 convolution of each copy. Its padding is 0, because the copies are padded."""
    rows, columns = -(-geometry.rows // 2), -(-geometry.columns // 2)
    sides = 2 * (rows - 1) + geometry.kh, 2 * (columns - 1) + geometry.kw
    return ConvGeometry(geometry.kh, geometry.kw, 2, 0, *sides, rows, columns, geometry.features_first)


def _pads(geometry: ConvGeometry, strided: ConvGeometry, shift: tuple[int, int]) -> list[tuple[int, int]]:
    """Returns the padding, (before, after) of rows and of columns, that makes a shifted copy of a picture."""
    sizes = zip((geometry.height, geometry.width), (strided.height, strided.width), shift, strict=True)
    return [(geometry.padding - by, side - size - geometry.padding + by) for size, side, by in sizes]

"""How the convolutions of `ops.py` are computed: one formulation for CPU, one for the others, equal in what they give.

On a CPU, XLA lowers dilated convolutions (every transposed convolution, and the backward pass of every strided one) to
slow loops, so there both convolutions are written as one matrix product each: a convolution gathers patches and
multiplies, a transposed convolution multiplies and adds the overlapping results. GPU and TPU have native convolutions.

Arguments and results are those of `ops.conv2d` and `ops.conv2d_transpose`, which check them.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax


def conv2d_native(x: Array, kernel: Array, *, stride: int, padding: int) -> Array:
    """`ops.conv2d` by XLA's convolution."""
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def conv2d_by_patches(x: Array, kernel: Array, *, stride: int, padding: int) -> Array:
    """`ops.conv2d` by gathering the patch under every position and one matrix product."""
    kh, kw, channels, features = kernel.shape
    height, width = x.shape[1:3]
    rows, columns = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    window = _Window(kh, kw, stride, padding, height, width, rows, columns)
    return _matmul(_patches(window, x), kernel.reshape(kh * kw * channels, features))


def conv2d_transpose_native(x: Array, kernel: Array, *, stride: int, padding: int, size: tuple[int, int]) -> Array:
    """`ops.conv2d_transpose` by XLA's convolution of the dilated picture; `size` is (height, width) of the result."""
    pads = []
    for axis in (1, 2):
        before = kernel.shape[axis] - 1 - padding
        pads.append((before, size[axis - 1] + kernel.shape[axis] - 1 - ((x.shape[axis] - 1) * stride + 1) - before))
    return lax.conv_general_dilated(
        x,
        jnp.flip(kernel, (1, 2)),
        (1, 1),
        pads,
        lhs_dilation=(stride, stride),
        dimension_numbers=("NHWC", "IHWO", "NHWC"),
    )


def conv2d_transpose_by_overlap(x: Array, kernel: Array, *, stride: int, padding: int, size: tuple[int, int]) -> Array:
    """`ops.conv2d_transpose` by one matrix product whose results are added where they overlap."""
    channels, kh, kw, features = kernel.shape
    window = _Window(kh, kw, stride, padding, *size, *x.shape[1:3])
    return _overlap_add(window, _matmul(x, kernel.reshape(channels, kh * kw * features)))


def _matmul(x: Array, matrix: Array) -> Array:
    # Products are added up in float32 at least: more exact in bfloat16, and faster on CPU.
    wide = jnp.promote_types(x.dtype, jnp.float32)
    return jnp.matmul(x, matrix, preferred_element_type=wide).astype(x.dtype)


class _Window(NamedTuple):
    """A kernel sliding over a large picture (height, width), with one position per pixel of a small (rows, columns)."""

    kh: int
    kw: int
    stride: int
    padding: int
    height: int
    width: int
    rows: int
    columns: int


# Gathering patches and adding overlaps are linear and each other's transpose, so each is the other's backward pass;
# written so, no derivative ever goes through the slices themselves.


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _patches(window: _Window, x: Array) -> Array:
    """(n, height, width, c) to (n, rows, columns, kh kw c): the patch under every position of the kernel."""
    kh, kw, stride, padding, _, _, rows, columns = window
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    pieces = [
        x[:, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
        for i in range(kh)
        for j in range(kw)
    ]
    return jnp.concatenate(pieces, axis=-1)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _overlap_add(window: _Window, patches: Array) -> Array:
    """(n, rows, columns, kh kw c) to (n, height, width, c): every patch added where it was taken from."""
    kh, kw, stride, padding, height, width, rows, columns = window
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


_patches.defvjp(
    lambda window, x: (_patches(window, x), None),
    lambda window, _, grad: (_overlap_add(window, grad),),
)
_overlap_add.defvjp(
    lambda window, patches: (_overlap_add(window, patches), None),
    lambda window, _, grad: (_patches(window, grad),),
)

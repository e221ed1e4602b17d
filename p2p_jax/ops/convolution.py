"""How the convolutions of `ops.py` are computed: on a CPU by the formulation that is cheapest for their shapes.

On a CPU, XLA lowers dilated convolutions (every transposed convolution, and the backward pass of every strided one) to slow
loops, so there all of them are written as matrix products: of patches (`patches.py`, `turned.py`), or of transformed tiles,
which takes fewer multiplications (`winograd.py`, `shifted.py`). GPU and TPU have native convolutions. All are equal in what
they give.

A convolution has three sides, a large picture x, a small picture y and a kernel, and three maps, each from two of the sides
to the third: `correlate`, `spread` and `kernel_gradient`. All are linear in both arguments, and each one's derivatives are
the other two; so no derivative ever goes through slices or loops, and every pass is formulated for itself.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from p2p_jax.errors import UserError
from p2p_jax.ops.cpu import im2col, output_im2col, polyphase, winograd
from p2p_jax.ops.cpu.xla import after, compile_separately, compile_separately_on_cpu
from p2p_jax.ops.geometry import ConvGeometry, wide

Map = Literal["correlate", "spread", "kernel_gradient"]


def convolve(x: Array, kernel: Array, *, stride: int, padding: int) -> Array:
    """`ops.conv2d`, which checks the arguments."""
    return correlate(geometry_of_conv(x, kernel, stride=stride, padding=padding), x, kernel)


def convolve_transposed(x: Array, kernel: Array, *, stride: int, padding: int, size: tuple[int, int]) -> Array:
    """`ops.conv2d_transpose`, which checks the arguments; `size` is (height, width) of the result."""
    _, kh, kw, _ = kernel.shape
    return spread(ConvGeometry(kh, kw, stride, padding, *size, *x.shape[1:3], features_first=True), x, kernel)


def geometry_of_conv(x: Array, kernel: Array, *, stride: int, padding: int) -> ConvGeometry:
    """The window of `ops.conv2d` of these arguments."""
    (kh, kw), (height, width) = kernel.shape[:2], x.shape[1:3]
    rows, columns = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    return ConvGeometry(kh, kw, stride, padding, height, width, rows, columns, features_first=False)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def correlate(window: ConvGeometry, x: Array, kernel: Array) -> Array:
    """(n, height, width, c) to (n, rows, columns, f), in the dtype of `x`: what a convolution does."""
    return _by_platform("correlate", window, x, kernel, (x.shape[0], *window.channels(kernel)), x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def spread(window: ConvGeometry, y: Array, kernel: Array) -> Array:
    """(n, rows, columns, f) to (n, height, width, c), in the dtype of `y`: what a transposed convolution does."""
    return _by_platform("spread", window, y, kernel, (y.shape[0], *window.channels(kernel)), y.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def kernel_gradient(window: ConvGeometry, dtype: DTypeLike, x: Array, y: Array) -> Array:
    """(n, height, width, c) and (n, rows, columns, f) to the kernel's shape, in the dtype given."""
    return _by_platform("kernel_gradient", window, x, y, (x.shape[0], x.shape[-1], y.shape[-1]), dtype)


LARGE = 2**16  # values: a kernel of so many is not to be copied


def _in_order(of_picture: Array, of_kernel: Array) -> tuple[Array, Array]:
    """Both gradients, that by a large kernel only after the other one, which is the last to read the kernel.

    Then an optimizer may overwrite the kernel, and no gradient has to wait in memory until all are there. A small kernel is
    sooner copied; and often it is a first layer's, whose gradient by the picture nobody needs.
    """
    return of_picture, of_kernel if of_kernel.size < LARGE else after(of_picture, of_kernel)


correlate.defvjp(
    lambda window, x, kernel: (correlate(window, x, kernel), (x, kernel)),
    lambda window, saved, grad: _in_order(
        spread(window, grad, saved[1]),
        kernel_gradient(window, saved[1].dtype, saved[0], grad),
    ),
)
spread.defvjp(
    lambda window, y, kernel: (spread(window, y, kernel), (y, kernel)),
    lambda window, saved, grad: _in_order(
        correlate(window, grad, saved[1]),
        kernel_gradient(window, saved[1].dtype, grad, saved[0]),
    ),
)
kernel_gradient.defvjp(
    lambda window, dtype, x, y: (kernel_gradient(window, dtype, x, y), (x, y)),
    lambda window, dtype, saved, grad: (spread(window, saved[1], grad), correlate(window, saved[0], grad)),
)


class Formulation(NamedTuple):
    """One way to compute the three maps, each `(window, array, array) -> array`.

    Kernels come in a dtype of their own, results may go in a wider one.
    """

    correlate: Callable[[ConvGeometry, Array, Array], Array]
    spread: Callable[[ConvGeometry, Array, Array], Array]
    kernel_gradient: Callable[[ConvGeometry, Array, Array], Array]


def _native_correlate(window: ConvGeometry, x: Array, kernel: Array) -> Array:
    layout = ("NHWC", "OHWI" if window.features_first else "HWIO", "NHWC")
    stride, padding = window.stride, window.padding
    bottom = (window.rows - 1) * stride + window.kh - window.height - padding
    right = (window.columns - 1) * stride + window.kw - window.width - padding
    pads = [(padding, bottom), (padding, right)]
    return lax.conv_general_dilated(x, kernel.astype(x.dtype), (stride, stride), pads, dimension_numbers=layout)


def _native_spread(window: ConvGeometry, y: Array, kernel: Array) -> Array:
    channels, _ = window.channels(kernel)
    x = jax.ShapeDtypeStruct((y.shape[0], window.height, window.width, channels), y.dtype)
    return jax.linear_transpose(lambda x: _native_correlate(window, x, kernel), x)(y)[0]


def _native_kernel_gradient(window: ConvGeometry, x: Array, y: Array) -> Array:
    sides, channels, features = (window.kh, window.kw), x.shape[-1], y.shape[-1]
    shape = (features, *sides, channels) if window.features_first else (*sides, channels, features)
    kernel = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda kernel: _native_correlate(window, x, kernel), kernel)(y)[0]


NATIVE = Formulation(_native_correlate, _native_spread, _native_kernel_gradient)


IM2COL = Formulation(im2col.correlate, im2col.spread, im2col.kernel_gradient)


OUTPUT_IM2COL = Formulation(output_im2col.correlate, output_im2col.spread, output_im2col.kernel_gradient)


@cache
def by_winograd(results: int) -> Formulation:
    """Winograd's, with tiles of results x results."""
    return Formulation(*(partial(fn, results) for fn in (winograd.correlate, winograd.spread, winograd.kernel_gradient)))


# Kernels' gradients by Winograd's tiles, which stay float32 for 4 taps: no slower, and more exact.
POLYPHASE = Formulation(polyphase.correlate, polyphase.spread, by_winograd(3).kernel_gradient)


# What takes as long as so many floating-point operations of a matrix product, measured on a CPU with AVX-512: to write and
# read one value, and to have one more matrix to transform and multiply.
VALUE = 200


MATRIX = 4e6


def choose(window: ConvGeometry, n: int, channels: int, features: int, dtype: DTypeLike) -> Formulation:
    """The formulation that is cheapest on a CPU; the three maps of a window cost about the same.

    `SHIFTED` counts by its first two; its third, the kernel gradient, is that of `by_winograd(3)`.

    Args:
        window: the convolution.
        n: pictures.
        channels, features: of the large and of the small picture.
        dtype: of the pictures.
    """
    works = {IM2COL: im2col.work(window, channels, features)}
    if output_im2col.suits(window):
        works[OUTPUT_IM2COL] = output_im2col.work(window, channels, features)
    if winograd.suits(window):
        works |= {by_winograd(results): winograd.work(results, window, channels, features) for results in (2, 3)}
    if polyphase.suits(window) and jnp.dtype(dtype) == jnp.bfloat16:
        works[POLYPHASE] = polyphase.work(window, channels, features)
    costs = {
        formulation: n * (2.0 * work.products + VALUE * work.values) + VALUE * work.of_kernel + MATRIX * work.matrices
        for formulation, work in works.items()
    }
    return min(costs, key=costs.__getitem__)


def _by_platform(
    name: Map, window: ConvGeometry, a: Array, b: Array, sizes: tuple[int, int, int], dtype: DTypeLike
) -> Array:
    """One map of two arrays; `sizes` are n, c and f."""
    on_cpu, elsewhere = (
        _compile(formulation, name, window, jnp.dtype(dtype)) for formulation in (choose(window, *sizes, a.dtype), NATIVE)
    )
    return lax.platform_dependent(a, b, cpu=lambda a, b: compile_separately(on_cpu, a, b), default=elsewhere)


@cache
def _compile(formulation: Formulation, name: Map, window: ConvGeometry, dtype: np.dtype) -> Callable[[Array, Array], Array]:
    """One function for all convolutions of a kind, so that it is traced and lowered once."""
    fn = getattr(formulation, name)
    return jax.jit(lambda a, b: fn(window, a, b).astype(dtype))


# --------------------------------------------------------------------------------------------------------------------
# Convolution


def conv2d(x: Array, kernel: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0) -> Array:
    """Slides a kernel over a picture (cross-correlation, as in every deep-learning library).

    Args:
        x: pictures, (n, h, w, in).
        kernel: weights, (kh, kw, in, out); cast to the dtype of `x`.
        bias: one value per output channel, (out,), or None.
        stride: pixels between two positions of the kernel.
        padding: rows and columns of zeros added on every side, in pixels.

    Returns:
        (n, (h + 2 padding - kh) // stride + 1, (w + 2 padding - kw) // stride + 1, out), in the dtype of `x`.

    Raises:
        UserError: the channels of `x` and `kernel` differ, or the kernel is larger than the padded picture.
    """
    _check_channels("conv2d", x, kernel, in_axis=2)
    size = tuple((x.shape[a + 1] + 2 * padding - kernel.shape[a]) // stride + 1 for a in (0, 1))
    if min(size) < 1:
        raise UserError(
            f"conv2d was given a picture of {x.shape[1]} x {x.shape[2]} pixels with padding {padding}, which is smaller "
            f"than its kernel of {kernel.shape[0]} x {kernel.shape[1]}: use a larger picture or fewer layers."
        )
    y = convolve(x, kernel, stride=stride, padding=padding)
    return y if bias is None else _add_bias(y, bias)


def conv2d_transpose(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: int = 2,
    padding: int = 1,
    output_padding: int = 0,
) -> Array:
    """Spreads every pixel over a kernel and adds what overlaps: the transpose of `conv2d`, with PyTorch's size rule.

    Args:
        x: pictures, (n, h, w, in).
        kernel: weights, (in, kh, kw, out), not flipped; cast to the dtype of `x`.
        bias: one value per output channel, (out,), or None.
        stride: pixels between the places of two neighbouring inputs in the output.
        padding: rows and columns cut off on every side of the output, in pixels.
        output_padding: rows and columns added at the bottom and the right of the output; below `stride`.

    Returns:
        (n, (h - 1) stride - 2 padding + kh + output_padding, likewise w, out), in the dtype of `x`.

    Raises:
        UserError: the channels of `x` and `kernel` differ, `output_padding` is not below `stride`, or nothing is left
            after cutting.
    """
    _check_channels("conv2d_transpose", x, kernel, in_axis=0)
    if not 0 <= output_padding < stride:
        raise UserError(
            f"conv2d_transpose was given output_padding {output_padding} with stride {stride}: it must be at least 0 "
            "and smaller than the stride."
        )
    height, width = ((x.shape[a] - 1) * stride - 2 * padding + kernel.shape[a] + output_padding for a in (1, 2))
    size = (height, width)
    if min(size) < 1:
        raise UserError(
            f"conv2d_transpose would give a picture of {size[0]} x {size[1]} pixels from {x.shape[1]} x {x.shape[2]}: "
            f"padding {padding} is too large for a kernel of {kernel.shape[1]} x {kernel.shape[2]}."
        )
    y = convolve_transposed(x, kernel, stride=stride, padding=padding, size=size)
    return y if bias is None else _add_bias(y, bias)


@jax.custom_vjp
def _add_bias(x: Array, bias: Array) -> Array:
    """One value per channel added; its gradient, a sum over all pixels, is made in float32 at least."""
    return x + bias.astype(x.dtype)


def _add_bias_bwd(bias: Array, grad: Array) -> tuple[Array, Array]:
    def add_up(grad: Array) -> Array:
        return grad.astype(wide(grad.dtype)).sum((0, 1, 2))

    return grad, compile_separately_on_cpu(add_up, grad).astype(bias.dtype)


_add_bias.defvjp(lambda x, bias: (_add_bias(x, bias), bias), _add_bias_bwd)


def _check_channels(name: str, x: Array, kernel: Array, *, in_axis: int) -> None:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[-1] != kernel.shape[in_axis]:
        raise UserError(
            f"{name} was given pictures of shape {x.shape} and a kernel of shape {kernel.shape}: it expects "
            f"(n, h, w, in) and a kernel whose axis {in_axis} has the same number of input channels."
        )

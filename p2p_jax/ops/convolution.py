"""Convolutions: `conv2d` and `conv2d_transpose`, computed by the formulation that is cheapest for their shapes.

On a CPU, XLA lowers dilated convolutions (every transposed convolution, and the backward pass of every strided one) to slow
loops. There, convolutions are matrix products: of patches (`cpu.im2col`, `cpu.output_im2col`), or of transformed tiles,
which need fewer multiplications (`cpu.winograd`, `cpu.polyphase`). GPUs and TPUs use XLA's convolutions (`native`). All
formulations compute the same function.

Three maps connect a large picture x, a small picture y and a kernel: `conv`, `conv_transpose` and `kernel_gradient` each
compute one of the three from the other two. Each is linear in both arguments, and its derivatives are the other two maps.
So JAX never differentiates the slices and loops of a formulation, and every backward pass has the fast formulations too.
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
from p2p_jax.ops import native
from p2p_jax.ops.cpu import im2col, output_im2col, polyphase, winograd
from p2p_jax.ops.cpu.xla import compile_separately, compile_separately_on_cpu, with_dependency
from p2p_jax.ops.geometry import ConvGeometry, accumulation_dtype

# --------------------------------------------------------------------------------------------------------------------
# Public functions


def conv2d(x: Array, kernel: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0) -> Array:
    """Slides a kernel over pictures (cross-correlation, as in every deep-learning library).

    It can be differentiated in reverse mode only.

    Args:
        x: pictures, (n, h, w, in), float.
        kernel: weights, (kh, kw, in, out), float; cast to the dtype of `x`.
        bias: one value per output channel, (out,), or None.
        stride: pixels between neighbouring positions of the kernel.
        padding: rows and columns of zeros added on every side, in pixels.

    Returns:
        (n, (h + 2 padding - kh) // stride + 1, (w + 2 padding - kw) // stride + 1, out), in the dtype of `x`.

    Raises:
        UserError: the channels of `x` and `kernel` differ, or the kernel is larger than the padded picture.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.conv2d(jnp.ones((1, 8, 8, 3)), jnp.ones((4, 4, 3, 16)), stride=2, padding=1).shape
        (1, 4, 4, 16)
    """
    _check_channels("conv2d", x, kernel, in_axis=2)
    geometry = geometry_of_conv(x, kernel, stride=stride, padding=padding)
    if min(geometry.rows, geometry.columns) < 1:
        raise UserError(
            f"conv2d was given a picture of {x.shape[1]} x {x.shape[2]} pixels with padding {padding}, which is smaller "
            f"than its kernel of {kernel.shape[0]} x {kernel.shape[1]}: use a larger picture or fewer layers."
        )
    y: Array = conv(geometry, x, kernel)
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
    """Multiplies every pixel by a kernel and adds the overlapping results: the transpose of `conv2d`.

    It has PyTorch's size rule, and it can be differentiated in reverse mode only.

    Args:
        x: pictures, (n, h, w, in), float.
        kernel: weights, (in, kh, kw, out), not flipped, float; cast to the dtype of `x`.
        bias: one value per output channel, (out,), or None.
        stride: output pixels between the positions of neighbouring input pixels.
        padding: rows and columns cropped on every side of the output, in pixels.
        output_padding: rows and columns added at the bottom and the right of the output; at least 0, below `stride`.

    Returns:
        (n, (h - 1) stride - 2 padding + kh + output_padding, likewise w, out), in the dtype of `x`.

    Raises:
        UserError: the channels of `x` and `kernel` differ, `output_padding` is out of range, or cropping leaves no pixel.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.conv2d_transpose(jnp.ones((1, 4, 4, 16)), jnp.ones((16, 4, 4, 3))).shape
        (1, 8, 8, 3)
    """
    _check_channels("conv2d_transpose", x, kernel, in_axis=0)
    if not 0 <= output_padding < stride:
        raise UserError(
            f"conv2d_transpose was given output_padding {output_padding} with stride {stride}: it must be at least 0 "
            "and smaller than the stride."
        )
    _, kh, kw, _ = kernel.shape
    height = (x.shape[1] - 1) * stride - 2 * padding + kh + output_padding
    width = (x.shape[2] - 1) * stride - 2 * padding + kw + output_padding
    if min(height, width) < 1:
        raise UserError(
            f"conv2d_transpose would return a picture of {height} x {width} pixels from {x.shape[1]} x {x.shape[2]}: "
            f"padding {padding} is too large for a kernel of {kh} x {kw}."
        )
    geometry = ConvGeometry(kh, kw, stride, padding, height, width, *x.shape[1:3], features_first=True)
    y: Array = conv_transpose(geometry, x, kernel)
    return y if bias is None else _add_bias(y, bias)


def geometry_of_conv(x: Array, kernel: Array, *, stride: int, padding: int) -> ConvGeometry:
    """Returns the geometry of `conv2d` with these arguments."""
    (kh, kw), (height, width) = kernel.shape[:2], x.shape[1:3]
    rows, columns = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    return ConvGeometry(kh, kw, stride, padding, height, width, rows, columns, features_first=False)


def _check_channels(name: str, x: Array, kernel: Array, *, in_axis: int) -> None:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[-1] != kernel.shape[in_axis]:
        raise UserError(
            f"{name} was given pictures of shape {x.shape} and a kernel of shape {kernel.shape}: it expects "
            f"(n, h, w, in) and a kernel whose axis {in_axis} has the same number of input channels."
        )


@jax.custom_vjp
def _add_bias(x: Array, bias: Array) -> Array:
    """Adds one value per channel. Its gradient, a sum over all pixels, is computed in float32 at least."""
    return x + bias.astype(x.dtype)


def _add_bias_bwd(bias: Array, grad: Array) -> tuple[Array, Array]:
    def sum_pixels(grad: Array) -> Array:
        return grad.astype(accumulation_dtype(grad.dtype)).sum((0, 1, 2))

    return grad, compile_separately_on_cpu(sum_pixels, grad).astype(bias.dtype)


_add_bias.defvjp(lambda x, bias: (_add_bias(x, bias), bias), _add_bias_bwd)


# --------------------------------------------------------------------------------------------------------------------
# The three maps and their derivatives


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def conv(geometry: ConvGeometry, x: Array, kernel: Array) -> Array:
    """Convolves: (n, height, width, c) to (n, rows, columns, f), in the dtype of `x`."""
    return _by_platform("conv", geometry, x, kernel, (x.shape[0], *geometry.channels(kernel)), x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def conv_transpose(geometry: ConvGeometry, y: Array, kernel: Array) -> Array:
    """Convolves transposed: (n, rows, columns, f) to (n, height, width, c), in the dtype of `y`."""
    return _by_platform("conv_transpose", geometry, y, kernel, (y.shape[0], *geometry.channels(kernel)), y.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def kernel_gradient(geometry: ConvGeometry, dtype: DTypeLike, x: Array, y: Array) -> Array:
    """Correlates (n, height, width, c) with (n, rows, columns, f): an array of the kernel's shape, in the given dtype."""
    return _by_platform("kernel_gradient", geometry, x, y, (x.shape[0], x.shape[-1], y.shape[-1]), dtype)


LARGE_KERNEL = 2**16
"""Kernels with at least this many values must not be copied."""


def _order_gradients(of_picture: Array, of_kernel: Array) -> tuple[Array, Array]:
    """Returns both gradients; a large kernel's waits for the input gradient, the kernel's last reader.

    The optimizer may then overwrite the kernel at once, so gradients are not kept in memory until all are computed. A small
    kernel is cheaper to copy, and it often belongs to a first layer, whose input gradient is not needed.
    """
    return of_picture, of_kernel if of_kernel.size < LARGE_KERNEL else with_dependency(of_kernel, on=of_picture)


conv.defvjp(
    lambda geometry, x, kernel: (conv(geometry, x, kernel), (x, kernel)),
    lambda geometry, saved, grad: _order_gradients(
        conv_transpose(geometry, grad, saved[1]),
        kernel_gradient(geometry, saved[1].dtype, saved[0], grad),
    ),
)
conv_transpose.defvjp(
    lambda geometry, y, kernel: (conv_transpose(geometry, y, kernel), (y, kernel)),
    lambda geometry, saved, grad: _order_gradients(
        conv(geometry, grad, saved[1]),
        kernel_gradient(geometry, saved[1].dtype, grad, saved[0]),
    ),
)
kernel_gradient.defvjp(
    lambda geometry, dtype, x, y: (kernel_gradient(geometry, dtype, x, y), (x, y)),
    lambda geometry, dtype, saved, grad: (conv_transpose(geometry, saved[1], grad), conv(geometry, saved[0], grad)),
)


# --------------------------------------------------------------------------------------------------------------------
# Formulations and the choice among them


class Formulation(NamedTuple):
    """One way to compute the three maps, each `(geometry, array, array) -> array`.

    A kernel may have another dtype than the pictures, and the result may have a wider dtype than both pictures.
    """

    conv: Callable[[ConvGeometry, Array, Array], Array]
    conv_transpose: Callable[[ConvGeometry, Array, Array], Array]
    kernel_gradient: Callable[[ConvGeometry, Array, Array], Array]


@cache
def by_winograd(tile: int) -> Formulation:
    """Returns Winograd's formulation with tiles of `tile` x `tile` outputs."""
    return Formulation(*(partial(fn, tile) for fn in (winograd.conv, winograd.conv_transpose, winograd.kernel_gradient)))


NATIVE = Formulation(native.conv, native.conv_transpose, native.kernel_gradient)
IM2COL = Formulation(im2col.conv, im2col.conv_transpose, im2col.kernel_gradient)
OUTPUT_IM2COL = Formulation(output_im2col.conv, output_im2col.conv_transpose, output_im2col.kernel_gradient)
# The kernel gradient uses Winograd's tiles, which stay float32 with 4 taps: as fast as polyphase, and more exact.
POLYPHASE = Formulation(polyphase.conv, polyphase.conv_transpose, by_winograd(3).kernel_gradient)

COST_PER_VALUE = 200
"""Cost of writing and reading one value, in floating-point operations of a matrix product; measured with AVX-512."""

COST_PER_MATRIX = 4e6
"""Cost of each matrix that `Cost.matrices` counts, in the same unit."""


def choose(geometry: ConvGeometry, n: int, channels: int, features: int, dtype: DTypeLike) -> Formulation:
    """Returns the cheapest formulation on a CPU; the three maps of a geometry cost about the same.

    The cost of `POLYPHASE` is that of its `conv` and `conv_transpose`.

    Args:
        geometry: of the convolution.
        n: number of pictures.
        channels: of the large picture.
        features: channels of the small picture.
        dtype: of the pictures.
    """
    candidates = {IM2COL: im2col.cost(geometry, channels, features)}
    if output_im2col.applies(geometry):
        candidates[OUTPUT_IM2COL] = output_im2col.cost(geometry, channels, features)
    if winograd.applies(geometry):
        candidates |= {by_winograd(tile): winograd.cost(tile, geometry, channels, features) for tile in (2, 3)}
    if polyphase.applies(geometry) and jnp.dtype(dtype) == jnp.bfloat16:
        candidates[POLYPHASE] = polyphase.cost(geometry, channels, features)
    operations = {
        formulation: n * (2.0 * cost.multiply_adds + COST_PER_VALUE * cost.values)
        + COST_PER_VALUE * cost.kernel_values
        + COST_PER_MATRIX * cost.matrices
        for formulation, cost in candidates.items()
    }
    return min(operations, key=operations.__getitem__)


def _by_platform(
    name: Literal["conv", "conv_transpose", "kernel_gradient"],
    geometry: ConvGeometry,
    a: Array,
    b: Array,
    sizes: tuple[int, int, int],
    dtype: DTypeLike,
) -> Array:
    """Computes one map of two arrays with the formulation for the platform; `sizes` are n, c and f."""
    on_cpu, elsewhere = (
        _jitted(formulation, name, geometry, jnp.dtype(dtype))
        for formulation in (choose(geometry, *sizes, a.dtype), NATIVE)
    )
    return lax.platform_dependent(a, b, cpu=lambda a, b: compile_separately(on_cpu, a, b), default=elsewhere)


@cache
def _jitted(
    formulation: Formulation, name: str, geometry: ConvGeometry, dtype: np.dtype
) -> Callable[[Array, Array], Array]:
    """Returns the same function for the same arguments, so that equal convolutions are traced and lowered once."""
    fn = getattr(formulation, name)
    return jax.jit(lambda a, b: fn(geometry, a, b).astype(dtype))

"""Arrays in, arrays out: convolution, activations, normalisation, dropout and padding.

Activations are NHWC (picture, row, column, channel). Nothing here holds state and nothing here knows Flax, so every
function can be read, tried and differentiated alone.

How a convolution is computed is chosen by platform in `convolution.py`; normalisation is in `normalization.py`. No caller
sees either.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from p2p_jax import convolution
from p2p_jax.compiler import apart_on_cpu, as_bits, of_bits
from p2p_jax.normalization import moments as moments
from p2p_jax.normalization import normalize as normalize
from p2p_jax.normalization import standardize as standardize
from p2p_jax.windows import wide

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
        ValueError: the channels of `x` and `kernel` differ, or the kernel is larger than the padded picture.
    """
    _check_channels("conv2d", x, kernel, in_axis=2)
    size = tuple((x.shape[a + 1] + 2 * padding - kernel.shape[a]) // stride + 1 for a in (0, 1))
    if min(size) < 1:
        raise ValueError(
            f"conv2d was given a picture of {x.shape[1]} x {x.shape[2]} pixels with padding {padding}, which is smaller "
            f"than its kernel of {kernel.shape[0]} x {kernel.shape[1]}: use a larger picture or fewer layers."
        )
    y = convolution.conv2d(x, kernel, stride=stride, padding=padding)
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
        ValueError: the channels of `x` and `kernel` differ, `output_padding` is not below `stride`, or nothing is left
            after cutting.
    """
    _check_channels("conv2d_transpose", x, kernel, in_axis=0)
    if not 0 <= output_padding < stride:
        raise ValueError(
            f"conv2d_transpose was given output_padding {output_padding} with stride {stride}: it must be at least 0 "
            "and smaller than the stride."
        )
    height, width = ((x.shape[a] - 1) * stride - 2 * padding + kernel.shape[a] + output_padding for a in (1, 2))
    size = (height, width)
    if min(size) < 1:
        raise ValueError(
            f"conv2d_transpose would give a picture of {size[0]} x {size[1]} pixels from {x.shape[1]} x {x.shape[2]}: "
            f"padding {padding} is too large for a kernel of {kernel.shape[1]} x {kernel.shape[2]}."
        )
    y = convolution.conv2d_transpose(x, kernel, stride=stride, padding=padding, size=size)
    return y if bias is None else _add_bias(y, bias)


@jax.custom_vjp
def _add_bias(x: Array, bias: Array) -> Array:
    """One value per channel added; its gradient, a sum over all pixels, is made in float32 at least."""
    return x + bias.astype(x.dtype)


def _add_bias_bwd(bias: Array, grad: Array) -> tuple[Array, Array]:
    def add_up(grad: Array) -> Array:
        return grad.astype(wide(grad.dtype)).sum((0, 1, 2))

    return grad, apart_on_cpu(add_up, grad).astype(bias.dtype)


_add_bias.defvjp(lambda x, bias: (_add_bias(x, bias), bias), _add_bias_bwd)


def _check_channels(name: str, x: Array, kernel: Array, *, in_axis: int) -> None:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[-1] != kernel.shape[in_axis]:
        raise ValueError(
            f"{name} was given pictures of shape {x.shape} and a kernel of shape {kernel.shape}: it expects "
            f"(n, h, w, in) and a kernel whose axis {in_axis} has the same number of input channels."
        )


# --------------------------------------------------------------------------------------------------------------------
# Activations


# The gradients of relu and leaky_relu are told from what they give and not from what they were given: the next layer keeps
# the one anyway, and the other's memory is free at once.


@jax.custom_jvp
def relu(x: Array) -> Array:
    """Identity above zero, zero below, (any shape). Its gradient at zero is taken as zero; NaN stays NaN."""
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


@relu.defjvp
def _relu_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = relu(*primals)
    return y, jnp.where(y <= 0, jnp.zeros_like(y), *tangents)


def leaky_relu(x: Array, slope: ArrayLike = 0.2) -> Array:
    """Identity above zero, `slope` times x below, (any shape): with a slope above 0 no unit is ever without a gradient.

    Source: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013; slope 0.2 as in Isola et
    al., Image-to-Image Translation with Conditional Adversarial Networks, 2017, appendix 6.1.
    """
    fixed = isinstance(slope, int | float) and slope >= 0  # else its gradient is not told from the result
    return _leaky_relu_of_fixed_slope(x, slope) if fixed else _leaky_relu(x, slope)


def _leaky_relu(x: Array, slope: ArrayLike) -> Array:
    return jnp.where(x > 0, x, slope * x)


_leaky_relu_of_fixed_slope = jax.custom_jvp(_leaky_relu, nondiff_argnums=(1,))


@_leaky_relu_of_fixed_slope.defjvp
def _leaky_relu_jvp(slope: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y, (dx,) = _leaky_relu_of_fixed_slope(*primals, slope), tangents
    return y, jnp.where(y > 0, dx, slope * dx)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent, (any shape), into (-1, 1): the range of pictures."""
    return jnp.tanh(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), (any shape), into (0, 1): from a logit to a probability."""
    return jax.nn.sigmoid(x)


# --------------------------------------------------------------------------------------------------------------------
# Dropout and padding


def dropout(key: Array, x: Array, rate: float) -> Array:
    """Sets each value to zero with probability `rate` and divides the others by 1 - rate, so that the mean stays.

    Raises:
        ValueError: `rate` is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout was given rate {rate}: it is the share of values set to zero, at least 0 and below 1.")
    if rate == 0:
        return x
    keep = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), jnp.zeros_like(x))


def reflect_pad(x: Array, pad: int) -> Array:
    """Adds `pad` mirrored rows and columns on every side, (n, h, w, c) to (n, h + 2 pad, w + 2 pad, c).

    Raises:
        ValueError: the picture is not larger than `pad` on both sides, so that there is nothing to mirror.
    """
    if min(x.shape[1:3]) <= pad:
        raise ValueError(
            f"reflect_pad was given a picture of {x.shape[1]} x {x.shape[2]} pixels and pad {pad}: each side must be "
            "larger than the padding."
        )
    return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


def resize(x: Array, size: tuple[int, int], method: Literal["bicubic", "bilinear", "nearest"] = "bicubic") -> Array:
    """Resizes pictures as PIL does on floats: smaller ones are averaged over what they cover, none is shifted.

    Args:
        x: (n, h, w, c), float; bicubic overshoots at edges, so the range may grow.
        size: (height, width) in pixels.
        method: bicubic (a = -0.5), bilinear, or nearest, which makes no new values and so suits labels.

    Returns:
        (n, height, width, c), in the dtype of `x`.
    """
    name = {"bicubic": "cubic", "bilinear": "linear", "nearest": "nearest"}[method]
    return jax.image.resize(x, (x.shape[0], *size, x.shape[3]), name, antialias=True)


def concat_channels(a: Array, b: Array) -> Array:
    """Stacks the channels of two pictures, (n, h, w, c) and (n, h, w, c') to (n, h, w, c + c')."""
    return (_concat_bfloat16 if a.dtype == b.dtype == jnp.bfloat16 else _concat)(a, b)


def _concat(a: Array, b: Array) -> Array:
    return jnp.concatenate([a, b], axis=-1)


@jax.custom_jvp
def _concat_bfloat16(a: Array, b: Array) -> Array:
    """As bits, for XLA on a CPU would do it by way of float32."""
    by_bits = lambda a, b: of_bits(_concat(as_bits(a), as_bits(b)), a.dtype)
    return lax.platform_dependent(a, b, cpu=by_bits, default=_concat)


@_concat_bfloat16.defjvp
def _concat_bfloat16_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _concat_bfloat16(*primals), _concat(*tangents)


def upsample_nearest(x: Array, factor: int) -> Array:
    """Repeats every pixel `factor` times in both directions (nearest), (n, h, w, c) to (n, factor h, factor w, c)."""
    return jnp.repeat(jnp.repeat(x, factor, axis=1), factor, axis=2)

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

from p2p_jax import patches, shifted, turned, winograd
from p2p_jax.compiler import after, apart
from p2p_jax.windows import Window

Map = Literal["correlate", "spread", "kernel_gradient"]


def conv2d(x: Array, kernel: Array, *, stride: int, padding: int) -> Array:
    """`ops.conv2d`, which checks the arguments."""
    return correlate(window_of_conv(x, kernel, stride=stride, padding=padding), x, kernel)


def conv2d_transpose(x: Array, kernel: Array, *, stride: int, padding: int, size: tuple[int, int]) -> Array:
    """`ops.conv2d_transpose`, which checks the arguments; `size` is (height, width) of the result."""
    _, kh, kw, _ = kernel.shape
    return spread(Window(kh, kw, stride, padding, *size, *x.shape[1:3], features_first=True), x, kernel)


def window_of_conv(x: Array, kernel: Array, *, stride: int, padding: int) -> Window:
    """The window of `ops.conv2d` of these arguments."""
    (kh, kw), (height, width) = kernel.shape[:2], x.shape[1:3]
    rows, columns = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    return Window(kh, kw, stride, padding, height, width, rows, columns, features_first=False)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def correlate(window: Window, x: Array, kernel: Array) -> Array:
    """(n, height, width, c) to (n, rows, columns, f), in the dtype of `x`: what a convolution does."""
    return _by_platform("correlate", window, x, kernel, (x.shape[0], *window.channels(kernel)), x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def spread(window: Window, y: Array, kernel: Array) -> Array:
    """(n, rows, columns, f) to (n, height, width, c), in the dtype of `y`: what a transposed convolution does."""
    return _by_platform("spread", window, y, kernel, (y.shape[0], *window.channels(kernel)), y.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def kernel_gradient(window: Window, dtype: DTypeLike, x: Array, y: Array) -> Array:
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

    correlate: Callable[[Window, Array, Array], Array]
    spread: Callable[[Window, Array, Array], Array]
    kernel_gradient: Callable[[Window, Array, Array], Array]


def _native_correlate(window: Window, x: Array, kernel: Array) -> Array:
    layout = ("NHWC", "OHWI" if window.features_first else "HWIO", "NHWC")
    stride, padding = window.stride, window.padding
    bottom = (window.rows - 1) * stride + window.kh - window.height - padding
    right = (window.columns - 1) * stride + window.kw - window.width - padding
    pads = [(padding, bottom), (padding, right)]
    return lax.conv_general_dilated(x, kernel.astype(x.dtype), (stride, stride), pads, dimension_numbers=layout)


def _native_spread(window: Window, y: Array, kernel: Array) -> Array:
    channels, _ = window.channels(kernel)
    x = jax.ShapeDtypeStruct((y.shape[0], window.height, window.width, channels), y.dtype)
    return jax.linear_transpose(lambda x: _native_correlate(window, x, kernel), x)(y)[0]


def _native_kernel_gradient(window: Window, x: Array, y: Array) -> Array:
    sides, channels, features = (window.kh, window.kw), x.shape[-1], y.shape[-1]
    shape = (features, *sides, channels) if window.features_first else (*sides, channels, features)
    kernel = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda kernel: _native_correlate(window, x, kernel), kernel)(y)[0]


NATIVE = Formulation(_native_correlate, _native_spread, _native_kernel_gradient)
PATCHES = Formulation(patches.correlate, patches.spread, patches.kernel_gradient)
TURNED = Formulation(turned.correlate, turned.spread, turned.kernel_gradient)


@cache
def by_winograd(results: int) -> Formulation:
    """Winograd's, with tiles of results x results."""
    return Formulation(*(partial(fn, results) for fn in (winograd.correlate, winograd.spread, winograd.kernel_gradient)))


# Kernels' gradients by Winograd's tiles, which stay float32 for 4 taps: no slower, and more exact.
SHIFTED = Formulation(shifted.correlate, shifted.spread, by_winograd(3).kernel_gradient)


# What takes as long as so many floating-point operations of a matrix product, measured on a CPU with AVX-512: to write and
# read one value, and to have one more matrix to transform and multiply.
VALUE = 200
MATRIX = 4e6


def choose(window: Window, n: int, channels: int, features: int, dtype: DTypeLike) -> Formulation:
    """The formulation that is cheapest on a CPU; the three maps of a window cost about the same.

    `SHIFTED` counts by its first two; its third, the kernel gradient, is that of `by_winograd(3)`.

    Args:
        window: the convolution.
        n: pictures.
        channels, features: of the large and of the small picture.
        dtype: of the pictures.
    """
    works = {PATCHES: patches.work(window, channels, features)}
    if turned.suits(window):
        works[TURNED] = turned.work(window, channels, features)
    if winograd.suits(window):
        works |= {by_winograd(results): winograd.work(results, window, channels, features) for results in (2, 3)}
    if shifted.suits(window) and jnp.dtype(dtype) == jnp.bfloat16:
        works[SHIFTED] = shifted.work(window, channels, features)
    costs = {
        formulation: n * (2.0 * work.products + VALUE * work.values) + VALUE * work.of_kernel + MATRIX * work.matrices
        for formulation, work in works.items()
    }
    return min(costs, key=costs.__getitem__)


def _by_platform(name: Map, window: Window, a: Array, b: Array, sizes: tuple[int, int, int], dtype: DTypeLike) -> Array:
    """One map of two arrays; `sizes` are n, c and f."""
    on_cpu, elsewhere = (
        _compile(formulation, name, window, jnp.dtype(dtype)) for formulation in (choose(window, *sizes, a.dtype), NATIVE)
    )
    return lax.platform_dependent(a, b, cpu=lambda a, b: apart(on_cpu, a, b), default=elsewhere)


@cache
def _compile(formulation: Formulation, name: Map, window: Window, dtype: np.dtype) -> Callable[[Array, Array], Array]:
    """One function for all convolutions of a kind, so that it is traced and lowered once."""
    fn = getattr(formulation, name)
    return jax.jit(lambda a, b: fn(window, a, b).astype(dtype))

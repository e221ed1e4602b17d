"""What all ways to compute a convolution share, and norms in part: the geometry, products, and a wall for the compiler."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.experimental.xla_metadata import set_xla_metadata
from jax.typing import DTypeLike


class Window(NamedTuple):
    """A kernel sliding over a large picture (height, width), with one position per pixel of a small one (rows, columns).

    Attributes:
        kh, kw: size of the kernel, in pixels of the large picture.
        stride: pixels between two positions.
        padding: zeros around the large picture.
        height, width: of the large picture; what lies under no position counts for nothing.
        rows, columns: of the small picture.
        features_first: the kernel's layout, (f, kh, kw, c) instead of (kh, kw, c, f); c channels of the large picture, f of
            the small one.
    """

    kh: int
    kw: int
    stride: int
    padding: int
    height: int
    width: int
    rows: int
    columns: int
    features_first: bool

    def channels(self, kernel: Array) -> tuple[int, int]:
        """(c, f) of a kernel."""
        return (kernel.shape[3], kernel.shape[0]) if self.features_first else (kernel.shape[2], kernel.shape[3])


class Work(NamedTuple):
    """What a formulation does.

    Attributes:
        products: multiply-adds for each picture.
        values: that it makes of each picture on the way.
        of_kernel: values that it makes of the kernel.
        matrices: that it transforms and multiplies beyond one.
    """

    products: int
    values: int
    of_kernel: int
    matrices: int


def wide(dtype: DTypeLike) -> DTypeLike:
    """The dtype in which sums are made: float32 at least."""
    return jnp.promote_types(dtype, jnp.float32)


def matmul(a: Array, b: Array, axes: tuple[int, int]) -> Array:
    """The product of arrays over one axis of each, in float32 at least; the other axes stay, those of `a` first."""
    dimensions = (((axes[0],), (axes[1],)), ((), ()))
    return lax.dot_general(a, b, dimensions, preferred_element_type=wide(a.dtype))


def pad(x: Array, *sides: tuple[int, int]) -> Array:
    """Adds zeros before and after along each axis; negative numbers cut off."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(before, after, 0) for before, after in sides])


def apart(fn: Callable[..., Any], *arrays: Any) -> Any:
    """`fn(*arrays)` of a jitted function, compiled apart from what comes before and after it.

    XLA would on a CPU draw the small sums and copies of a convolution into every operation that reads its result, and do
    them again in each; `jax.lax.optimization_barrier` does not keep it from that, a function that it may not inline does.

    Not so where there are several devices: on CPUs, what these say to each other inside such a function does not keep its
    order with what they say outside of it, so that they wait for each other for ever, or hear what was meant otherwise.
    """
    if jax.device_count() > 1:
        return fn(*arrays)
    with set_xla_metadata(inlineable="false"):
        return fn(*arrays)


def apart_on_cpu(fn: Callable[..., Any], *arrays: Any) -> Any:
    """`fn(*arrays)`, on a CPU compiled `apart`."""
    return lax.platform_dependent(*arrays, cpu=lambda *arrays: apart(jax.jit(fn), *arrays), default=fn)


def transpose(x: Array, axes: tuple[int, ...] = (1, 0)) -> Array:
    """An array transposed in memory, too, for a matrix product: to be compiled `apart` from it.

    XLA would leave the array as it lies, copy it for the product, and multiply bfloat16 as float32.
    """
    if jax.device_count() > 1:
        return x.transpose(axes)
    return with_layout_constraint(x.transpose(axes), Layout(tuple(range(x.ndim))))


def as_bits(x: Array) -> Array:
    """Numbers of 16 bits as unsigned integers: XLA on a CPU copies others by way of float32."""
    return lax.bitcast_convert_type(x, jnp.uint16) if x.dtype.itemsize == 2 else x


def of_bits(x: Array, dtype: DTypeLike) -> Array:
    """Numbers of a dtype, from what `as_bits` made of them."""
    return lax.bitcast_convert_type(x, dtype) if x.dtype == jnp.uint16 else x

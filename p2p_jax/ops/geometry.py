"""What all ways to compute a convolution share: the geometry, products and padding."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike


class ConvGeometry(NamedTuple):
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

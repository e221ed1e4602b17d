"""Shared by all formulations of a convolution: geometry, cost, matrix product and padding."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike


class ConvGeometry(NamedTuple):
    """Sizes of a convolution: a kernel slides over a large picture and stops once for each pixel of a small picture.

    A convolution maps the large picture to the small one, a transposed convolution the small one to the large one.

    Attributes:
        kh, kw: height and width of the kernel, in pixels of the large picture.
        stride: pixels between neighbouring positions of the kernel.
        padding: rows and columns of zeros around the large picture.
        height, width: of the large picture, in pixels; its last rows and columns may lie beyond the kernel's last position.
        rows, columns: height and width of the small picture, in pixels.
        features_first: whether the kernel has the layout (f, kh, kw, c) instead of (kh, kw, c, f), where c counts the
            channels of the large picture and f those of the small one.
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
        """Returns (c, f) of a kernel: the channels of the large and of the small picture."""
        return (kernel.shape[3], kernel.shape[0]) if self.features_first else (kernel.shape[2], kernel.shape[3])


class Cost(NamedTuple):
    """The cost of a formulation, for comparing formulations.

    Attributes:
        multiply_adds: per picture.
        values: intermediate values per picture.
        kernel_values: values of the transformed kernel; 0 if the kernel is not transformed.
        matrices: number of matrices that are transformed and multiplied; 0 for a single product.
    """

    multiply_adds: int
    values: int
    kernel_values: int
    matrices: int


def accumulation_dtype(dtype: DTypeLike) -> DTypeLike:
    """Returns the dtype in which sums are computed: `dtype`, but at least float32."""
    return jnp.promote_types(dtype, jnp.float32)


def matmul(a: Array, b: Array, axes: tuple[int, int]) -> Array:
    """Contracts one axis of `a` with one of `b`, in float32 at least; the result has the other axes of `a`, then of `b`."""
    dimensions = (((axes[0],), (axes[1],)), ((), ()))
    return lax.dot_general(a, b, dimensions, preferred_element_type=accumulation_dtype(a.dtype))


def pad(x: Array, *sides: tuple[int, int]) -> Array:
    """Adds (before, after) zeros along each axis; negative numbers crop."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(before, after, 0) for before, after in sides])

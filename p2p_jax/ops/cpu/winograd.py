"""Convolution with fewer multiplications: minimal filtering by Winograd (Toom-Cook) in two dimensions.

A kernel of k x k with stride s consists of s x s filters of r = k / s taps a side, one for each phase of the pixels. m
neighbouring outputs of a filter of r taps need t = m + r - 1 multiplications instead of m r, at the price of a few
additions before and after, because a product of two polynomials is determined by its values at t points. In two
dimensions, tiles of m x m outputs of a 4 x 4 kernel need 9/16 (stride 2, m = 2), 4/9 (stride 2, m = 3) or 1/4 (stride 1,
m = 3) of the multiplications, with a few times the rounding error of float32. The multiplications are t x t matrix
products over all tiles, so nearly all the work is matrix multiplication. The additions are in `winograd_transforms`.

Throughout, `tile` is m and `taps` is r.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
"""

from functools import partial

import jax
from jax import Array

from p2p_jax.ops.cpu.batching import map_pictures, sum_pictures
from p2p_jax.ops.cpu.winograd_transforms import (
    Grid,
    Tiling,
    map_pairs,
    transform_input,
    transform_kernel,
    transform_kernel_gradient,
    transform_output,
    transform_output_gradient,
)
from p2p_jax.ops.cpu.xla import compile_separately, transpose_in_memory
from p2p_jax.ops.geometry import ConvGeometry, Cost, matmul


def conv(tile: int, geometry: ConvGeometry, x: Array, kernel: Array) -> Array:
    """Computes `convolution.conv`."""
    tiling = Tiling(tile, geometry.kh // geometry.stride, *count_tiles(geometry, tile))
    kernels = transform_kernel(tile, geometry, x.dtype, kernel)

    def run(x: Array) -> Array:
        inputs = transform_input(tiling, geometry.stride, geometry.padding, x)
        products = map_pairs(partial(_times_kernel, geometry), inputs, kernels)
        return transform_output(tiling, 1, (0, geometry.rows, geometry.columns), x, products)

    return map_pictures(run, x, cost(tile, geometry, *geometry.channels(kernel)))


def conv_transpose(tile: int, geometry: ConvGeometry, y: Array, kernel: Array) -> Array:
    """Computes `convolution.conv_transpose`."""
    taps = geometry.kh // geometry.stride
    tiling = Tiling(tile, taps, -(-(geometry.rows + taps - 1) // tile), -(-(geometry.columns + taps - 1) // tile))
    kernels = transform_kernel(tile, geometry, y.dtype, kernel, mirror=True)

    def run(y: Array) -> Array:
        inputs = transform_input(tiling, 1, taps - 1, y)
        products = map_pairs(partial(_times_transposed_kernel, geometry), inputs, kernels)
        crop = geometry.padding, geometry.height, geometry.width
        return transform_output(tiling, geometry.stride, crop, y, products)

    return map_pictures(run, y, cost(tile, geometry, *geometry.channels(kernel)))


def kernel_gradient(tile: int, geometry: ConvGeometry, x: Array, y: Array) -> Array:
    """Computes `convolution.kernel_gradient`."""
    tiling = Tiling(tile, geometry.kh // geometry.stride, *count_tiles(geometry, tile))
    channels, features = x.shape[-1], y.shape[-1]

    def run(x: Array, y: Array) -> Grid:
        inputs = transform_input(tiling, geometry.stride, geometry.padding, x)
        return map_pairs(partial(_gradient_product, geometry), inputs, transform_output_gradient(tiling, y))

    products = sum_pictures(run, x, y, cost(tile, geometry, channels, features))
    transposed = geometry.features_first != _is_features_first(geometry, geometry.stride**2 * channels, features)
    return transform_kernel_gradient(tile, geometry, products, channels, features, transposed=transposed)


def cost(tile: int, geometry: ConvGeometry, channels: int, features: int) -> Cost:
    """Returns the cost; it counts the values of the transformed tiles of both pictures.

    Args:
        tile: outputs of a tile, down and across.
        geometry: of the convolution.
        channels: of the large picture.
        features: channels of the small picture.
    """
    (down, across), points = count_tiles(geometry, tile), tile + geometry.kh // geometry.stride - 1
    tiles, inputs, matrices = down * across, geometry.stride**2 * channels, points**2
    kernel_values = matrices * inputs * features
    return Cost(tiles * kernel_values, matrices * tiles * (inputs + features), kernel_values, matrices)


def applies(geometry: ConvGeometry) -> bool:
    """Whether the formulation can compute this: a square kernel whose side is 2 to 4 times the stride."""
    taps, rest = divmod(geometry.kh, geometry.stride)
    return geometry.kh == geometry.kw and rest == 0 and 2 <= taps <= 4


def count_tiles(geometry: ConvGeometry, tile: int) -> tuple[int, int]:
    """Returns how many tiles cover the small picture, down and across."""
    return -(-geometry.rows // tile), -(-geometry.columns // tile)


def _times_kernel(geometry: ConvGeometry, large: Array, kernel: Array) -> Array:
    return matmul(large, kernel, (1, 1 if geometry.features_first else 0))


def _times_transposed_kernel(geometry: ConvGeometry, small: Array, kernel: Array) -> Array:
    return matmul(small, kernel, (1, 0 if geometry.features_first else 1))


def _gradient_product(geometry: ConvGeometry, large: Array, small: Array) -> Array:
    """Multiplies (n tiles, i) and (n tiles, j) to (i, j), or to (j, i) if `_is_features_first`."""
    features_first = _is_features_first(geometry, large.shape[1], small.shape[1])
    left, right = (small, large) if features_first else (large, small)
    return matmul(compile_separately(jax.jit(transpose_in_memory), left), right, (1, 0))


def _is_features_first(geometry: ConvGeometry, large: int, small: int) -> bool:
    """Whether the result of `_gradient_product` has the small picture's channels first.

    The left factor is transposed in memory, so it is the one with fewer columns. With several devices nothing is compiled
    separately and XLA would fuse a transposition of the result into the product; then the kernel's layout decides.
    """
    return geometry.features_first if jax.device_count() > 1 else small < large

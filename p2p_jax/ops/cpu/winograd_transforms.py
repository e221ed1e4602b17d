"""Transforms of pictures and kernels before and after the products of `winograd`.

The outputs of a tile are A ((G kernel G^T) * (B input B^T)) A^T, with the matrices of `_matrices`; gradients use the
transposes of these transforms. In a grid of t x t matrices, matrix (i, j) holds element (i, j) of every tile.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from p2p_jax.ops.cpu.xla import compile_separately, transpose_in_memory
from p2p_jax.ops.geometry import ConvGeometry, accumulation_dtype, pad

Grid = Sequence[Sequence[Array]]
"""t x t (or m x m, or r x r) arrays of one shape, one for each element of a tile."""

# The points other than infinity where the polynomials are evaluated, by their number. These keep the rounding error small.
# Source: Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020.
POINTS: dict[int, tuple[float, ...]] = {
    2: (0, 1),
    3: (0, 1, -1),
    4: (0, -1, 0.5, 2),
    5: (0, 1, -1, 2, -0.5),
}


class Tiling(NamedTuple):
    """Tiles of a picture.

    Attributes:
        tile: outputs of a tile, down and across (m).
        taps: taps of the filter, down and across (r).
        down, across: number of tiles.
    """

    tile: int
    taps: int
    down: int
    across: int


def transform_input(tiling: Tiling, phases: int, padding: int, x: Array) -> Grid:
    """Transforms a picture for the products: B input B^T for each tile.

    Args:
        tiling: the tiles.
        phases: pixels between neighbouring inputs of a filter; each phase becomes a channel.
        padding: rows and columns of zeros around the picture.
        x: (n, h, w, c).

    Returns:
        t x t matrices (n tiles, phases phases c).
    """
    m, r, down, across = tiling
    n, height, width, channels = x.shape
    t = m + r - 1
    reach = -(-t // m)
    sides = (down + reach - 1) * m * phases, (across + reach - 1) * m * phases
    pads = [(padding, side - size - padding) for side, size in zip(sides, (height, width), strict=True)]
    places = [divmod(i, m) for i in range(t)]

    def pieces(x: Array) -> Grid:
        # The phases of a row stay next to the channels, because XLA copies both together faster than channels alone.
        x = x.reshape(n, down + reach - 1, m, phases, across + reach - 1, m, phases * channels)
        return [
            [x[:, tile_i : tile_i + down, i, :, tile_j : tile_j + across, j] for tile_j, j in places]
            for tile_i, i in places
        ]

    def run(x: Array) -> Grid:
        grid = _transform(_matrices(m, r)[2], pieces, x)
        return _map(lambda piece: transpose_in_memory(_to_product_dtype(r, x.dtype, piece), (0, 1, 3, 2, 4)), grid)

    x = compile_separately(jax.jit(lambda x: pad(x, (0, 0), *pads, (0, 0))), x)
    rows = (n * down * across, phases * phases * channels)
    return _map(lambda piece: piece.reshape(rows), compile_separately(jax.jit(run), x))


def transform_output(tiling: Tiling, phases: int, crop: tuple[int, int, int], like: Array, grid: Grid) -> Array:
    """Transforms the products P to the outputs: A P A^T for each tile.

    Args:
        tiling: the tiles.
        phases: pixels between neighbouring outputs of a filter; each phase is taken from a channel.
        crop: (first, height, width) of the pixels to keep; `first` is both the first row and the first column.
        like: the input of the convolution, (n, ...), for n and the dtype.
        grid: t x t matrices (n tiles, phases phases c).

    Returns:
        (n, height, width, c), in the dtype of `like`.
    """
    m, r, down, across = tiling
    first, height, width = crop
    channels = grid[0][0].shape[1] // phases**2
    n = like.shape[0]
    shape = n, down, across, phases, phases, channels
    crops = [(-first, first + size - tiles * m * phases) for size, tiles in ((height, down), (width, across))]

    def pieces(grid: Grid) -> Grid:
        return _map(lambda piece: piece.reshape(shape).transpose(0, 1, 3, 2, 4, 5), grid)

    def run(grid: Grid) -> Array:
        outputs = _map(lambda piece: piece.astype(like.dtype), _transform(_matrices(m, r)[0], pieces, grid))
        x = jnp.stack([jnp.stack(row, axis=4) for row in outputs], axis=2)
        return pad(x.reshape(n, down * m * phases, across * m * phases, channels), (0, 0), *crops, (0, 0))

    return compile_separately(jax.jit(run), grid)


def transform_output_gradient(tiling: Tiling, y: Array) -> Grid:
    """Transposes `transform_output` for one phase: (n, rows, columns, f) to t x t matrices (n tiles, f)."""
    m, r, down, across = tiling
    n, rows, columns, features = y.shape

    def pieces(y: Array) -> Grid:
        y = y.reshape(n, down, m, across, m, features)
        return [[y[:, :, i, :, j] for j in range(m)] for i in range(m)]

    def run(y: Array) -> Grid:
        return _map(partial(_to_product_dtype, r, y.dtype), _transform(_matrices(m, r)[0].T, pieces, y))

    y = compile_separately(jax.jit(lambda y: pad(y, (0, 0), (0, down * m - rows), (0, across * m - columns), (0, 0))), y)
    return _map(lambda piece: piece.reshape(-1, features), compile_separately(jax.jit(run), y))


def transform_kernel(m: int, geometry: ConvGeometry, dtype: DTypeLike, kernel: Array, *, mirror: bool = False) -> Grid:
    """Transforms a kernel for the products: G kernel G^T.

    Args:
        m: outputs of a tile, down and across.
        geometry: of the convolution.
        dtype: of the pictures.
        kernel: (kh, kw, c, f), or (f, kh, kw, c) if `geometry.features_first`.
        mirror: reverse the taps, for a transposed convolution.

    Returns:
        t x t matrices (phases c, f), or (f, phases c).
    """
    taps, stride = geometry.kh // geometry.stride, geometry.stride
    kernel = kernel.astype(dtype)
    order = list(range(taps))[:: -1 if mirror else 1]
    if geometry.features_first:
        features, _, _, channels = kernel.shape
        kernel = kernel.reshape(features, taps, stride, taps, stride, channels)
        shape = (features, stride * stride * channels)
    else:
        _, _, channels, features = kernel.shape
        kernel = kernel.reshape(taps, stride, taps, stride, channels, features)
        shape = (stride * stride * channels, features)

    def pieces(kernel: Array) -> Grid:
        return [[kernel[:, i, :, j] if geometry.features_first else kernel[i, :, j] for j in order] for i in order]

    grid = _transform(_matrices(m, taps)[1], pieces, kernel)
    return _map(lambda piece: _to_product_dtype(taps, dtype, piece.reshape(shape)), grid)


def transform_kernel_gradient(
    m: int, geometry: ConvGeometry, grid: Grid, channels: int, features: int, *, transposed: bool
) -> Array:
    """Transposes `transform_kernel`.

    Args:
        m: outputs of a tile, down and across.
        geometry: of the convolution.
        grid: t x t matrices (phases c, f), or (f, phases c) if `geometry.features_first`.
        channels: of the large picture.
        features: channels of the small picture.
        transposed: whether the axes of the matrices are exchanged.

    Returns:
        the shape of the kernel, in float32 at least.
    """
    taps, stride, first = geometry.kh // geometry.stride, geometry.stride, geometry.features_first
    shape = (features, stride, stride, channels) if first else (stride, stride, channels, features)
    if transposed:
        grid = _map(partial(compile_separately, jax.jit(transpose_in_memory)), grid)

    def pieces(grid: Grid) -> Grid:
        return _map(lambda piece: piece.reshape(shape), grid)

    rows = _transform(_matrices(m, taps)[1].T, pieces, grid)
    axis = 1 if first else 0
    kernel = jnp.stack([jnp.stack(row, axis=axis + 1) for row in rows], axis=axis)
    sides = (taps * stride, taps * stride)
    return kernel.reshape(features, *sides, channels) if first else kernel.reshape(*sides, channels, features)


def _to_product_dtype(taps: int, dtype: DTypeLike, tile: Array) -> Array:
    """Casts a transformed tile to bfloat16 if the pictures are bfloat16 and its rounding error stays small.

    With 2 taps a phase the outputs have up to 3 times the rounding error of bfloat16, with 4 taps 6 to 10 times. float16 is
    never used, because sums of a few values may exceed its range.
    """
    return tile.astype(dtype) if taps == 2 and dtype == jnp.bfloat16 else tile


@cache
def _matrices(m: int, r: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns A (m, t), G (t, r) and B (t, t): in one dimension the outputs are A @ ((G @ taps) * (B @ inputs)).

    Toom-Cook evaluates two polynomials at t points, one of them infinity, multiplies the values, and interpolates the
    product. The filter is the transpose of that multiplication.
    """
    t = m + r - 1

    def evaluate(count: int) -> np.ndarray:
        """Returns the monomials 1, x, x^2 ... at the points."""
        finite = [[float(point) ** power for power in range(count)] for point in POINTS[t - 1]]
        return np.array([*finite, [0.0] * (count - 1) + [1.0]])

    before = np.linalg.inv(evaluate(t)).T
    # Scale factors move from the input transform to the kernel's, leaving mostly sums and differences.
    scale = np.array([np.abs(row[np.abs(row) > 1e-9]).min() for row in before])
    before = before / scale[:, None]
    rounded = np.round(before, 6)
    return evaluate(m).T, evaluate(r) * scale[:, None], np.where(np.abs(before - rounded) < 1e-12, rounded, before)


def _transform(matrix: np.ndarray, pieces: Callable[[Any], Grid], arrays: Any) -> Grid:
    """Returns matrix grid matrix^T, in float32 at least, where the grid is `pieces(arrays)`.

    With large matrices the first product is compiled separately, because XLA would otherwise recompute each of its sums for
    every sum of the second product. `pieces` runs inside the first product, so that the pieces are not stored.
    """

    def along_columns(arrays: Any) -> Grid:
        grid = _map(lambda piece: piece.astype(accumulation_dtype(piece.dtype)), pieces(arrays))
        return [_multiply(matrix, column) for column in zip(*grid, strict=True)]

    half = compile_separately(jax.jit(along_columns), arrays) if max(matrix.shape) > 4 else along_columns(arrays)
    return [_multiply(matrix, row) for row in zip(*half, strict=True)]


def _multiply(matrix: np.ndarray, vector: Sequence[Array]) -> list[Array]:
    """Multiplies a matrix by a vector of arrays, skipping zeros."""
    return [
        _sum(_scale(float(factor), array) for factor, array in zip(row, vector, strict=True) if factor) for row in matrix
    ]


def _scale(factor: float, x: Array) -> Array:
    return x if factor == 1 else -x if factor == -1 else x * factor


def _sum(terms: Iterable[Array]) -> Array:
    first, *others = terms
    return sum(others, first)


def _map(fn: Callable[[Array], Array], grid: Grid) -> Grid:
    return [[fn(piece) for piece in row] for row in grid]


def map_pairs(fn: Callable[[Array, Array], Array], a: Grid, b: Grid) -> Grid:
    """Applies a function of two arrays to the arrays at the same place of two grids."""
    return [[fn(x, y) for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]

"""Convolution with fewer multiplications: Winograd's (Toom and Cook's) minimal filtering, in two dimensions.

The k taps of a kernel with stride s are s filters of r = k / s taps each, one per phase of the pixels. m neighbouring
results of an r-tap filter need t = m + r - 1 multiplications instead of m r, if small sums are made before and after: as a
product of two polynomials is known from its values at t points. In two dimensions, tiles of m x m results of a 4 x 4
kernel take 9/16 (stride 2, m = 2), 4/9 (m = 3) or 1/4 (stride 1, m = 3) of the multiplications, at a few times float32's
own rounding error. What is multiplied are t x t matrices for the whole picture, so almost all work is matrix products.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from p2p_jax.ops.cpu.batching import map_pictures, sum_pictures
from p2p_jax.ops.cpu.xla import compile_separately, transpose
from p2p_jax.ops.geometry import ConvGeometry, Work, matmul, pad, wide

Grid = Sequence[Sequence[Array]]
"""t x t (or m x m) arrays, one per place within a tile."""


# Where the polynomials are evaluated, beside infinity, by their number. These keep the rounding error small.
# Source: Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020.
POINTS: dict[int, tuple[float, ...]] = {
    2: (0, 1),
    3: (0, 1, -1),
    4: (0, -1, 0.5, 2),
    5: (0, 1, -1, 2, -0.5),
}


def correlate(results: int, window: ConvGeometry, x: Array, kernel: Array) -> Array:
    """See `convolution.correlate`."""
    taps, tiles = window.kh // window.stride, count(window, results)
    kernels = cut_kernel(results, window, x.dtype, kernel)

    def run(x: Array) -> Array:
        inputs = cut_inputs(results, taps, tiles, window.stride, window.padding, x)
        products = _each(partial(_times_kernel, window), inputs, kernels)
        return join_results(results, taps, tiles, 1, (0, window.rows, window.columns), x, products)

    return map_pictures(run, x, work(results, window, *window.channels(kernel)))


def spread(results: int, window: ConvGeometry, y: Array, kernel: Array) -> Array:
    """See `convolution.spread`."""
    taps = window.kh // window.stride
    tiles = -(-(window.rows + taps - 1) // results), -(-(window.columns + taps - 1) // results)
    kernels = cut_kernel(results, window, y.dtype, kernel, reverse=True)

    def run(y: Array) -> Array:
        inputs = cut_inputs(results, taps, tiles, 1, taps - 1, y)
        products = _each(partial(_times_kernel_back, window), inputs, kernels)
        place = window.padding, window.height, window.width
        return join_results(results, taps, tiles, window.stride, place, y, products)

    return map_pictures(run, y, work(results, window, *window.channels(kernel)))


def kernel_gradient(results: int, window: ConvGeometry, x: Array, y: Array) -> Array:
    """See `convolution.kernel_gradient`."""
    taps, tiles, channels, features = window.kh // window.stride, count(window, results), x.shape[-1], y.shape[-1]

    def run(x: Array, y: Array) -> Grid:
        inputs = cut_inputs(results, taps, tiles, window.stride, window.padding, x)
        return _each(partial(_outer, window), inputs, cut_results(results, taps, tiles, y))

    products = sum_pictures(run, x, y, work(results, window, channels, features))
    return join_kernel(results, window, products, channels, features)


def work(results: int, window: ConvGeometry, channels: int, features: int) -> Work:
    """What this does; its values are those of tiles, large and small."""
    (down, across), points = count(window, results), results + window.kh // window.stride - 1
    tiles, inputs, matrices = down * across, window.stride**2 * channels, points**2
    of_kernel = matrices * inputs * features
    return Work(tiles * of_kernel, matrices * tiles * (inputs + features), of_kernel, matrices)


def suits(window: ConvGeometry) -> bool:
    """Whether a kernel is square, of whole strides, and of 2 to 4 taps: what there are points for."""
    taps, rest = divmod(window.kh, window.stride)
    return window.kh == window.kw and rest == 0 and 2 <= taps <= 4


def count(window: ConvGeometry, results: int) -> tuple[int, int]:
    """Tiles along each axis of the small picture."""
    return -(-window.rows // results), -(-window.columns // results)


def cut_inputs(m: int, r: int, tiles: tuple[int, int], phases: int, padding: int, x: Array) -> Grid:
    """(n, h, w, c) to t x t matrices (n tiles, phases phases c)."""
    (down, across), t = tiles, m + r - 1
    n, height, width, channels = x.shape
    reach = -(-t // m)
    sides = (down + reach - 1) * m * phases, (across + reach - 1) * m * phases
    pads = [(padding, side - size - padding) for side, size in zip(sides, (height, width), strict=True)]
    places = [divmod(i, m) for i in range(t)]

    def pieces(x: Array) -> Grid:
        # Neighbours along a row that are of one tile's place stay together, which XLA copies faster than channels alone.
        x = x.reshape(n, down + reach - 1, m, phases, across + reach - 1, m, phases * channels)
        return [
            [x[:, tile_i : tile_i + down, i, :, tile_j : tile_j + across, j] for tile_j, j in places]
            for tile_i, i in places
        ]

    def cut(x: Array) -> Grid:
        grid = _transform(_matrices(m, r)[2], pieces, x)
        return _map(lambda piece: transpose(_narrow(r, x.dtype, piece), (0, 1, 3, 2, 4)), grid)

    x = compile_separately(jax.jit(lambda x: pad(x, (0, 0), *pads, (0, 0))), x)
    rows = (n * down * across, phases * phases * channels)
    return _map(lambda piece: piece.reshape(rows), compile_separately(jax.jit(cut), x))


def cut_results(m: int, r: int, tiles: tuple[int, int], y: Array) -> Grid:
    """(n, rows, columns, f) to t x t matrices (n tiles, f)."""
    down, across = tiles
    n, rows, columns, features = y.shape

    def pieces(y: Array) -> Grid:
        y = y.reshape(n, down, m, across, m, features)
        return [[y[:, :, i, :, j] for j in range(m)] for i in range(m)]

    def cut(y: Array) -> Grid:
        return _map(partial(_narrow, r, y.dtype), _transform(_matrices(m, r)[0].T, pieces, y))

    y = compile_separately(jax.jit(lambda y: pad(y, (0, 0), (0, down * m - rows), (0, across * m - columns), (0, 0))), y)
    return _map(lambda piece: piece.reshape(-1, features), compile_separately(jax.jit(cut), y))


def join_results(
    m: int, r: int, tiles: tuple[int, int], phases: int, place: tuple[int, int, int], like: Array, grid: Grid
) -> Array:
    """The results (n, h, w, c), for pictures like these, from t x t matrices (n tiles, phases phases c).

    The place is (first, height, width) of the results to keep, the first row being the first column, too.
    """
    (down, across), (first, height, width) = tiles, place
    channels = grid[0][0].shape[1] // phases**2
    n = like.shape[0]
    shape = n, down, across, phases, phases, channels
    crops = [(-first, first + size - tiles * m * phases) for size, tiles in ((height, down), (width, across))]

    def pieces(grid: Grid) -> Grid:
        return _map(lambda piece: piece.reshape(shape).transpose(0, 1, 3, 2, 4, 5), grid)

    def join(grid: Grid) -> Array:
        results = _map(lambda piece: piece.astype(like.dtype), _transform(_matrices(m, r)[0], pieces, grid))
        x = jnp.stack([jnp.stack(row, axis=4) for row in results], axis=2)
        return pad(x.reshape(n, down * m * phases, across * m * phases, channels), (0, 0), *crops, (0, 0))

    return compile_separately(jax.jit(join), grid)


def cut_kernel(m: int, window: ConvGeometry, dtype: DTypeLike, kernel: Array, *, reverse: bool = False) -> Grid:
    """(kh, kw, c, f) to t x t matrices (phases c, f), and (f, kh, kw, c) to (f, phases c), for pictures of a dtype."""
    taps, stride = window.kh // window.stride, window.stride
    kernel = kernel.astype(dtype)
    order = list(range(taps))[:: -1 if reverse else 1]
    if window.features_first:
        features, _, _, channels = kernel.shape
        kernel = kernel.reshape(features, taps, stride, taps, stride, channels)
        shape = (features, stride * stride * channels)
    else:
        _, _, channels, features = kernel.shape
        kernel = kernel.reshape(taps, stride, taps, stride, channels, features)
        shape = (stride * stride * channels, features)

    def pieces(kernel: Array) -> Grid:
        return [[kernel[:, i, :, j] if window.features_first else kernel[i, :, j] for j in order] for i in order]

    grid = _transform(_matrices(m, taps)[1], pieces, kernel)
    return _map(lambda piece: _narrow(taps, dtype, piece.reshape(shape)), grid)


def join_kernel(m: int, window: ConvGeometry, grid: Grid, channels: int, features: int) -> Array:
    """The transpose of `cut_kernel`, of matrices as `_outer` gives them."""
    taps, stride, first = window.kh // window.stride, window.stride, window.features_first
    shape = (features, stride, stride, channels) if first else (stride, stride, channels, features)
    if first != _small_first(window, stride * stride * channels, features):
        grid = _map(partial(compile_separately, jax.jit(transpose)), grid)

    def pieces(grid: Grid) -> Grid:
        return _map(lambda piece: piece.reshape(shape), grid)

    rows = _transform(_matrices(m, taps)[1].T, pieces, grid)
    axis = 1 if first else 0
    kernel = jnp.stack([jnp.stack(row, axis=axis + 1) for row in rows], axis=axis)
    sides = (taps * stride, taps * stride)
    return kernel.reshape(features, *sides, channels) if first else kernel.reshape(*sides, channels, features)


def _narrow(taps: int, dtype: DTypeLike, tile: Array) -> Array:
    """A tile in the dtype in which it is multiplied: bfloat16 for pictures of it, where its rounding allows it.

    Results have up to 3 times its rounding error with 2 taps a phase; with 4 it would be 6 to 10 times. Not float16, whose
    range sums of a few values may exceed.
    """
    return tile.astype(dtype) if taps == 2 and dtype == jnp.bfloat16 else tile


def _times_kernel(window: ConvGeometry, large: Array, kernel: Array) -> Array:
    return matmul(large, kernel, (1, 1 if window.features_first else 0))


def _times_kernel_back(window: ConvGeometry, small: Array, kernel: Array) -> Array:
    return matmul(small, kernel, (1, 0 if window.features_first else 1))


def _outer(window: ConvGeometry, large: Array, small: Array) -> Array:
    """(n tiles, i) and (n tiles, j) to (i, j), or to (j, i) where `_small_first`."""
    pair = (small, large) if _small_first(window, large.shape[1], small.shape[1]) else (large, small)
    return matmul(compile_separately(jax.jit(transpose), pair[0]), pair[1], (1, 0))


def _small_first(window: ConvGeometry, large: int, small: int) -> bool:
    """Whether the left side of a kernel's gradient is the small picture's: the narrower side, for it is transposed.

    With several devices nothing is compiled apart, and XLA would draw a transposed result into the product: there never so.
    """
    return window.features_first if jax.device_count() > 1 else small < large


@cache
def _matrices(m: int, r: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(after (m, t), kernel (t, r), before (t, t)): the results are after @ ((kernel @ taps) * (before @ inputs)).

    A product of polynomials is evaluated at t points, one of them infinity, multiplied there, and read off again; the
    filter is the transpose of the product.
    """
    t = m + r - 1

    def values(count: int) -> np.ndarray:
        """Of the monomials 1, x, x^2 … at the points."""
        finite = [[float(point) ** power for power in range(count)] for point in POINTS[t - 1]]
        return np.array([*finite, [0.0] * (count - 1) + [1.0]])

    before = np.linalg.inv(values(t)).T
    # What divides a row here may multiply the kernel's row there: so the rows are sums and differences as far as possible.
    scale = np.array([np.abs(row[np.abs(row) > 1e-9]).min() for row in before])
    before = before / scale[:, None]
    whole = np.round(before, 6)
    return values(m).T, values(r) * scale[:, None], np.where(np.abs(before - whole) < 1e-12, whole, before)


def _transform(matrix: np.ndarray, pieces: Callable[[Any], Grid], arrays: Any) -> Grid:
    """The product matrix grid matrix^T, in float32 at least, of the grid that `pieces` takes out of some arrays.

    Large matrices have their first product compiled apart: XLA would make each of its sums again for every one that is made
    of it, in a longer program. The pieces are taken in there, so that they need no memory of their own.
    """

    def along_columns(arrays: Any) -> Grid:
        grid = _map(lambda piece: piece.astype(wide(piece.dtype)), pieces(arrays))
        return [_combine(matrix, column) for column in zip(*grid, strict=True)]

    half = compile_separately(jax.jit(along_columns), arrays) if max(matrix.shape) > 4 else along_columns(arrays)
    return [_combine(matrix, row) for row in zip(*half, strict=True)]


def _combine(matrix: np.ndarray, parts: Sequence[Array]) -> list[Array]:
    """Sums of the parts, one for each row of the matrix."""
    return [_sum(_scale(float(factor), part) for factor, part in zip(row, parts, strict=True) if factor) for row in matrix]


def _scale(factor: float, x: Array) -> Array:
    return x if factor == 1 else -x if factor == -1 else x * factor


def _sum(parts: Iterable[Array]) -> Array:
    first, *others = parts
    return sum(others, first)


def _map(fn: Any, grid: Grid) -> Grid:
    return [[fn(piece) for piece in row] for row in grid]


def _each(fn: Any, one: Grid, other: Grid) -> Grid:
    return [[fn(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]

"""HaarPSI, the Haar wavelet-based perceptual similarity: edges at three scales, compared where edges are strong.

Source: Reisenhofer et al., A Haar Wavelet-Based Perceptual Similarity Index for Image Quality Assessment, 2018, and the
authors' MATLAB code.
"""

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.masks import as_floats, replace_unknown

C = 30.0
"""Keeps small coefficients from counting: differences far below its root are not seen."""

ALPHA = 4.2
"""Slope of the logistic function through which similarities are averaged."""

YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""Luma Y and chroma I and Q of RGB."""

SMALLEST = 16
"""Pixels a side of the smallest picture: half of it holds the largest wavelet, of 8 x 8 pixels."""


def haarpsi(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Haar wavelet-based perceptual similarity, with C = 30 and alpha = 4.2 as in the paper.

    Both pictures are halved by averages of 2 x 2 pixels. Horizontal and vertical edges of the luma are compared with
    wavelets of 2 and 4 pixels; those of 8 pixels, of the picture or the target, whichever is stronger, are the weights. For
    RGB, the chroma I and Q, averaged over 2 x 2 pixels, are compared too. There are zeros outside of the picture.

    Args:
        picture, target: (n, h, w, 1) grey or (n, h, w, 3) RGB from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32 in [0, 1]; 1 for equal pictures, and where neither has an edge; float64 if an input is. With `known`
        the picture is replaced by the target where that is not known, and the weights of halved pixels are multiplied by
        the known fraction of their pixels; NaN if no pixel is known.

    Raises:
        UserError: there are neither 1 nor 3 channels, or a side is below 16 pixels.
    """
    channels = picture.shape[-1]
    if channels not in (1, 3) or min(picture.shape[1:3]) < SMALLEST:
        raise UserError(
            f"haarpsi was given pictures of shape {picture.shape}: it needs 1 channel (grey) or 3 (RGB), and at least "
            f"{SMALLEST} pixels a side."
        )
    x, y = as_floats(picture, target)
    x, y = (_halve(_to_yiq(values)) for values in (replace_unknown(x, y, known), y))
    similarity, weights = _compare_edges(x[..., 0], y[..., 0])
    if channels == 3:
        similarity = jnp.concatenate([similarity, _compare_chroma(x[..., 1:], y[..., 1:])], axis=-1)
        weights = jnp.concatenate([weights, weights.mean(-1, keepdims=True)], axis=-1)
    if known is not None:
        weights = weights * _halve(known.astype(x.dtype))
    total = weights.sum((1, 2, 3))
    score = (jax.nn.sigmoid(ALPHA * similarity) * weights).sum((1, 2, 3)) / jnp.where(total > 0, total, 1)
    result = jnp.where(total > 0, (jnp.log(score / (1 - score)) / ALPHA) ** 2, 1)
    return result if known is None else jnp.where((known > 0).any((1, 2, 3)), result, jnp.nan)


def _to_yiq(x: Array) -> Array:
    if x.shape[-1] == 1:
        return x
    return jnp.stack([sum(weight * x[..., i] for i, weight in enumerate(row)) for row in YIQ], axis=-1)


def _halve(x: Array) -> Array:
    """(n, h, w, c) averaged over 2 x 2 pixels, with zeros after the last row or column of an odd side."""
    x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
    x = x[:, ::2] + x[:, 1::2]
    return (x[:, :, ::2] + x[:, :, 1::2]) / 4


def _compare_edges(x: Array, y: Array) -> tuple[Array, Array]:
    """Similarity of the edges of two lumas (n, h, w), and the weights: (n, h, w, 2), across and along the rows."""
    two, four = (_similarity(_wavelets(x, size), _wavelets(y, size)) for size in (2, 4))
    return (two + four) / 2, jnp.maximum(_wavelets(x, 8), _wavelets(y, 8))


def _compare_chroma(x: Array, y: Array) -> Array:
    """Similarity of the chroma of two pictures (n, h, w, 2): (n, h, w, 1)."""
    smooth_x, smooth_y = (jnp.abs(_box(_box(_pad(values, 2), 2, 1), 2, 2)) / 4 for values in (x, y))
    return _similarity(smooth_x, smooth_y).mean(-1, keepdims=True)


def _similarity(a: Array, b: Array) -> Array:
    return (2 * a * b + C) / (a**2 + b**2 + C)


def _wavelets(x: Array, size: int) -> Array:
    """Absolute Haar coefficients of (n, h, w) for wavelets of size x size pixels, both directions: (n, h, w, 2)."""
    x, half = _pad(x, size), size // 2
    rows, columns = _box(x, half, 1), _box(x, half, 2)
    down = _box(rows[:, :-half] - rows[:, half:], size, 2)
    right = _box(columns[:, :, :-half] - columns[:, :, half:], size, 1)
    return jnp.abs(jnp.stack([down, right], axis=-1)) / size


def _pad(x: Array, size: int) -> Array:
    """Zeros around the rows and columns, so that a filter of this size keeps the shape, as MATLAB's conv2(…, 'same')."""
    around = (size // 2 - 1, size // 2)
    return jnp.pad(x, ((0, 0), around, around) + ((0, 0),) * (x.ndim - 3))


def _box(x: Array, size: int, axis: int) -> Array:
    """Sums of `size` consecutive values along an axis; `size` is a power of 2."""
    step = 1
    while step < size:
        ahead = [slice(None)] * x.ndim
        behind = list(ahead)
        ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
        x, step = x[tuple(behind)] + x[tuple(ahead)], 2 * step
    return x

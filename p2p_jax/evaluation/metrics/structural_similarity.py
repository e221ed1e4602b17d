"""SSIM, the structural similarity: brightness, contrast and structure compared in small windows.

Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
"""

import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.masks import as_floats, mean, replace_unknown

WINDOW = 11
"""Pixels a side of the Gaussian window."""

RADIUS = WINDOW // 2
SIGMA = 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Structural similarity, with a Gaussian window of 11 x 11 pixels, sigma 1.5 and the data range 255.

    Args:
        picture, target: (n, h, w, c) from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32 in [-1, 1], the mean over all window positions inside the picture and over the channels; 1 for equal
        pictures; float64 if an input is. With `known` the picture is replaced by the target where that is not known, and
        only windows count whose middle is known.

    Raises:
        UserError: a side is below 11 pixels.
    """
    if min(picture.shape[1:3]) < WINDOW:
        raise UserError(f"ssim was given pictures of shape {picture.shape}: each side needs at least {WINDOW} pixels.")
    x, y = as_floats(picture, target)
    similarity, _ = ssim_maps(replace_unknown(x, y, known), y)
    return mean(similarity, middles(known))


def ssim_maps(x: Array, y: Array) -> tuple[Array, Array]:
    """The similarity of two pictures in every window, and its part without brightness: contrast times structure.

    Args:
        x, y: (n, h, w, c) floats from 0 to 255.

    Returns:
        two arrays (n, h - 10, w - 10, c).
    """
    # Blurred together, because compiling takes five times as long if each is blurred on its own.
    mean_x, mean_y, square_x, square_y, product = _blur(jnp.stack([x, y, x * x, y * y, x * y]))
    var_x, var_y = square_x - mean_x**2, square_y - mean_y**2
    covariance = product - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
    return similarity, (2 * covariance + C2) / (var_x + var_y + C2)


def middles(known: Array | None) -> Array | None:
    """The values of `known` at the middles of all windows: (n, h - 10, w - 10, 1)."""
    return None if known is None else known[:, RADIUS:-RADIUS, RADIUS:-RADIUS]


def _blur(x: Array) -> Array:
    offsets = jnp.arange(WINDOW, dtype=x.dtype) - RADIUS
    window = jnp.exp(-(offsets**2) / (2 * SIGMA**2))
    window = window / window.sum()
    for axis in (-3, -2):
        length = x.shape[axis] - WINDOW + 1
        shifted = [window[i] * lax.slice_in_dim(x, i, i + length, axis=axis) for i in range(WINDOW)]
        x = jnp.stack(shifted).sum(0)
    return x

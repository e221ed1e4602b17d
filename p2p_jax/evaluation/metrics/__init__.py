"""Metrics that compare pictures with their targets, on the scale 0 to 255; each returns one number per picture.

Where a target is not known, pixels do not count: `known`, (n, h, w, 1), is 0 there and 1 elsewhere. A picture without any
known pixel has no score, so that its result is not a number.
"""

import jax.numpy as jnp
from jax import Array

from p2p_jax.errors import UserError


def l1(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Mean absolute difference in the scale [-1, 1] of training.

    Args:
        picture, target: (n, h, w, c) from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32 in [0, 2].
    """
    return _mean(jnp.abs(picture.astype(jnp.float32) - target), known) / 127.5


def psnr(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Peak signal-to-noise ratio for the data range 255.

    Args:
        picture, target: (n, h, w, c) from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32, in decibels; infinite for equal pictures.
    """
    error = _mean(jnp.square(picture.astype(jnp.float32) - target), known)
    return 10 * jnp.log10(255.0**2 / error)


def ssim(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Structural similarity, with a Gaussian window of 11 x 11 pixels, sigma 1.5 and the data range 255.

    Args:
        picture, target: (n, h, w, c) from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32 in [-1, 1], the mean over all window positions inside the picture and over the channels; 1 for equal
        pictures. With `known` the picture is replaced by the target where that is not known, and only windows count whose
        middle is known.

    Raises:
        UserError: a side is below 11 pixels.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
    """
    if min(picture.shape[1:3]) < 11:
        raise UserError(f"ssim was given pictures of shape {picture.shape}: each side needs at least 11 pixels.")
    offsets = jnp.arange(11) - 5
    window = jnp.exp(-(offsets**2) / (2 * 1.5**2))
    window = window / window.sum()

    def blur(x: Array) -> Array:
        for axis in (1, 2):
            length = x.shape[axis] - 10
            shifted = [window[i] * jnp.take(x, jnp.arange(length) + i, axis=axis) for i in range(11)]
            x = jnp.stack(shifted).sum(0)
        return x

    x, y = picture.astype(jnp.float32), target.astype(jnp.float32)
    x = x if known is None else jnp.where(known > 0, x, y)
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return _mean(similarity, None if known is None else known[:, 5:-5, 5:-5])


def _mean(values: Array, known: Array | None) -> Array:
    """The mean of (n, h, w, c) over the known pixels of each picture; NaN if there are none."""
    if known is None:
        return values.mean((1, 2, 3))
    return (values * known).sum((1, 2, 3)) / (known.sum((1, 2, 3)) * values.shape[-1])

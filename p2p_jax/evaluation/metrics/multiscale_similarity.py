"""MS-SSIM, the structural similarity at five scales: fine structure and coarse layout together.

Source: Wang, Simoncelli and Bovik, Multi-scale Structural Similarity for Image Quality Assessment, 2003, and the authors'
MATLAB code.
"""

import jax.numpy as jnp
from jax import Array

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.masks import as_floats, channel_means, replace_unknown
from p2p_jax.evaluation.metrics.structural_similarity import WINDOW, middles, ssim_maps

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The exponent of each scale, from the finest one on."""

SMALLEST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1
"""Pixels a side of the smallest picture that holds a window at the coarsest scale: 161."""


def ms_ssim(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Multi-scale structural similarity: five scales, with the window, the constants and the data range of `ssim`.

    The four finer scales give contrast times structure, the coarsest one the full similarity. The mean of each over the
    picture, or 0 if that is negative, is raised to the scale's weight; the five are multiplied. Each channel is measured on
    its own, and the result is their mean. From scale to scale, 2 x 2 pixels are averaged; the last row or column of an odd
    side is repeated. Fewer scales would be another metric, so that small pictures are refused.

    Args:
        picture, target: (n, h, w, c) from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32 in [0, 1]; 1 for equal pictures; float64 if an input is. With `known` the picture is replaced by the
        target where that is not known, and each window counts by the known fraction of the pixels at its middle. NaN if
        at some scale there is no known pixel at the middle of any window.

    Raises:
        UserError: a side is below 161 pixels, so that the coarsest scale holds no window.
    """
    if min(picture.shape[1:3]) < SMALLEST:
        raise UserError(
            f"ms_ssim was given pictures of shape {picture.shape}: each side needs at least {SMALLEST} pixels for five "
            "scales; use ssim."
        )
    x, y = as_floats(picture, target)
    x = replace_unknown(x, y, known)
    product = jnp.ones((), x.dtype)
    for scale, weight in enumerate(WEIGHTS, start=1):
        similarity, contrast = ssim_maps(x, y)
        means = channel_means(similarity if scale == len(WEIGHTS) else contrast, middles(known))
        product = product * jnp.maximum(means, 0) ** weight
        x, y, known = _halve(x), _halve(y), None if known is None else _halve(known)
    return product.mean(-1)


def _halve(x: Array) -> Array:
    """(n, h, w, c) averaged over 2 x 2 pixels: (n, ceil(h / 2), ceil(w / 2), c)."""
    x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), mode="edge")
    x = x[:, ::2] + x[:, 1::2]
    return (x[:, :, ::2] + x[:, :, 1::2]) / 4

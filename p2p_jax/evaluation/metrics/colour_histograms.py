"""Colour distance: how much the histograms of L, a and b of a picture and its target differ.

Source: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017, figure 7. The paper shows the
marginal histograms of a whole set in the Lab colour space, and reports their intersection with those of the targets. It
does not say its bins, so that only figures of this module are comparable.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.masks import as_floats

BINS = 55
LOWEST, WIDTHS = (0.0, -110.0, -110.0), (2.0, 4.0, 4.0)
"""Of the bins of L, a and b. They hold all colours of sRGB; greys, where a and b are 0, lie in the middle of a bin."""

CHANNELS = ("L", "a", "b")

XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)
"""XYZ of linear sRGB (ITU-R BT.709), and of its white, D65."""


def colour_distance(picture: Array, target: Array, known: Array | None = None) -> Array:
    """1 minus the histogram intersection of a picture and its target, as mean over L, a and b.

    It does not see where the colours are. For a whole set, add the histograms of its pictures, and intersect the sums:
    `histogram_intersection(histograms(pictures).sum(0), histograms(targets).sum(0))`, as the paper does.

    Args:
        picture, target: (n, h, w, 3) RGB from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32 in [0, 1]: 0 for equal histograms, 1 if no bin is shared; float64 if an input is. NaN if no pixel is
        known.

    Raises:
        UserError: there are not 3 channels.
    """
    x, y = as_floats(picture, target)
    return 1 - histogram_intersection(histograms(x, known), histograms(y, known)).mean(-1)


def histogram_intersection(first: Array, second: Array) -> Array:
    """The area that two histograms share once each is divided by its sum: (..., bins) to (...) in [0, 1]."""
    first, second = (counts / counts.sum(-1, keepdims=True) for counts in (first, second))
    return jnp.minimum(first, second).sum(-1)


def histograms(pictures: Array, known: Array | None = None) -> Array:
    """Numbers of pixels in 55 bins of L (2 wide, from 0 on) and in as many of a and of b (4 wide, from -110 to 110).

    Args:
        pictures: (n, h, w, 3) RGB from 0 to 255, of any dtype.
        known: (n, h, w, 1), the weight of each pixel, or None if all pixels are known.

    Returns:
        (n, 3, 55) float32, or float64 if `pictures` are; each row adds up to the known pixels.

    Raises:
        UserError: there are not 3 channels.
    """
    if pictures.shape[-1] != 3:
        raise UserError(f"colours were asked for in pictures of shape {pictures.shape}: they need 3 channels (RGB).")
    lab = to_lab(pictures)
    number = jnp.floor((lab - jnp.array(LOWEST, lab.dtype)) / jnp.array(WIDTHS, lab.dtype))
    number = jnp.clip(number, 0, BINS - 1).astype(jnp.int32).reshape(len(pictures), -1, 3)
    weight = jnp.ones((), lab.dtype) if known is None else known.astype(lab.dtype).reshape(len(pictures), -1, 1)
    picture, channel = jnp.arange(len(pictures))[:, None, None], jnp.arange(3)
    return jnp.zeros((len(pictures), 3, BINS), lab.dtype).at[picture, channel, number].add(weight)


def bin_centres() -> np.ndarray:
    """The middle of each bin of L, a and b: (3, 55) float64."""
    return np.array(LOWEST)[:, None] + np.array(WIDTHS)[:, None] * (np.arange(BINS) + 0.5)


def to_lab(rgb: Array) -> Array:
    """Converts sRGB from 0 to 255 to CIE Lab for the white D65 (IEC 61966-2-1; CIE 15).

    Args:
        rgb: (..., 3), of any dtype.

    Returns:
        (..., 3) float32, or float64 if `rgb` is: L in [0, 100], a in [-86.2, 98.3] and b in [-107.9, 94.5].
    """
    rgb = as_floats(rgb, rgb)[0] / 255
    linear = jnp.where(rgb > 0.04045, (jnp.maximum(rgb, 0.04045) / 1.055 + 0.055 / 1.055) ** 2.4, rgb / 12.92)
    x, y, z = (
        sum(weight * linear[..., i] for i, weight in enumerate(row)) / white for row, white in zip(XYZ, WHITE, strict=True)
    )
    x, y, z = (jnp.where(v > 0.008856, jnp.cbrt(v), 7.787 * v + 16 / 116) for v in (x, y, z))
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)

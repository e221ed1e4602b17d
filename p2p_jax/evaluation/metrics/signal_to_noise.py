"""PSNR, the peak signal-to-noise ratio: the mean squared error on a logarithmic scale.

Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004, section I.
"""

import jax.numpy as jnp
from jax import Array

from p2p_jax.evaluation.metrics.masks import as_floats, mean


def psnr(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Peak signal-to-noise ratio for the data range 255.

    Args:
        picture, target: (n, h, w, c) from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32, in decibels; infinite for equal pictures; float64 if an input is.
    """
    picture, target = as_floats(picture, target)
    return 10 * jnp.log10(255.0**2 / mean(jnp.square(picture - target), known))

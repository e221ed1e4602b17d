"""L1, the mean absolute error: the reconstruction loss of pix2pix.

Source: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017, section 3.1.
"""

import jax.numpy as jnp
from jax import Array

from p2p_jax.evaluation.metrics.masks import as_floats, mean


def l1(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Mean absolute difference in the scale [-1, 1] of training.

    Args:
        picture, target: (n, h, w, c) from 0 to 255, of any dtype.
        known: (n, h, w, 1), or None if all pixels are known.

    Returns:
        (n,) float32 in [0, 2]; float64 if an input is.
    """
    picture, target = as_floats(picture, target)
    return mean(jnp.abs(picture - target), known) / 127.5

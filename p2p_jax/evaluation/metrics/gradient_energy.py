"""Sharpness: the gradient energy of a picture as a fraction of the target's.

Source: the energy of the gradient, a measure of focus: Subbarao, Choi and Nikzad, Focusing Techniques, 1993. It does not
compare the pictures pixel by pixel, so that it tells blur, and noise, from a shift.
"""

import jax.numpy as jnp
from jax import Array

from p2p_jax.evaluation.metrics.masks import as_floats


def sharpness(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Gradient energy of the picture divided by the target's.

    The gradient energy is the sum of the squared differences of all neighbouring pixels, in both directions and all
    channels. With `known` only neighbours count that are both known.

    Args:
        picture, target: (n, h, w, c), of any dtype and scale.
        known: (n, h, w, 1), or None if all pixels are known; it is weighed as 0 or not 0.

    Returns:
        (n,) float32, at least 0; float64 if an input is: 1 for a picture as sharp as its target, below 1 for a blurred one,
        above 1 for a noisy one. NaN if the target has no differences: if it is uniform, or no pixel is known.
    """
    x, y = as_floats(picture, target)
    seen = None if known is None else (known > 0).astype(x.dtype)
    energy = _energy(y, seen)
    return jnp.where(energy > 0, _energy(x, seen) / jnp.where(energy > 0, energy, 1), jnp.nan)


def _energy(x: Array, seen: Array | None) -> Array:
    across, down = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
    if seen is not None:
        across, down = across * seen[:, :, 1:] * seen[:, :, :-1], down * seen[:, 1:] * seen[:, :-1]
    return (across**2).sum((1, 2, 3)) + (down**2).sum((1, 2, 3))

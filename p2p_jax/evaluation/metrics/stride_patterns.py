"""Checkerboard: how far patterns with the periods of strided layers stand out in a picture, compared with its target.

Source of the patterns: Odena, Dumoulin and Olah, Deconvolution and Checkerboard Artifacts, Distill, 2016. The measure is
this project's own: texture has about the same energy at neighbouring frequencies, and a pattern of a fixed period does not.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax.evaluation.metrics.masks import as_floats

LENGTH, HEIGHT = 32, 4
"""Pixels of a stretch along the pattern and across it; 32 is also the smallest side of a picture."""

_FREQUENCIES = (8, 16, 7, 9, 15)
"""In waves per stretch: those of periods 4 and 2, then their neighbours."""

_VISIBLE = 1.0
"""A mean square that the eye hardly sees, in squared levels of 255; it is added to both energies."""


def checkerboard(picture: Array, target: Array, known: Array | None = None) -> Array:
    """Contrast of patterns of 2 and 4 pixels in the picture, divided by the target's.

    A stretch is 32 pixels of 4 neighbouring rows, or of 4 neighbouring columns, in one channel. Its pattern energy is the
    mean square of what remains if the mean over all places of equal phase, modulo 4, is taken along the stretch; its
    texture energy is the same at the neighbouring frequencies. The contrast of a picture is the mean over its overlapping
    stretches of (pattern energy + 1) / (texture energy + 1), so that a pattern counts where it can be seen: in smooth
    areas. Only stretches count that are wholly known.

    Args:
        picture, target: (n, h, w, c), of any dtype, on the scale 0 to 255; both sides at least 32.
        known: (n, h, w, 1), or None if all pixels are known; it is weighed as 0 or not 0.

    Returns:
        (n,) float32, above 0; float64 if an input is: above 1 if patterns stand out more than in the target, below 1 if
        less. NaN if no stretch is wholly known.
    """
    x, y = as_floats(picture, target)
    seen = None if known is None else known > 0
    return _contrast(x, seen) / _contrast(y, seen)


def _contrast(x: Array, seen: Array | None) -> Array:
    """The mean over all known stretches in both directions: (n,)."""
    ratios = _in_both_directions(_ratios, x)
    if seen is None:
        return ratios.mean(1)
    known = _in_both_directions(_are_known, seen)
    return jnp.where(known, ratios, 0).sum(1) / known.sum(1, dtype=x.dtype)


def _in_both_directions(of_horizontal: Callable[[Array], Array], x: Array) -> Array:
    """What a function finds of all horizontal, then of all vertical stretches: (n, stretches)."""
    return jnp.concatenate([of_horizontal(each).reshape(len(x), -1) for each in (x, x.swapaxes(1, 2))], 1)


def _are_known(seen: Array) -> Array:
    """Which horizontal stretches are wholly known."""
    return _windows(_windows(seen[..., 0], 2, LENGTH, LENGTH // 2).all(3), 1, HEIGHT, HEIGHT).all(2)


def _ratios(x: Array) -> Array:
    """Pattern over texture of all horizontal stretches of (n, h, w, c), as mean over the channels: (n, rows, columns)."""
    turns = 2 * np.pi * np.outer(np.arange(LENGTH), _FREQUENCIES) / LENGTH
    waves = jnp.asarray(np.stack([np.cos(turns), np.sin(turns)]) / LENGTH, x.dtype)
    pieces = _windows(x, 2, LENGTH, LENGTH // 2)
    power = (jnp.einsum("nhslc,plf->nhscfp", pieces, waves, precision="highest") ** 2).sum(-1)
    power = _windows(power, 1, HEIGHT, HEIGHT).mean(2)
    # A real signal has the frequencies 8, 7, 9 and 15 twice; 15 and its copy are the two neighbours of 16.
    quarter, half, below, above, beside = (power[..., index] for index in range(len(_FREQUENCIES)))
    return ((2 * quarter + half + _VISIBLE) / (below + above + beside + _VISIBLE)).mean(-1)


def _windows(x: Array, axis: int, length: int, step: int) -> Array:
    """Cuts an axis into evenly spaced windows that cover it, no further than `step` apart: (..., windows, length, ...)."""
    rest = x.shape[axis] - length
    starts = np.round(np.linspace(0, rest, -(-rest // step) + 1)).astype(int)
    return jnp.take(x, starts[:, None] + np.arange(length), axis)

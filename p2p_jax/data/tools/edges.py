"""The tool `edges`: edge maps from photos, as the inputs of edges2shoes."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.arrays import flatten_on_white, join_halves, to_level
from p2p_jax.data.tools.runner import DEFAULT, Job, Made, OnProgress, Result, Writing, read, run_jobs, simple_jobs
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path

NEIGHBOURS = np.ones((3, 3), bool)  # pixels that touch at a corner belong to one line


def draw_edges(
    folder: str | Path,
    output: str | Path,
    *,
    low: float = 12.0,
    high: float = 30.0,
    sigma: float = 1.5,
    shortest: int = 12,
    thickness: int = 1,
    invert: bool = False,
    pairs: bool = False,
    writing: Writing = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Result:
    """Draws the edges of all photos of a folder as black lines on white.

    Args:
        folder: of photos; sub-folders are included.
        output: folder of the results, with the same names.
        low, high, sigma, shortest: see `find_edges`.
        thickness: of the lines in pixels.
        invert: whether to draw white lines on black.
        pairs: whether to write edges and photo side by side.
        writing: format, threads, and what to do about existing files and mistakes.
        on_progress: see `runner.OnProgress`.

    Raises:
        UserError: a value is out of range, a folder is missing, files exist, or pictures cannot be used.
    """
    if not 0 <= low <= high:
        raise UserError(f"--low {low} and --high {high} were given: low must be between 0 and high.")
    limits = {"sigma": (sigma, 0, 1000), "shortest": (shortest, 0, math.inf), "thickness": (thickness, 1, 1000)}
    for option, (value, least, most) in limits.items():
        if not least <= value <= most:
            limit = f"at least {least}" if not value >= least else f"at most {most}"
            raise UserError(f"--{option} was given {value}: it must be {limit}.")
    folder, output = Path(folder), as_path(output, "--output")

    def make(job: Job) -> Made:
        pixels = flatten_on_white(read(job.sources[0]))
        lines = find_edges(pixels, sigma=sigma, low=low, high=high, shortest=shortest)
        drawn = draw_lines(lines, thickness, invert=invert)
        return Made((join_halves(Picture(drawn), Picture(pixels)) if pairs else drawn,))

    jobs = simple_jobs(folder, output, writing)
    return run_jobs(jobs, make, output, writing, inputs=[folder], on_progress=on_progress)[0]


def find_edges(pixels: np.ndarray, *, sigma: float, low: float, high: float, shortest: int) -> np.ndarray:
    """Finds edges as lines of one pixel, with Canny's method on the channel that changes most.

    Both thresholds are on a scale of 0 to 255. The strength of a straight edge between two constant areas is the difference
    of their brightness, for any sigma.

    Args:
        pixels: (h, w, c) without alpha, uint8, uint16, or float32 in [0, 1].
        sigma: of the Gaussian blur, in pixels; 0 for none.
        low: the smallest strength along a line.
        high: the strength that a line must reach somewhere.
        shortest: the smallest number of pixels of a line.

    Returns:
        (h, w) bool.

    Source:
        J. Canny, A Computational Approach to Edge Detection, IEEE PAMI 8(6), 1986. Short lines are removed as for
        the edges of pix2pix: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017.
    """
    from scipy import ndimage

    levels = pixels.astype(np.float32) * (255 / np.float32(to_level(255, pixels.dtype)))
    blurred = ndimage.gaussian_filter(levels, (sigma, sigma, 0), mode="nearest") if sigma else levels
    slopes = np.stack([_sobel(blurred, axis) for axis in (0, 1)])
    channel = np.square(slopes).sum(axis=0).argmax(axis=-1)
    down, across = np.take_along_axis(slopes, channel[None, ..., None], axis=-1)[..., 0]
    strength = np.hypot(down, across)
    lines = _thin(strength, down, across)
    strength = strength / _slope_of_step(sigma)
    labelled: Any = ndimage.label(lines & (strength >= low), NEIGHBOURS)  # its annotation allows other outputs
    numbers, count = labelled
    lengths = np.bincount(numbers.ravel(), minlength=count + 1)
    kept = lengths >= shortest
    kept &= np.isin(np.arange(count + 1), numbers[lines & (strength >= high)])
    kept[0] = False
    return kept[numbers]


def _sobel(pixels: np.ndarray, axis: int) -> np.ndarray:
    """The slope of each channel along height or width, per pixel; scipy's sobel would mix the channels."""
    from scipy import ndimage

    differences = ndimage.correlate1d(pixels, [-0.5, 0, 0.5], axis, mode="nearest")
    return ndimage.correlate1d(differences, [0.25, 0.5, 0.25], 1 - axis, mode="nearest")


def _thin(strength: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Non-maximum suppression: whether the strength is largest along the gradient, as (h, w) bool.

    Of two equal neighbours, the one on the brighter side counts.
    """
    from scipy import ndimage

    length = np.maximum(strength, np.finfo(np.float32).tiny)
    place, step = np.indices(strength.shape, np.float32), np.stack([down / length, across / length])
    behind, ahead = (ndimage.map_coordinates(strength, place + sign * step, order=1, mode="nearest") for sign in (-1, 1))
    return (strength > 0) & (strength >= behind) & (strength > ahead)


def _slope_of_step(sigma: float) -> float:
    """The steepest slope, per pixel, of a step from 0 to 1 after the same blur and difference."""
    from scipy import ndimage

    step = np.repeat([0.0, 1.0], int(4 * sigma) + 4)
    blurred = ndimage.gaussian_filter1d(step, sigma, mode="nearest") if sigma else step
    return float(np.gradient(blurred).max())


def draw_lines(lines: np.ndarray, thickness: int, *, invert: bool = False) -> np.ndarray:
    """Draws lines of one pixel as lines of `thickness` pixels, black on white, or white on black with `invert`.

    Args:
        lines: (h, w) bool.
        thickness: in pixels, from 1 on.
        invert: white on black.

    Returns:
        (h, w, 1) uint8, 0 and 255.
    """
    from scipy import ndimage

    offsets = np.arange(thickness) - (thickness - 1) / 2
    pen = np.hypot(offsets[:, None], offsets) <= thickness / 2
    drawn = ndimage.binary_dilation(lines, pen) if thickness > 1 else lines
    return np.where(drawn != invert, 0, 255).astype(np.uint8)[..., None]

"""The tool `resize`: pictures to one size."""

from pathlib import Path
from typing import Literal

import numpy as np

from p2p_jax.data.pictures import Picture
from p2p_jax.data.resizing import Method, resize
from p2p_jax.data.tools.arrays import refuse_brightness, to_level
from p2p_jax.data.tools.runner import DEFAULT, Job, Made, OnProgress, Result, Writing, read, run_jobs, simple_jobs
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path

MAX_PIXELS = 2**27  # of a result


def resize_pictures(
    folder: str | Path,
    output: str | Path,
    size: tuple[int, int],
    *,
    method: Method = "bicubic",
    pad: bool = False,
    fill: int | Literal["mirror"] = 0,
    writing: Writing = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Result:
    """Resizes all pictures of a folder to one size.

    Args:
        folder: of pictures; sub-folders are included.
        output: folder of the results, with the same names.
        size: (height, width) in pixels.
        method: see `resizing.resize`; labels need "nearest".
        pad: whether to keep the ratio of the pictures and pad them; otherwise they are stretched.
        fill: brightness of the padding, from 0 to 255, or "mirror".
        writing: format, threads, and what to do about existing files and mistakes.
        on_progress: see `runner.OnProgress`.

    Raises:
        UserError: a value is out of range, a folder is missing, files exist, or pictures cannot be used.
    """
    if min(size) < 1:
        raise UserError(f"--size was given {size[0]} {size[1]}: height and width are at least 1 pixel.")
    if size[0] * size[1] > MAX_PIXELS:
        raise UserError(f"--size was given {size[0]} {size[1]}: that is more than {MAX_PIXELS} pixels.")
    if fill != "mirror":
        refuse_brightness("--fill", fill)
    folder, output = Path(folder), as_path(output, "--output")

    def make(job: Job) -> Made:
        picture = read(job.sources[0])
        if pad:
            return Made((resize_with_padding(picture, size, method, fill),))
        return Made((resize(picture.pixels, size, method),))

    jobs = simple_jobs(folder, output, writing)
    return run_jobs(jobs, make, output, writing, inputs=[folder], on_progress=on_progress)[0]


def resize_with_padding(picture: Picture, size: tuple[int, int], method: str, fill: int | Literal["mirror"]) -> np.ndarray:
    """Resizes a picture to fit into `size` without changing its ratio, and pads it evenly on both sides.

    Args:
        picture: (h, w, c).
        size: (height, width) in pixels.
        method: as for `resizing.resize`.
        fill: brightness of the padding, from 0 to 255 (opaque), or "mirror" to mirror the picture at its edges.

    Returns:
        (height, width, c) of the same dtype.
    """
    height, width = picture.pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    resized = resize(picture.pixels, inner, method)
    (top, bottom), (left, right) = (((new - old) // 2, (new - old + 1) // 2) for new, old in zip(size, inner, strict=True))
    if fill == "mirror":
        return np.pad(resized, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    filled = np.full((*size, resized.shape[-1]), to_level(fill, resized.dtype))
    if picture.has_alpha:
        filled[..., -1] = to_level(255, resized.dtype)
    filled[top : top + inner[0], left : left + inner[1]] = resized
    return filled

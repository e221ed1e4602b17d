"""The tool `blank`: pictures with a hole, and its mask, for inpainting."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.arrays import refuse_brightness, to_level
from p2p_jax.data.tools.runner import DEFAULT, Job, Made, OnProgress, Result, Writing, read, run_jobs, simple_jobs
from p2p_jax.errors import UserError
from p2p_jax.files.names import name_bytes
from p2p_jax.files.outputs import as_path

Shape = Literal["rectangle", "random-rectangle", "strokes"]


def blank_pictures(
    folder: str | Path,
    output: str | Path,
    *,
    shape: Shape = "rectangle",
    fraction: float = 0.25,
    fill: int = 128,
    seed: int = 0,
    writing: Writing = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Result:
    """Makes pairs for inpainting: A with a hole, B without, and mask, which is 255 in the hole and 0 elsewhere.

    Args:
        folder: of pictures; sub-folders are included.
        output: folder of the folders A, B and mask.
        shape: of the hole, see `draw_hole`.
        fraction: of the picture's area that is blanked (the option `--fraction`).
        fill: brightness of the hole, from 0 to 255.
        seed: of the holes. A hole depends only on this number and the picture's name.
        writing: format, threads, and what to do about existing files and mistakes.
        on_progress: see `runner.OnProgress`.

    Raises:
        UserError: a value is out of range, a folder is missing, files exist, or pictures cannot be used.
    """
    if not 0 < fraction < 1:
        raise UserError(f"--fraction was given {fraction}: it must be above 0 and below 1.")
    refuse_brightness("--fill", fill)
    folder, output = Path(folder), as_path(output, "--output")

    def make(job: Job) -> Made:
        picture = read(job.sources[0])
        digest = hashlib.sha256(name_bytes(f"{seed} {job.name}")).digest()
        random = np.random.default_rng(int.from_bytes(digest))
        hole = draw_hole(picture.pixels.shape[:2], shape, fraction, random)
        mask = np.where(hole, 255, 0).astype(np.uint8)[..., None]
        return Made((blank(picture, hole, fill), picture.pixels, mask))

    # A mask is always a PNG: other formats may blur it or store it in colours.
    jobs = [
        job._replace(targets=(*job.targets, output / "mask" / f"{job.name}.png"))
        for job in simple_jobs(folder, output, writing, below=("A", "B"))
    ]
    return run_jobs(jobs, make, output, writing, inputs=[folder], on_progress=on_progress)[0]


def draw_hole(size: tuple[int, int], shape: Shape, fraction: float, random: np.random.Generator) -> np.ndarray:
    """Draws a random hole.

    Args:
        size: (height, width) in pixels.
        shape: "rectangle" (in the middle, with the ratio of the picture), "random-rectangle" (anywhere, up to twice as high
            as wide or the reverse, as far as it fits), or "strokes" (of a thick brush).
        fraction: of the picture's area, above 0 and below 1; exact to one row or column, or to one stroke.
        random: the source of randomness.

    Returns:
        (h, w) bool, true in the hole.

    Source:
        strokes similar to: Yu et al., Free-Form Image Inpainting with Gated Convolution, 2019, section 3.
    """
    if shape == "strokes":
        return _draw_strokes(size, fraction, random)
    rows, columns = size
    aspect = rows / columns if shape == "rectangle" else np.exp2(random.uniform(-1, 1))
    area = fraction * rows * columns
    exact = float(np.clip(np.sqrt(area * aspect), fraction * rows, rows))
    height = max(1, round(exact))
    width = min(columns, max(1, round(area / height)))
    top, left = (rows - height) // 2, (columns - width) // 2
    if shape == "random-rectangle":
        top, left = int(random.integers(rows - height + 1)), int(random.integers(columns - width + 1))
    hole = np.zeros(size, bool)
    hole[top : top + height, left : left + width] = True
    return hole


def _draw_strokes(size: tuple[int, int], fraction: float, random: np.random.Generator) -> np.ndarray:
    canvas = Image.new("1", (size[1], size[0]))
    brush = ImageDraw.Draw(canvas)
    side, end = min(size), np.array(size[::-1]) - 1
    while True:
        place, angle = random.uniform(0, end), random.uniform(0, 2 * np.pi)
        width = max(2, round(side * random.uniform(0.05, 0.12)))
        for _ in range(random.integers(3, 10)):
            angle += random.normal(0, 0.7)
            there = np.clip(place + side * random.uniform(0.05, 0.15) * np.array([np.cos(angle), np.sin(angle)]), 0, end)
            brush.line([*place, *there], fill=1, width=width)
            brush.ellipse([*(there - width / 2), *(there + width / 2)], fill=1)  # rounds the corner to the next line
            place = there
            hole = np.asarray(canvas)
            if np.count_nonzero(hole) >= fraction * hole.size:
                return hole


def blank(picture: Picture, hole: np.ndarray, fill: int) -> np.ndarray:
    """A copy of a picture whose colours are `fill` (0 to 255) where `hole` (h, w) is true; alpha stays: (h, w, c)."""
    pixels = picture.pixels.copy()
    colours = pixels[..., :-1] if picture.has_alpha else pixels
    colours[hole] = to_level(fill, pixels.dtype)
    return pixels

"""The tool `grayscale`: grey pictures and their colours, for colorization."""

from pathlib import Path

import numpy as np

from p2p_jax.data.pictures import Picture
from p2p_jax.data.resizing import to_grey
from p2p_jax.data.tools.arrays import join_halves, to_colour
from p2p_jax.data.tools.runner import DEFAULT, Job, Made, OnProgress, Result, Writing, read, run_jobs, simple_jobs
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path


def make_grayscale(
    folder: str | Path,
    output: str | Path,
    *,
    pairs: bool = False,
    writing: Writing = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Result:
    """Makes pairs for colorization: A grey, B in colour.

    Args:
        folder: of pictures in colour; sub-folders are included.
        output: folder of the results.
        pairs: whether to write both side by side instead of into folders A and B.
        writing: format, threads, and what to do about existing files and mistakes.
        on_progress: see `runner.OnProgress`.

    Returns:
        The result; its note counts the pictures that were grey already.

    Raises:
        UserError: a folder is missing, files exist, or pictures cannot be used.
    """
    folder, output = Path(folder), as_path(output, "--output")

    def make(job: Job) -> Made:
        picture = read(job.sources[0])
        grey = remove_colours(picture)
        coloured = to_colour(picture)  # so that pictures that were grey already have the channels of all others
        was_grey = bool((coloured[..., :3] == coloured[..., :1]).all())
        if pairs:
            return Made((join_halves(Picture(grey, picture.has_alpha), Picture(coloured, picture.has_alpha)),), was_grey)
        return Made((grey, coloured), was_grey)

    jobs = simple_jobs(folder, output, writing, below=("",) if pairs else ("A", "B"))
    result, were_grey = run_jobs(jobs, make, output, writing, inputs=[folder], on_progress=on_progress)
    if not any(were_grey):
        return result
    note = f"{sum(were_grey)} of {len(jobs)} pictures had no colours before, so training learns nothing from their pairs."
    return result._replace(notes=(note,))


def remove_colours(picture: Picture) -> np.ndarray:
    """Converts a picture to grey: (h, w, 1), or (h, w, 2) with alpha.

    Raises:
        UserError: it is neither grey nor RGB.
    """
    pixels = picture.pixels
    colours = pixels[..., :-1] if picture.has_alpha else pixels
    if colours.shape[-1] not in (1, 3):
        raise UserError(f"it has {colours.shape[-1]} channels: give pictures in RGB.")
    grey = to_grey(np.ascontiguousarray(colours)) if colours.shape[-1] == 3 else colours
    return np.concatenate([grey, pixels[..., -1:]], axis=-1) if picture.has_alpha else grey

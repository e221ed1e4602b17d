"""The tool `labels`: class numbers to the colours of a palette, or the reverse."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from p2p_jax.data.palettes import nearest_class, read_palette
from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.arrays import to_colour
from p2p_jax.data.tools.runner import DEFAULT, Job, Made, OnProgress, Result, Writing, read, run_jobs, simple_jobs
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path
from p2p_jax.files.writing import atomic_file


class _Distance(NamedTuple):
    """How exactly the colours of a picture match a palette."""

    inexact: float  # fraction of pixels
    largest: float  # distance in RGB
    file: str


def convert_labels(
    folder: str | Path,
    output: str | Path,
    palette: str | Sequence[str],
    *,
    to_ids: bool = False,
    tolerance: float | None = None,
    as_palette_png: bool = False,
    writing: Writing = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Result:
    """Converts label maps of class numbers (grey or palette pictures) to colours, or the reverse.

    Args:
        folder: of label maps; sub-folders are included.
        output: folder of the results, with the same names.
        palette: see `palettes.read_palette`.
        to_ids: whether to convert colours to class numbers; every pixel gets the class of the nearest colour.
        tolerance: of `to_ids`: the largest distance of a pixel from its colour, in RGB from 0 to 442.
        as_palette_png: whether to write PNGs with a palette, which hold numbers and colours.
        writing: format, threads, and what to do about existing files and mistakes.
        on_progress: see `runner.OnProgress`.

    Returns:
        The result; after `to_ids` its note says how many pixels did not match a colour exactly.

    Raises:
        UserError: options contradict each other, the palette cannot be read, a folder is missing, files exist, or pictures
            cannot be used.
    """
    _check_options(writing, to_ids, tolerance, as_palette_png)
    folder, output, colours = Path(folder), as_path(output, "--output"), read_palette(palette)

    def make(job: Job) -> Made:
        if to_ids:
            return _make_ids(job, colours, tolerance)
        ids = to_class_numbers(read(job.sources[0], indices=True), len(colours))
        return Made((ids[..., None] if as_palette_png else colours[ids],))

    jobs = simple_jobs(folder, output, writing)
    write = partial(_write_palette_png, colours=colours) if as_palette_png else None
    result, distances = run_jobs(jobs, make, output, writing, inputs=[folder], write=write, on_progress=on_progress)
    return result._replace(notes=(_describe_distances(distances),)) if to_ids and distances else result


def _check_options(writing: Writing, to_ids: bool, tolerance: float | None, as_palette_png: bool) -> None:
    if writing.format in ("jpg", "webp"):
        raise UserError(f"--format was given {writing.format}, which does not keep label maps: give png or tiff.")
    if as_palette_png and writing.format != "png":
        raise UserError(f"--as-palette-png and --format {writing.format} were given: omit one of them.")
    if tolerance is not None and not (to_ids and tolerance >= 0):
        raise UserError(f"--tolerance was given {tolerance}: it must be at least 0, and needs --to-ids.")


def _make_ids(job: Job, colours: np.ndarray, tolerance: float | None) -> Made:
    pixels = to_opaque(read(job.sources[0]))
    ids, largest = nearest_class(pixels, colours)
    if tolerance is not None and largest > tolerance:
        raise UserError(_describe_furthest(pixels, colours[ids], tolerance))
    inexact = float((colours[ids] != pixels).any(axis=-1).mean())
    return Made((ids[..., None],), _Distance(inexact, largest, str(job.sources[0])))


def _describe_distances(distances: Sequence[_Distance]) -> str:
    furthest = max(distances, key=lambda distance: (distance.largest, distance.file))
    if not furthest.largest:
        return "All pixels had a colour of the palette."
    inexact = sum(distance.inexact for distance in distances) / len(distances)
    return (
        f"{100 * inexact:.2f} % of the pixels had no colour of the palette and got the class of the nearest one; the "
        f"largest distance, {furthest.largest:.1f}, is in {furthest.file}."
    )


def to_class_numbers(picture: Picture, count: int) -> np.ndarray:
    """The class numbers of a picture: (h, w) uint8.

    Args:
        picture: (h, w, 1), decoded with its indices.
        count: number of classes.

    Raises:
        UserError: it has several channels, or a value is no class number.
    """
    pixels = picture.pixels
    if pixels.shape[-1] != 1:
        raise UserError(f"it has {pixels.shape[-1]} channels, and class numbers have one: for colours give --to-ids.")
    wrong = (pixels < 0) | (pixels >= count) | (pixels % 1 != 0)
    if wrong.any():
        row, column, _ = np.argwhere(wrong)[0]
        raise UserError(
            f"the pixel in row {row}, column {column} is {pixels[row, column, 0]:g}, but the palette has {count} colours, "
            f"for the classes from 0 to {count - 1}: give the palette of these label maps."
        )
    return pixels[..., 0].astype(np.uint8)


def to_opaque(picture: Picture) -> np.ndarray:
    """The colours of a label map, (h, w, 3) uint8, without its alpha channel, which must be opaque.

    Raises:
        UserError: a pixel is not opaque, or the picture has other channels or more than 8 bits.
    """
    pixels = to_colour(picture)
    if pixels.dtype != np.uint8 or pixels.shape[-1] != 3 + picture.has_alpha:
        raise UserError(
            f"it has {pixels.shape[-1]} channels of {pixels.dtype}: the colours of a palette are RGB of 8 bits."
        )
    if picture.has_alpha and pixels[..., 3].min() < 255:
        raise UserError("it is transparent in places, where it has no colour: flatten it.")
    return pixels[..., :3]


def _describe_furthest(pixels: np.ndarray, nearest: np.ndarray, tolerance: float) -> str:
    distances = np.linalg.norm(pixels.astype(np.float32) - nearest, axis=-1)
    row, column = np.unravel_index(distances.argmax(), distances.shape)
    found, colour = ("#" + values[row, column].tobytes().hex() for values in (pixels, nearest))
    return (
        f"the pixel in row {row}, column {column} is {found}, which is {distances.max():.1f} from the nearest colour "
        f"{colour}, where --tolerance allows {tolerance:g}: add its colour to the palette, or allow more."
    )


def _write_palette_png(path: Path, ids: np.ndarray, colours: np.ndarray) -> None:
    """Writes class numbers (h, w, 1) with their colours, and replaces the file only once it is complete."""
    picture = Image.fromarray(ids[..., 0], "P")
    picture.putpalette(colours.tobytes())
    with atomic_file(path, sync=False) as file:
        picture.save(file, format="PNG")

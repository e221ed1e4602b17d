"""The tool `p2p-jax data labels`: numbers of classes to the colours of a palette, and back."""

import io
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from p2p_jax.cli.options import parse
from p2p_jax.data.palettes import nearest_class, read_palette
from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.arrays import to_colour
from p2p_jax.data.tools.runs import Common, Folder, Job, Made, read, run, simple_jobs
from p2p_jax.errors import PROGRAM, UserError


@dataclass(frozen=True)
class Labels:
    """Turn label maps of class numbers (grey or palette pictures) into colours, or back."""

    folder: Folder
    """Label maps."""
    config: Common
    palette: tuple[str, ...]
    """The colours of the classes: a file with a line R G B [name] for each, cmp, or colours such as '#0000de' '#ff0000' (a
    shell wants the quotes)."""
    to_ids: bool = False
    """From colours to numbers: every pixel becomes the class of the nearest colour."""
    tolerance: float | None = None
    """Of --to-ids: refuse a picture with a pixel further than this from every colour (0 to 442, in RGB)."""
    as_palette_png: bool = False
    """Write PNGs that hold numbers and colours at once."""


def labels(argv: list[str]) -> int:
    """`p2p-jax data labels FOLDER --output DIR --palette FILE`."""
    options = parse(Labels, argv, f"{PROGRAM} data labels")
    if options.config.format in ("jpg", "webp"):
        raise UserError(f"--format was given {options.config.format}, which does not keep label maps: give png or tiff.")
    if options.as_palette_png and options.config.format != "png":
        raise UserError(f"--as-palette-png and --format {options.config.format} were given: leave one of them out.")
    if options.tolerance is not None and not (options.to_ids and options.tolerance >= 0):
        raise UserError(f"--tolerance was given {options.tolerance}: it is 0 or more, and goes with --to-ids.")
    palette = read_palette(options.palette)
    jobs = simple_jobs(options.folder, options.config)
    make = partial(_labels_one, options=options, palette=palette)
    write = partial(_write_palette_png, palette=palette) if options.as_palette_png else None
    notes = run(jobs, make, options.config, folders=[options.folder], doing="labelling", write=write)
    if options.to_ids and notes:
        others, largest, name = sum(share for share, _, _ in notes), *max(note[1:] for note in notes)
        print(
            f"{100 * others / len(notes):.2f} % of the pixels had no colour of the palette and went to the nearest; the "
            f"furthest from one, by {largest:.1f}, is in {name}."
            if largest
            else "All pixels had a colour of the palette."
        )
    return 0


def _labels_one(job: Job, options: Labels, palette: np.ndarray) -> Made:
    picture = read(job.sources[0], indices=not options.to_ids)
    if not options.to_ids:
        ids = to_ids(picture, len(palette))
        return Made((ids[..., None] if options.as_palette_png else palette[ids],))
    pixels = to_opaque(picture)
    ids, largest = nearest_class(pixels, palette)
    if options.tolerance is not None and largest > options.tolerance:
        raise UserError(_describe_furthest(pixels, palette[ids], options.tolerance))
    inexact = float((palette[ids] != pixels).any(axis=-1).mean())
    return Made((ids[..., None],), (inexact, largest, str(job.sources[0])))


def to_ids(picture: Picture, count: int) -> np.ndarray:
    """The classes that a picture holds as numbers: (h, w) uint8.

    Args:
        picture: (h, w, 1), decoded with its indices.
        count: of classes.

    Raises:
        UserError: it has several channels, or numbers that are no classes.
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
    """The colours of a label map, (h, w, 3) uint8, without an alpha channel that hides nothing.

    Raises:
        UserError: it is in part transparent, has other channels, or more than 8 bits.
    """
    pixels = to_colour(picture)
    if pixels.dtype != np.uint8 or pixels.shape[-1] != 3 + picture.has_alpha:
        raise UserError(f"it has {pixels.shape[-1]} channels of {pixels.dtype}: a palette's colours are RGB of 8 bits.")
    if picture.has_alpha and pixels[..., 3].min() < 255:
        raise UserError("it is in part transparent, and such pixels have no colour: flatten it.")
    return pixels[..., :3]


def _describe_furthest(pixels: np.ndarray, nearest: np.ndarray, tolerance: float) -> str:
    distances = np.linalg.norm(pixels.astype(np.float32) - nearest, axis=-1)
    row, column = np.unravel_index(distances.argmax(), distances.shape)
    found, colour = ("#" + values[row, column].tobytes().hex() for values in (pixels, nearest))
    return (
        f"the pixel in row {row}, column {column} is {found}, which is {distances.max():.1f} from the nearest colour "
        f"{colour}, where --tolerance allows {tolerance:g}: add its colour to the palette, or allow more."
    )


def _write_palette_png(path: Path, ids: np.ndarray, palette: np.ndarray) -> None:
    """Writes class numbers (h, w, 1) with their colours, replacing the file only once it is complete."""
    picture = Image.fromarray(ids[..., 0], "P")
    picture.putpalette(palette.tobytes())
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(encoded.getvalue())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)

"""The tools `p2p-jax data NAME`: each parses its own line, works through a folder, and returns an exit code."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from p2p_jax.cli.options import parse
from p2p_jax.data.layout import SPLITS
from p2p_jax.data.pictures import Picture
from p2p_jax.data.resizing import resize
from p2p_jax.data.tools import arrays
from p2p_jax.data.tools.runs import Common, Folder, Job, Made, list_pairs, list_pictures, read, run, simple_jobs
from p2p_jax.errors import PROGRAM, UserError

Method = Literal["bicubic", "bilinear", "nearest", "area"]


@dataclass(frozen=True)
class Combine:
    """Put the pictures of two folders side by side, those of the same name together, A left."""

    a_folder: Folder
    """Pictures for the left halves."""
    b_folder: Folder
    """Pictures of the same names for the right halves."""
    config: Common
    resize_b: bool = False
    """Bring B to the size of A where they differ."""
    method: Method = "bicubic"
    """Of --resize-b; labels want nearest, which mixes no colours."""


@dataclass(frozen=True)
class Split:
    """Cut side-by-side pictures into folders A and B; of train, val and test into trainA, trainB and so on."""

    folder: Folder
    """Side-by-side pictures, in it or in train/, val/, test/."""
    config: Common
    val_fraction: float = 0.0
    """Share of the pairs that become valA and valB, drawn at random."""
    test_fraction: float = 0.0
    """Share of the pairs that become testA and testB."""
    seed: int = 0
    """Of the drawing."""


@dataclass(frozen=True)
class Resize:
    """Bring pictures to one size."""

    folder: Folder
    """Pictures."""
    config: Common
    size: tuple[int, int]
    """Height and width in pixels."""
    method: Method = "bicubic"
    """area is best for much smaller sizes; labels want nearest, which mixes no colours."""
    pad: bool = False
    """Keep the pictures' ratio, and fill up what is left on two sides."""
    fill: int | Literal["mirror"] = 0
    """Of --pad: brightness (or number of a class) from 0 to 255, or mirror for the picture mirrored at its edges."""


@dataclass(frozen=True)
class Edges:
    """Draw the edges of photos as black lines on white, as the inputs of edges2shoes (by Canny's method, no weights)."""

    folder: Folder
    """Photos."""
    config: Common
    low: float = 12.0
    """A line ends where the brightness changes by less across it; in levels of 255."""
    high: float = 30.0
    """A line must reach this change somewhere; in levels of 255. Larger: fewer lines."""
    sigma: float = 1.5
    """Blur before, in pixels; larger: smoother lines, less detail. Large photos want more, or to be resized first."""
    shortest: int = 12
    """Pixels a line must have."""
    thickness: int = 1
    """Of the lines, in pixels."""
    invert: bool = False
    """White lines on black."""
    pairs: bool = False
    """Write edges and photo side by side, ready for training."""


@dataclass(frozen=True)
class Blank:
    """Make pairs for inpainting: A with a hole, B whole, and mask, 255 in the hole and 0 elsewhere."""

    folder: Folder
    """Pictures."""
    config: Common
    shape: arrays.Shape = "rectangle"
    """rectangle: in the middle; random-rectangle: anywhere; strokes: of a thick brush."""
    share: float = 0.25
    """Of the picture's area that is blanked."""
    fill: int = 128
    """Brightness of the hole, from 0 to 255."""
    seed: int = 0
    """A picture's hole follows from its name and this number alone."""


@dataclass(frozen=True)
class Grayscale:
    """Make pairs for colorization: A grey, B in colour."""

    folder: Folder
    """Pictures in colour."""
    config: Common
    pairs: bool = False
    """Write both side by side instead of into folders A and B."""


def combine(argv: list[str]) -> int:
    """`p2p-jax data combine A_FOLDER B_FOLDER --output DIR`."""
    options = parse(Combine, argv, f"{PROGRAM} data combine")
    writing = options.config
    alone: list[str] | None = [] if writing.on_error == "skip" else None
    jobs = [
        Job(name, (files["A"], files["B"]), (writing.output / f"{name}.{writing.format}",))
        for name, files in list_pairs(options.a_folder, options.b_folder, alone)
    ]
    make = partial(_combine_one, options=options)
    folders = (options.a_folder, options.b_folder)
    run(jobs, make, writing, folders=folders, doing="combining", left_out=alone or ())
    return 0


def _combine_one(job: Job, options: Combine) -> Made:
    a, b = map(read, job.sources)
    (height, width), (other_height, other_width) = a.pixels.shape[:2], b.pixels.shape[:2]
    if (height, width) != (other_height, other_width):
        if not options.resize_b:
            raise UserError(
                f"{job.sources[0]} has {width} x {height} pixels but {job.sources[1]} has {other_width} x {other_height}: "
                "make them the same size, or give --resize-b."
            )
        b = b._replace(pixels=resize(b.pixels, (height, width), options.method))
    return Made((arrays.join(a, b),))


def split(argv: list[str]) -> int:
    """`p2p-jax data split FOLDER --output DIR`."""
    options = parse(Split, argv, f"{PROGRAM} data split")
    for name, share in (("val", options.val_fraction), ("test", options.test_fraction)):
        if not 0 <= share < 1 or options.val_fraction + options.test_fraction >= 1:
            raise UserError(f"--{name}-fraction was given {share}: both fractions are from 0 to 1, together below 1.")
    writing = options.config
    found = list_pictures(options.folder)
    places = _spread([name for name, _ in found], options)
    jobs = [
        Job(name, (file,), tuple(writing.output / f"{part}{side}" / f"{rest}.{writing.format}" for side in "AB"))
        for (name, file), (part, rest) in zip(found, places, strict=True)
    ]
    run(jobs, lambda job: Made(arrays.cut(read(job.sources[0]).pixels)), writing, folders=[options.folder], doing="cutting")
    return 0


def _spread(names: list[str], options: Split) -> list[tuple[str, str]]:
    """The split of each pair ("" where there are none) and its name in it."""
    words = {word: name for name, words in SPLITS.items() for word in words}
    firsts = [name.partition("/")[0] for name in names]
    given = [first in words and "/" in name for first, name in zip(firsts, names, strict=True)]
    drawn = options.val_fraction > 0 or options.test_fraction > 0
    if any(given) and (drawn or not all(given)):
        instead = "and fractions were given: leave those out" if drawn else "and pictures outside of them: move those"
        raise UserError(f"{options.folder} has folders for splits, such as {firsts[given.index(True)]}, {instead}.")
    if any(given):
        return [(words[first], name.partition("/")[2]) for first, name in zip(firsts, names, strict=True)]
    if not drawn:
        return [("", name) for name in names]
    test, val = (round(share * len(names)) for share in (options.test_fraction, options.val_fraction))
    order = np.random.default_rng(options.seed).permutation(len(names))
    chosen = dict.fromkeys(order[:test], "test") | dict.fromkeys(order[test : test + val], "val")
    return [(chosen.get(i, "train"), name) for i, name in enumerate(names)]


def resize_all(argv: list[str]) -> int:
    """`p2p-jax data resize FOLDER --output DIR --size H W`."""
    options = parse(Resize, argv, f"{PROGRAM} data resize")
    if min(options.size) < 1:
        raise UserError(f"--size was given {options.size[0]} {options.size[1]}: height and width are at least 1 pixel.")
    if options.fill != "mirror":
        _refuse_level("--fill", options.fill)
    run(
        simple_jobs(options.folder, options.config),
        partial(_resize_one, options=options),
        options.config,
        folders=[options.folder],
        doing="resizing",
    )
    return 0


def _resize_one(job: Job, options: Resize) -> Made:
    picture = read(job.sources[0])
    if options.pad:
        return Made((arrays.resize_whole(picture, options.size, options.method, options.fill),))
    return Made((resize(picture.pixels, options.size, options.method),))


def edges(argv: list[str]) -> int:
    """`p2p-jax data edges FOLDER --output DIR`."""
    options = parse(Edges, argv, f"{PROGRAM} data edges")
    if not 0 <= options.low <= options.high:
        raise UserError(f"--low {options.low} and --high {options.high} were given: low is from 0 up to high.")
    if options.sigma < 0:
        raise UserError(f"--sigma was given {options.sigma}: it is 0 for no blur, or more.")
    if options.thickness < 1:
        raise UserError(f"--thickness was given {options.thickness}: it must be at least 1.")
    jobs = simple_jobs(options.folder, options.config)
    make = partial(_edges_one, options=options)
    run(jobs, make, options.config, folders=[options.folder], doing="drawing edges")
    return 0


def _edges_one(job: Job, options: Edges) -> Made:
    photo = read(job.sources[0])
    pixels = arrays.on_white(photo)
    found = arrays.find_edges(pixels, sigma=options.sigma, low=options.low, high=options.high, shortest=options.shortest)
    drawn = arrays.draw_lines(found, options.thickness, invert=options.invert)
    return Made((arrays.join(Picture(drawn), Picture(pixels)) if options.pairs else drawn,))


def blank(argv: list[str]) -> int:
    """`p2p-jax data blank FOLDER --output DIR`."""
    options = parse(Blank, argv, f"{PROGRAM} data blank")
    if not 0 < options.share < 1:
        raise UserError(f"--share was given {options.share}: it is above 0 and below 1.")
    _refuse_level("--fill", options.fill)
    writing = options.config
    # A mask is black or white: no format may blur it or have it in colours.
    jobs = [
        job._replace(targets=(*job.targets, writing.output / "mask" / f"{job.name}.png"))
        for job in simple_jobs(options.folder, writing, under=("A", "B"))
    ]
    run(jobs, partial(_blank_one, options=options), writing, folders=[options.folder], doing="blanking")
    return 0


def _blank_one(job: Job, options: Blank) -> Made:
    picture = read(job.sources[0])
    digest = hashlib.sha256(f"{options.seed} {job.name}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest))
    hole = arrays.draw_hole(picture.pixels.shape[:2], options.shape, options.share, random)
    mask = np.where(hole, 255, 0).astype(np.uint8)[..., None]
    return Made((arrays.blank(picture, hole, options.fill), picture.pixels, mask))


def grayscale(argv: list[str]) -> int:
    """`p2p-jax data grayscale FOLDER --output DIR`."""
    options = parse(Grayscale, argv, f"{PROGRAM} data grayscale")
    jobs = simple_jobs(options.folder, options.config, under=("",) if options.pairs else ("A", "B"))
    make = partial(_grayscale_one, pairs=options.pairs)
    was_grey = sum(run(jobs, make, options.config, folders=[options.folder], doing="removing colours"))
    if was_grey:
        print(f"{was_grey} of {len(jobs)} pictures had no colours to begin with, so nothing is learned from their pairs.")
    return 0


def _grayscale_one(job: Job, pairs: bool) -> Made:
    picture = read(job.sources[0])
    grey = arrays.grey_of(picture)
    without = Picture(grey, picture.has_alpha)
    # Beside a picture in colour a grey one becomes RGB, which also makes one that was grey already like all others.
    coloured = arrays.to_colour(picture)
    was_grey = bool((coloured[..., :3] == coloured[..., :1]).all())
    made = (arrays.join(without, Picture(coloured, picture.has_alpha)),) if pairs else (grey, coloured)
    return Made(made, was_grey)


def _refuse_level(option: str, value: float) -> None:
    if not 0 <= value <= 255:
        raise UserError(f"{option} was given {value}: it is a brightness from 0 to 255.")

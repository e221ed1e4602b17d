"""The tools `p2p-jax data NAME`: each parses its options, calls its function in `data/tools`, and prints the result."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from p2p_jax.cli.parsing import parse
from p2p_jax.console import count_of, open_console, progress_bar
from p2p_jax.data.resizing import Method
from p2p_jax.data.tools.blank import Shape, blank_pictures
from p2p_jax.data.tools.combine import combine_folders
from p2p_jax.data.tools.edges import draw_edges
from p2p_jax.data.tools.grayscale import make_grayscale
from p2p_jax.data.tools.resize import resize_pictures
from p2p_jax.data.tools.runner import DEFAULT, Result, Writing
from p2p_jax.data.tools.split import split_pairs
from p2p_jax.errors import PROGRAM

Folder = Annotated[Path, tyro.conf.Positional]
Output = Annotated[Path, tyro.conf.arg(aliases=["-o"])]
# The options of a field named `config` have no prefix, see `option_help.list_options`.
Common = Annotated[Writing, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class CombineOptions:
    """Put the pictures of two folders that have the same name side by side, A at the left."""

    a_folder: Folder
    """Pictures for the left halves."""
    b_folder: Folder
    """Pictures of the same names for the right halves."""
    output: Output
    """Folder of the results; it gets the same sub-folders."""
    config: Common = DEFAULT
    resize_b: bool = False
    """Resize B to the size of A where they differ."""
    method: Method = "bicubic"
    """How --resize-b resizes; labels need nearest, which mixes no colours."""


@dataclass(frozen=True)
class SplitOptions:
    """Cut side-by-side pictures into folders A and B; pictures in train, val and test into trainA, trainB and so on."""

    folder: Folder
    """Side-by-side pictures, in it or in train/, val/, test/."""
    output: Output
    """Folder of the results; it gets the same sub-folders."""
    config: Common = DEFAULT
    val_fraction: float = 0.0
    """Fraction of the pairs that is drawn at random for valA and valB."""
    test_fraction: float = 0.0
    """Fraction of the pairs that is drawn at random for testA and testB."""
    seed: int = 0
    """Seed of the random draw."""


@dataclass(frozen=True)
class ResizeOptions:
    """Resize pictures to one size."""

    folder: Folder
    """Pictures."""
    output: Output
    """Folder of the results; it gets the same sub-folders."""
    size: tuple[int, int]
    """Height and width in pixels."""
    config: Common = DEFAULT
    method: Method = "bicubic"
    """area is best for much smaller sizes; labels need nearest, which mixes no colours."""
    pad: bool = False
    """Keep the ratio of the pictures, and pad them evenly on two opposite sides."""
    fill: int | Literal["mirror"] = 0
    """Value of the padding: a brightness (or class number) from 0 to 255, or mirror for the mirrored picture."""


@dataclass(frozen=True)
class EdgesOptions:
    """Draw the edges of photos as black lines on white, like the inputs of edges2shoes (Canny's method, no network)."""

    folder: Folder
    """Photos."""
    output: Output
    """Folder of the results; it gets the same sub-folders."""
    config: Common = DEFAULT
    low: float = 12.0
    """A line ends where its contrast falls below this value, on a scale of 0 to 255."""
    high: float = 30.0
    """A line must reach this contrast somewhere, on a scale of 0 to 255. Larger values draw fewer lines."""
    sigma: float = 1.5
    """Blur before the edges are found, in pixels. Larger values draw smoother lines and less detail; large photos need
    larger values."""
    shortest: int = 12
    """Smallest number of pixels of a line."""
    thickness: int = 1
    """Thickness of the lines in pixels."""
    invert: bool = False
    """Draw white lines on black."""
    pairs: bool = False
    """Write edges and photo side by side, ready for training."""


@dataclass(frozen=True)
class BlankOptions:
    """Make pairs for inpainting: A with a hole, B without, and mask, 255 in the hole and 0 elsewhere."""

    folder: Folder
    """Pictures."""
    output: Output
    """Folder of the results; it gets the same sub-folders."""
    config: Common = DEFAULT
    shape: Shape = "rectangle"
    """Shape of the hole. rectangle: in the middle; random-rectangle: anywhere; strokes: of a thick brush."""
    fraction: float = 0.25
    """Fraction of the picture's area that is blanked."""
    fill: int = 128
    """Brightness of the hole, from 0 to 255."""
    seed: int = 0
    """Seed of the holes; a hole depends only on this number and the picture's name."""


@dataclass(frozen=True)
class GrayscaleOptions:
    """Make pairs for colorization: A grey, B in colour."""

    folder: Folder
    """Pictures in colour."""
    output: Output
    """Folder of the results; it gets the same sub-folders."""
    config: Common = DEFAULT
    pairs: bool = False
    """Write both side by side instead of into folders A and B."""


def run_tool(options: Any, argv: list[str], name: str, doing: str, tool: Callable[..., Result]) -> int:
    """Parses the command line of a tool, runs it with a progress bar, and prints its result.

    Args:
        options: the dataclass of its options.
        argv: the words after the command.
        name: of the tool.
        doing: label of the progress bar.
        tool: called with the values of the options as keyword arguments, those of `config` as `writing`, and with
            `on_progress`.
    """
    parsed = parse(options, argv, f"{PROGRAM} data {name}")
    console = open_console()
    with progress_bar(console) as bar:
        task = bar.add_task(doing, total=None, visible=not parsed.config.dry_run)
        values = {field.name: getattr(parsed, field.name) for field in fields(parsed)}
        writing = values.pop("config")
        result = tool(
            **values, writing=writing, on_progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    _print_result(console, result, parsed.output, dry_run=writing.dry_run)
    return 0


def _print_result(console: Console, result: Result, output: Path, *, dry_run: bool) -> None:
    if dry_run:
        console.print(f"{count_of(len(result.files), 'file')} would be written; the first of them:")
        for path in result.files[:5]:
            console.print(f"  {path}")
    else:
        console.print(f"{count_of(len(result.files), 'file')} written to {output}.")
    if result.skipped:
        console.print(f"{len(result.skipped)} skipped:")
        for sentence in result.skipped:
            console.print(f"  {sentence}")
    for note in result.notes:
        console.print(note)


def combine(argv: list[str]) -> int:
    """Runs `p2p-jax data combine A_FOLDER B_FOLDER --output DIR`."""
    return run_tool(CombineOptions, argv, "combine", "combining", combine_folders)


def split(argv: list[str]) -> int:
    """Runs `p2p-jax data split FOLDER --output DIR`."""
    return run_tool(SplitOptions, argv, "split", "cutting", split_pairs)


def resize(argv: list[str]) -> int:
    """Runs `p2p-jax data resize FOLDER --output DIR --size H W`."""
    return run_tool(ResizeOptions, argv, "resize", "resizing", resize_pictures)


def edges(argv: list[str]) -> int:
    """Runs `p2p-jax data edges FOLDER --output DIR`."""
    return run_tool(EdgesOptions, argv, "edges", "drawing edges", draw_edges)


def blank(argv: list[str]) -> int:
    """Runs `p2p-jax data blank FOLDER --output DIR`."""
    return run_tool(BlankOptions, argv, "blank", "blanking", blank_pictures)


def grayscale(argv: list[str]) -> int:
    """Runs `p2p-jax data grayscale FOLDER --output DIR`."""
    return run_tool(GrayscaleOptions, argv, "grayscale", "removing colours", make_grayscale)

"""`p2p-jax data labels`: converts class numbers to the colours of a palette, or the reverse."""

from dataclasses import dataclass

from p2p_jax.cli.data_tools import Common, Folder, Output, run_tool
from p2p_jax.data.tools.labels import convert_labels
from p2p_jax.data.tools.runner import DEFAULT


@dataclass(frozen=True)
class LabelsOptions:
    """Convert label maps of class numbers (grey or palette pictures) to colours, or the reverse."""

    folder: Folder
    """Label maps."""
    output: Output
    """Folder of the results; sub-folders are kept."""
    palette: tuple[str, ...]
    """The colours of the classes: a file with a line R G B [name] for each, cmp (the CMP facades), or colours such as
    '#0000de' '#ff0000' (a shell needs the quotes)."""
    config: Common = DEFAULT
    to_ids: bool = False
    """Convert colours to class numbers; every pixel gets the class of the nearest colour."""
    tolerance: float | None = None
    """For --to-ids: refuse a picture with a pixel further than this from every colour (0 to 442, in RGB)."""
    as_palette_png: bool = False
    """Write PNGs with a palette, which hold both numbers and colours."""


def labels(argv: list[str]) -> int:
    """Runs `p2p-jax data labels FOLDER --output DIR --palette FILE`."""
    return run_tool(LabelsOptions, argv, "labels", "converting", convert_labels)

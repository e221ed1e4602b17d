"""`p2p-jax data …`: the table of its commands. Each lives in its own module, which is imported when the command runs."""

import importlib

from p2p_jax.errors import PROGRAM, UserError, suggest

HELP = f"""usage: {PROGRAM} data COMMAND ...

  check PATH              show what is in a folder or list of pairs, what is wrong with it, and how to train on it
  prepare NAME            download and prepare one of the paper's sets: facades, maps, edges2shoes, edges2handbags,
                          cityscapes, night2day; or prepare your own pictures (--from FOLDER --name NAME)

Tools that make pairs and write them to a new folder (--output DIR); all have --dry-run and --overwrite:
  combine A B             join the pictures of two folders side by side
  split FOLDER            cut side-by-side pictures into folders A and B
  resize FOLDER           resize pictures to one size, with or without padding
  edges FOLDER            draw the edges of photos
  blank FOLDER            cut holes into pictures, with masks, for inpainting
  grayscale FOLDER        make grey pictures, for colorization
  labels FOLDER           convert class numbers to colours, or the reverse

  {PROGRAM} data COMMAND --help  show the options of a command
"""

COMMANDS = {
    "check": "data_check.check",
    "prepare": "data_prepare.prepare",
    "combine": "data_tools.combine",
    "split": "data_tools.split",
    "resize": "data_tools.resize",
    "edges": "data_tools.edges",
    "blank": "data_tools.blank",
    "grayscale": "data_tools.grayscale",
    "labels": "data_labels.labels",
}
"""{command: its module in this package, and its function there}."""


def data(argv: list[str]) -> int:
    """Runs a command.

    Returns:
        Its exit code.

    Raises:
        UserError: there is no such command.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    name = argv[0]
    if name not in COMMANDS:
        raise UserError(f"there is no command data {name}{suggest(name, list(COMMANDS))}; see {PROGRAM} data --help.")
    module, function = COMMANDS[name].rsplit(".", 1)
    return getattr(importlib.import_module(f"p2p_jax.cli.{module}"), function)(argv[1:])

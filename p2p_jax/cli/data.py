"""`p2p-jax data …`: which commands there are; each lives in a module of its own that is imported when it runs."""

import importlib

from p2p_jax.cli.options import suggest
from p2p_jax.errors import PROGRAM, UserError

HELP = f"""usage: {PROGRAM} data COMMAND ...

  check PATH              what is in a folder or list of pairs, what is wrong with it, and how to train on it
  prepare NAME            fetch and prepare one of the paper's sets: facades, maps, edges2shoes, edges2handbags,
                          cityscapes, night2day; or your own pictures (--from FOLDER --name NAME)

Tools that make pairs, each into a new folder (--output DIR), with --dry-run and --overwrite:
  combine A B             two folders into side-by-side pictures
  split FOLDER            and back
  resize FOLDER           to one size, with or without padding
  edges FOLDER            edge maps from photos
  blank FOLDER            pictures with a hole, and its mask, for inpainting
  grayscale FOLDER        grey pictures beside their colours, for colorization
  labels FOLDER           numbers of classes to colours, or back

  {PROGRAM} data COMMAND --help
"""


# Where each is: module and function.
HOMES = {
    "check": "data_check.check",
    "prepare": "data_prepare.prepare",
    "combine": "data_tools.combine",
    "split": "data_tools.split",
    "resize": "data_tools.resize_all",
    "edges": "data_tools.edges",
    "blank": "data_tools.blank",
    "grayscale": "data_tools.grayscale",
    "labels": "data_labels.labels",
}


def data(argv: list[str]) -> int:
    """Runs a command and returns its exit code.

    Raises:
        UserError: there is no such command.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    name = argv[0]
    if name not in HOMES:
        raise UserError(f"there is no command data {name}{suggest(name, list(HOMES))}; see {PROGRAM} data --help.")
    module, function = HOMES[name].rsplit(".", 1)
    return getattr(importlib.import_module(f"p2p_jax.cli.{module}"), function)(argv[1:])

"""`p2p-jax data check`: shows what is in a set of pairs, what is wrong with it, and how to train on it."""

import itertools
import json
import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.text import Text

from p2p_jax.cli.parsing import parse
from p2p_jax.config.data_schema import Layout
from p2p_jax.console import open_console, progress_bar
from p2p_jax.data.doctor.contact_sheet import draw_sheet
from p2p_jax.data.doctor.examine import check_data
from p2p_jax.data.doctor.findings import Findings
from p2p_jax.data.doctor.report import describe, to_json
from p2p_jax.data.doctor.train_line import train_line
from p2p_jax.errors import PROGRAM, UserError
from p2p_jax.files.outputs import Existing, check_outputs

MAX_PICTURES = 1000  # pairs on the PNG


@dataclass(frozen=True)
class CheckOptions:
    """Read every picture of a folder or list of pairs, and show what is there, what is wrong, and how to train on it.

    The exit code is 0 if training can start, with or without warnings, and 1 if a problem would stop it.
    """

    path: Annotated[Path, tyro.conf.Positional]
    """Folder of pairs, or a list of them (.csv, .tsv, .jsonl)."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """PNG to draw, with some of the pairs. By default data_check.png (if it exists, data_check_2.png and so on) in the
    current folder, or beside the folder of pairs if the current folder lies in it."""
    overwrite: bool = False
    """Replace the PNG if it exists."""
    pictures: int = 12
    """Number of pairs on the PNG; 0 writes no PNG."""
    limit: int = 10
    """Largest number of files that are named for each finding; the others are only counted."""
    json: bool = False
    """Print everything as JSON instead of text."""
    threads: int | None = None
    """Number of threads that read pictures; by default the number of CPU cores."""
    layout: Layout = "auto"
    """How the files of a pair are found, as --data.layout of train."""


def check(argv: list[str]) -> int:
    """Runs `p2p-jax data check`.

    Returns:
        The exit code: 0, or 1 if a problem would stop training.

    Raises:
        UserError: the command line is wrong, or there are no pairs.
    """
    options = parse(CheckOptions, argv, f"{PROGRAM} data check")
    for name in ("pictures", "limit"):
        if getattr(options, name) < 0:
            raise UserError(f"--{name} was given {getattr(options, name)}: it must be at least 0.")
    if options.pictures > MAX_PICTURES:
        raise UserError(f"--pictures was given {options.pictures}: it must be at most {MAX_PICTURES}.")
    sheet = _choose_sheet(options)
    findings = _check_with_bar(options)
    if options.pictures:  # a list may name the PNG as one of the pictures
        read = [Path(file) for pair in findings.pairs for file in pair.files.values()]
        check_outputs(sheet, {sheet: read}, existing="replace")
    if not options.json:
        open_console().print(describe(findings, limit=options.limit), end="")
    drawn = None
    try:
        drawn = sheet if options.pictures > 0 and draw_sheet(sheet, findings, options.pictures) else None
    finally:  # a sheet that cannot be drawn hides nothing of what was found
        if options.json:
            print(json.dumps(to_json(options.path, findings, drawn), indent=1))
        else:
            _print_command(options, findings, drawn)
    return 1 if findings.problems else 0


def _check_with_bar(options: CheckOptions) -> Findings:
    with nullcontext() if options.json else progress_bar(open_console()) as bar:
        task = bar.add_task("reading", total=None) if bar else None

        def advance(done: int, total: int) -> None:
            if bar and task is not None:
                bar.update(task, completed=done, total=total)

        return check_data(options.path, threads=options.threads, on_picture=advance, layout=options.layout)


def _print_command(options: CheckOptions, findings: Findings, sheet: Path | None) -> None:
    """Prints where the sheet is, and as the last line the command that trains."""
    text = Text(f"Some of the pairs are shown in {sheet}.\n" if sheet else "")
    text.append("To train, once the problems are solved:" if findings.problems else "To train:", "bold")
    console = open_console()
    console.print(text)
    console.print(Text(train_line(options.path, findings)))


def _choose_sheet(options: CheckOptions) -> Path:
    """The path of the PNG. It never lies in the folder of pairs, where it would be taken for a picture.

    Raises:
        UserError: the given path lies in the folder of pairs, or exists already.
    """
    sheet = options.output or _default_sheet(options.path, overwrite=options.overwrite)
    if options.pictures:
        existing: Existing = "replace" if options.overwrite else "refuse"
        check_outputs(sheet, {sheet: (options.path,)}, inputs=[options.path], existing=existing)
    return sheet


def _default_sheet(path: Path, *, overwrite: bool) -> Path:
    here = Path()
    if path.is_dir() and here.resolve().is_relative_to(path.resolve()):
        here = path.resolve().parent
    names = (f"data_check_{number}.png" for number in itertools.count(2))
    for name in itertools.chain(["data_check.png"], names):
        if overwrite or not os.path.lexists(here / name):
            return here / name
    raise AssertionError  # the names never end

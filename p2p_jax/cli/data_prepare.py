"""`p2p-jax data prepare`: prepares one of the paper's sets, or one's own pictures, as a set of tensorflow-datasets."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from p2p_jax.cli.parsing import parse
from p2p_jax.config.data_schema import Layout
from p2p_jax.console import open_console, progress_bar
from p2p_jax.data.sets.prepare import compare_with_published, find_address, find_paper_set, prepare_data
from p2p_jax.data.sets.shards import Progress as OnProgress
from p2p_jax.errors import PROGRAM, UserError


@dataclass(frozen=True)
class PrepareOptions:
    """Prepare a set of pairs for training: one of the paper's sets, which is downloaded, or your own pictures."""

    set: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = None
    """facades, maps, cityscapes, edges2shoes, edges2handbags or night2day."""
    archive: Path | None = None
    """The set's NAME.tar.gz, if you have it already; it is not changed."""
    mirror: str | None = None
    """Another address to download from: that of the archive, or of the folder that holds NAME.tar.gz."""
    sha256: str | None = None
    """Checksum that the archive must have."""
    keep_archive: bool = False
    """Keep the downloaded archive, in downloads/pix2pix in the data folder."""
    source: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Prepare your own pictures from this folder or list, which is as for --data.path."""
    layout: Layout = "auto"
    """How the files of your own pairs are found, as --data.layout of train."""
    name: str | None = None
    """Name for the set of your own pictures: lower-case letters, digits and _."""
    data_dir: Path | None = None
    """Folder of prepared sets; by default that of tensorflow-datasets (TFDS_DATA_DIR, or ~/tensorflow_datasets)."""
    overwrite: bool = False
    """Prepare the set again, and replace the old one when the new one is complete."""


def prepare(argv: list[str]) -> int:
    """Runs `p2p-jax data prepare NAME` or `p2p-jax data prepare --from FOLDER --name NAME`."""
    options = parse(PrepareOptions, argv, f"{PROGRAM} data prepare")
    if options.source and options.set:
        raise UserError("both --from and NAME were given: --from is for your own pictures, NAME is for a set of the paper.")
    if options.name and not options.source:
        raise UserError("--name was given without --from: it is for your own pictures.")
    console = open_console()
    paper_set = None if options.source else find_paper_set(options.set)
    with progress_bars(console, find_address(paper_set or "", options.mirror)) as on_progress:
        prepared = prepare_data(
            paper_set or options.name,
            folder=options.source,
            layout=options.layout,
            archive=options.archive,
            mirror=options.mirror,
            sha256=options.sha256,
            keep_archive=options.keep_archive,
            data_dir=options.data_dir,
            overwrite=options.overwrite,
            on_progress=on_progress,
        )
    counts = ", ".join(f"{split} {count}" for split, count in prepared.pairs.items())
    if prepared.new:
        console.print(f"Prepared in {prepared.path}: {counts} pairs.")
    else:
        console.print(
            f"Already prepared in {prepared.path}: {counts} pairs. Nothing was done; --overwrite prepares it again."
        )
    for sentence in compare_with_published(paper_set, prepared.pairs) if paper_set else ():
        console.print(sentence)
    console.print(f"Next:  {_next_command(options, paper_set)}")
    return 0


@contextmanager
def progress_bars(console: Console, address: str) -> Iterator[OnProgress]:
    """Shows one progress bar after the other: of bytes for downloading and reading, of pairs for writing.

    Args:
        console: where the bars are shown.
        address: of the download, for a message.
    """
    labels = {"download": "downloading", "read": "reading the archive", "write": "preparing pairs"}
    bars: dict[str, tuple[Progress, Any]] = {}

    def on_progress(stage: str, done: int, total: int | None) -> None:
        if stage not in bars:
            for bar, _ in bars.values():
                bar.stop()
            if stage == "download":
                console.print(f"Downloading {address}; if it is interrupted, the same command resumes it.")
            bar = progress_bar(console) if stage == "write" else _bar_of_bytes(console)
            bar.start()
            bars[stage] = bar, bar.add_task(labels[stage], total=total)
        bar, task = bars[stage]
        bar.update(task, completed=done, total=total)

    try:
        yield on_progress
    finally:
        for bar, _ in bars.values():
            bar.stop()


def _bar_of_bytes(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _next_command(options: PrepareOptions, paper_set: str | None) -> str:
    """The command that trains on the set."""
    where = f" --data.tfds-dir {shlex.quote(str(options.data_dir))}" if options.data_dir else ""
    if paper_set is None:
        return f"{PROGRAM} train pix2pix --data.tfds {options.name}{where}"
    from p2p_jax import experiment

    set_name = f"pix2pix/{paper_set}"
    by_default = experiment.find(paper_set).config.data.tfds == set_name
    return f"{PROGRAM} train {paper_set}{'' if by_default else f' --data.tfds {set_name}'}{where}"

"""The command `p2p-jax data prepare`: the paper's sets and one's own, as sets of tensorflow-datasets."""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from p2p_jax.cli.options import parse, suggest
from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.prepared import SPLITS, data_root, is_prepared, read_record
from p2p_jax.data.sets.archives import MIRROR, Damaged
from p2p_jax.data.sets.download import check_sha256, download, file_sha256
from p2p_jax.errors import PROGRAM, UserError


@dataclass(frozen=True)
class Prepare:
    """Prepare a set of pictures once, for training from it: one of the paper's (downloaded), or your own."""

    set: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = None
    """facades, maps, cityscapes, edges2shoes, edges2handbags or night2day."""
    archive: Path | None = None
    """The set's NAME.tar.gz, if you have it already; it is not changed."""
    mirror: str | None = None
    """Where else to download it from: the address of the archive, or of the folder that holds NAME.tar.gz."""
    sha256: str | None = None
    """Checksum that the archive must have."""
    keep_archive: bool = False
    """Keep what was downloaded, in downloads/pix2pix in the data folder."""
    source: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Your own pictures instead: a folder or list, as for --data.path."""
    name: str | None = None
    """What to call the set of your own pictures."""
    data_dir: Path | None = None
    """Folder of prepared sets; by default that of tensorflow-datasets (TFDS_DATA_DIR, or ~/tensorflow_datasets)."""
    overwrite: bool = False
    """Do it again, and replace the set of that name when that is done."""


def prepare(argv: list[str]) -> int:
    """`p2p-jax data prepare NAME` or `p2p-jax data prepare --from FOLDER --name NAME`."""
    options = parse(Prepare, argv, f"{PROGRAM} data prepare")
    _check(options)
    from p2p_jax.console import open_console

    console = open_console()
    result = _prepare_own(options, console) if options.source else _prepare_paper_set(options, console)
    counts = ", ".join(f"{split} {count}" for split, count in result.pairs.items())
    if result.new:
        console.print(f"Prepared in {result.path}: {counts} pairs.")
    else:
        console.print(f"Already prepared in {result.path}: {counts} pairs. Nothing was done; --overwrite does it again.")
    if not options.source:
        for sentence in _differences(_paper_name(options), result.pairs):
            console.print(sentence)
    console.print(f"Next:  {_next_line(options)}")
    return 0


def _check(options: Prepare) -> None:
    if options.source:
        for given, option in ((options.set, "NAME"), (options.archive, "--archive"), (options.mirror, "--mirror"),
                              (options.sha256, "--sha256"), (options.keep_archive, "--keep-archive")):  # fmt: skip
            if given:
                raise UserError(f"both --from and {option} were given: --from is for your own pictures, {option} is not.")
        if not options.name:
            raise UserError("--from was given without --name: say what to call the set, such as --name my_pictures.")
        return
    known = ", ".join(PAPER_SETS)
    if not options.set:
        raise UserError(f"no set was named: give one of {known}, or --from FOLDER --name NAME for your own pictures.")
    if options.name:
        raise UserError("--name was given without --from: it is for your own pictures.")
    name = _paper_name(options)
    if name not in PAPER_SETS:
        raise UserError(f"there is no set {options.set}{suggest(name, list(PAPER_SETS))}; it must be one of {known}.")
    if options.archive and options.mirror:
        raise UserError("both --archive and --mirror were given: give one of them.")
    if options.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", options.sha256):
        raise UserError(f"--sha256 was given {options.sha256}: a SHA-256 checksum has 64 hexadecimal digits.")


def _paper_name(options: Prepare) -> str:
    return str(options.set).removeprefix("pix2pix/")


def _prepare_own(options: Prepare, console: Any) -> Any:
    from p2p_jax.data.layout import find_parts
    from p2p_jax.data.sets.builders import prepare_folder

    assert options.source is not None
    with _progress(console) as on_progress:
        return prepare_folder(
            options.source,
            str(options.name),
            find_parts(options.source),
            data_dir=options.data_dir,
            overwrite=options.overwrite,
            on_progress=on_progress,
        )


def _prepare_paper_set(options: Prepare, console: Any) -> Any:
    from p2p_jax.data.sets.builders import VERSION, prepare_archive

    name, root = _paper_name(options), data_root(options.data_dir)
    final = root / "pix2pix" / name / VERSION
    downloaded = root / "downloads" / "pix2pix" / f"{name}.tar.gz"
    archive, address = options.archive or downloaded, _address(options, name)
    source = {"archive": str(archive.absolute()) if options.archive else address, "kept": options.keep_archive}
    with _progress(console) as on_progress:
        if is_prepared(final) and not options.overwrite:
            _refuse_other_archive(options, final)
        elif options.archive is None:
            _download(options, address, final, downloaded, console, on_progress)
        elif options.sha256 and archive.is_file():
            check_sha256(file_sha256(archive), options.sha256, str(archive), "give another archive")
        try:
            result = prepare_archive(
                name, archive, data_dir=root, overwrite=options.overwrite, source=source, on_progress=on_progress
            )
        except Damaged:
            downloaded.unlink(missing_ok=True)  # else it would be taken for a good one again
            raise
    if not read_record(final).get("kept"):
        _remove_download(downloaded)
    return result


def _download(
    options: Prepare, address: str, final: Path, downloaded: Path, console: Any, on_progress: Callable[..., Any]
) -> None:
    from p2p_jax.data.sets.shards import locked

    if not downloaded.exists():
        console.print(f"Downloading {address}; interrupted at any time, the same command goes on.")
    sha256 = options.sha256 or (None if options.mirror else PAPER_SETS[_paper_name(options)].sha256)
    with locked(final):
        try:
            download(address, downloaded, sha256=sha256, on_progress=partial(on_progress, "download"))
        finally:
            _remove_empty(downloaded.parent)


def _address(options: Prepare, name: str) -> str:
    """Where the archive is: a mirror is given as its folder, or as the whole address of the archive."""
    mirror = options.mirror or MIRROR
    return mirror if mirror.endswith(".tar.gz") else f"{mirror.rstrip('/')}/{name}.tar.gz"


def _refuse_other_archive(options: Prepare, final: Path) -> None:
    used = read_record(final).get("sha256")
    if options.sha256 and used and used != options.sha256.lower():
        raise UserError(
            f"{final} was prepared from an archive with the SHA-256 checksum {used}, not {options.sha256.lower()}: add "
            "--overwrite to prepare it anew."
        )


def _remove_download(downloaded: Path) -> None:
    """Removes what was downloaded, the beginning of a download included, and the folders made for it."""
    for path in (downloaded, *downloaded.parent.glob(f"{downloaded.name}.part*")):
        path.unlink(missing_ok=True)
    _remove_empty(downloaded.parent)


def _remove_empty(folder: Path) -> None:
    for empty in (folder, folder.parent):
        with suppress(OSError):  # there are others' downloads
            empty.rmdir()


@contextmanager
def _progress(console: Any) -> Iterator[Callable[[str, int, int | None], None]]:
    """One bar after the other: of bytes for downloading and reading, of pairs for writing."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from p2p_jax.console import progress_bar

    labels = {"download": "downloading", "read": "reading the archive", "write": "preparing pairs"}
    bars: dict[str, tuple[Progress, Any]] = {}

    def on_progress(what: str, done: int, total: int | None) -> None:
        if what not in bars:
            for bar, _ in bars.values():
                bar.stop()
            columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
            of_bytes = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)
            bar = progress_bar(console) if what == "write" else of_bytes
            bar.start()
            bars[what] = bar, bar.add_task(labels[what], total=total)
        bar, task = bars[what]
        bar.update(task, completed=done, total=total)

    try:
        yield on_progress
    finally:
        for bar, _ in bars.values():
            bar.stop()


def _differences(name: str, pairs: dict[str, int]) -> list[str]:
    """What is to be said of splits that are not as large as published."""
    published = PAPER_SETS[name].pairs
    return [
        f"Mind: {split} has {pairs.get(split, 0)} pairs, but {published.get(split, 0)} were published: another archive?"
        for split in SPLITS
        if pairs.get(split, 0) != published.get(split, 0)
    ]


def _next_line(options: Prepare) -> str:
    """The command that trains on the set."""
    where = f" --data.tfds-dir {shlex.quote(str(options.data_dir))}" if options.data_dir else ""
    if options.source:
        return f"{PROGRAM} train pix2pix --data.tfds {options.name}{where}"
    from p2p_jax import experiment

    name = _paper_name(options)
    set_name = f"pix2pix/{name}"
    by_default = experiment.find(name).config.data.tfds == set_name
    return f"{PROGRAM} train {name}{'' if by_default else f' --data.tfds {set_name}'}{where}"

"""Preparing a set once, for training from it: one of the paper's, which is downloaded, or one's own pictures."""

import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from p2p_jax.data.layout import Layout, find_pairs
from p2p_jax.data.names import Files
from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.prepared import SPLITS, data_root, is_prepared, read_record
from p2p_jax.data.sets.archives import MIRROR, Damaged
from p2p_jax.data.sets.download import check_sha256, download, file_sha256
from p2p_jax.data.sets.shards import VERSION, Prepared, Progress, locked, no_progress
from p2p_jax.errors import UserError, suggest
from p2p_jax.files.outputs import as_path


def prepare_data(
    name: str | None = None,
    *,
    folder: str | Path | None = None,
    layout: Layout = "auto",
    archive: str | Path | None = None,
    mirror: str | None = None,
    sha256: str | None = None,
    keep_archive: bool = False,
    data_dir: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
) -> Prepared:
    """Prepares a set for `data.tfds`. A set that is prepared already is kept.

    `prepare_data("facades")` downloads and prepares one of the paper's sets; an interrupted download is resumed by the same
    call. `prepare_data("mine", folder="pictures")` prepares one's own pictures.

    Args:
        name: one of the paper's sets, or the name for the set of one's own pictures: lower-case letters, digits and _.
        folder: of one's own pictures, or a list of them (see `layout.search`).
        layout: how the files of one's own pairs are found, as in `Data.layout`. The next four arguments are for the paper's
            sets only.
        archive: the set's NAME.tar.gz, if you have it already; it is not changed.
        mirror: address to download from, of the archive or of the folder that holds NAME.tar.gz.
        sha256: the checksum that the archive must have, in hexadecimal digits.
        keep_archive: whether to keep the downloaded archive, in downloads/pix2pix in the data folder.
        data_dir: folder of prepared sets; by default that of tensorflow-datasets (TFDS_DATA_DIR or
            ~/tensorflow_datasets).
        overwrite: whether to prepare the set again, and replace the old one when the new one is complete.
        on_progress: called with the stage ("download", "read" or "write"), the number of bytes or pairs that are done, and
            their total.

    Returns:
        The folder of the set, and its number of pairs per split.

    Raises:
        UserError: an argument is wrong, the pictures are missing or cannot be downloaded, or another process prepares
            the set.
        OSError: the disk is full, or a file or folder cannot be read or written.

    Example:
        >>> import p2p_jax
        >>> p2p_jax.prepare_data("mine", folder="pairs", data_dir="prepared").pairs
        {'train': 6}
    """
    data_dir = None if data_dir is None else as_path(data_dir, "--data-dir")
    if folder is not None:
        if archive or mirror or sha256 or keep_archive:
            raise UserError(
                "--archive, --mirror, --sha256 and --keep-archive are for the paper's sets: omit them for --from."
            )
        if not name:
            raise UserError("--from was given without --name: choose a name for the set, such as --name my_pictures.")
        splits = find_pairs(Path(folder), layout=layout)
        return _prepare_own(Path(folder), name, splits, data_dir, overwrite, on_progress)
    name = find_paper_set(name)
    if archive and mirror:
        raise UserError("both --archive and --mirror were given: give one of them.")
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UserError(f"--sha256 was given {sha256}: a SHA-256 checksum has 64 hexadecimal digits.")
    source = _Source(Path(archive) if archive else None, find_address(name, mirror), sha256, keep_archive)
    return _prepare_paper_set(name, source, data_root(data_dir), overwrite, on_progress)


def find_paper_set(name: str | None) -> str:
    """The name of one of the paper's sets without pix2pix/ in front.

    Raises:
        UserError: there is no such set.
    """
    known = ", ".join(PAPER_SETS)
    if not name:
        raise UserError(f"no set was named: give one of {known}, or --from FOLDER --name NAME for your own pictures.")
    short = name.removeprefix("pix2pix/")
    if short not in PAPER_SETS:
        raise UserError(f"there is no set {name}{suggest(short, PAPER_SETS)}: give one of {known}.")
    return short


def find_address(name: str, mirror: str | None = None) -> str:
    """The address of a set's archive; a mirror is given by the address of the archive's folder or of the archive."""
    mirror = mirror or MIRROR
    return mirror if mirror.endswith(".tar.gz") else f"{mirror.rstrip('/')}/{name}.tar.gz"


def compare_with_published(name: str, pairs: dict[str, int]) -> list[str]:
    """A sentence for each split of a paper's set whose number of pairs differs from the published one."""
    published = PAPER_SETS[name].pairs
    return [
        f"Note that {split} has {pairs.get(split, 0)} pairs, but {published.get(split, 0)} were published: the archive may "
        "differ from the original one."
        for split in SPLITS
        if pairs.get(split, 0) != published.get(split, 0)
    ]


def _prepare_own(
    folder: Path,
    name: str,
    splits: dict[str, list[Files]],
    data_dir: str | Path | None,
    overwrite: bool,
    on_progress: Progress,
) -> Prepared:
    from p2p_jax.data.sets.own_pictures import prepare_folder  # imports TFDS, which takes seconds

    return prepare_folder(folder, name, splits, data_dir=data_root(data_dir), overwrite=overwrite, on_progress=on_progress)


class _Source(NamedTuple):
    """Where an archive comes from: a file, or an address if there is none; its expected checksum; whether to keep it."""

    archive: Path | None
    address: str
    sha256: str | None
    keep: bool


def _prepare_paper_set(name: str, source: _Source, root: Path, overwrite: bool, on_progress: Progress) -> Prepared:
    final = root / "pix2pix" / name / VERSION
    downloaded = root / "downloads" / "pix2pix" / f"{name}.tar.gz"
    archive = source.archive or downloaded
    given = source.archive is not None and source.archive.resolve() == downloaded.resolve()  # not ours to remove
    if is_prepared(final) and not overwrite:
        _refuse_other_archive(final, source.sha256)
    elif source.archive is None:
        _download(source, downloaded, final, on_progress)
    elif source.sha256 and archive.is_file():
        check_sha256(file_sha256(archive), source.sha256, str(archive), "give another archive")
    from p2p_jax.data.sets.builders import prepare_archive  # imports TFDS, which takes seconds

    record = {"archive": str(archive.absolute()) if source.archive else source.address, "kept": source.keep}
    try:
        prepared = prepare_archive(
            name, archive, data_dir=root, overwrite=overwrite, source=record, on_progress=on_progress
        )
    except Damaged:
        if not given:
            downloaded.unlink(missing_ok=True)  # otherwise the next call would use it again
        raise
    if not given and not read_record(final).get("kept"):
        _remove_download(downloaded)
    return prepared


def _download(source: _Source, downloaded: Path, final: Path, on_progress: Progress) -> None:
    if not downloaded.exists():
        on_progress("download", 0, None)
    with locked(final):
        try:
            download(source.address, downloaded, sha256=source.sha256, on_progress=partial(on_progress, "download"))
        finally:
            _remove_empty(downloaded.parent)


def _refuse_other_archive(final: Path, sha256: str | None) -> None:
    used = read_record(final).get("sha256")
    if sha256 and used and used != sha256.lower():
        raise UserError(
            f"{final} was prepared from an archive with the SHA-256 checksum {used}, not {sha256.lower()}: add --overwrite "
            "to prepare it again."
        )


def _remove_download(downloaded: Path) -> None:
    """Removes a downloaded archive, or the beginning of one, and the folders that were made for it."""
    for path in (downloaded, *downloaded.parent.glob(f"{downloaded.name}.part*")):
        path.unlink(missing_ok=True)
    _remove_empty(downloaded.parent)


def _remove_empty(folder: Path) -> None:
    for empty in (folder, folder.parent):
        with suppress(OSError):  # it holds other downloads
            empty.rmdir()

"""How every tool goes through a folder: find the pictures, look before writing, work in threads, say what was wrong."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro

from p2p_jax.console import open_console, progress_bar
from p2p_jax.data import pictures
from p2p_jax.data.layout import Files, match_folders
from p2p_jax.data.pictures import Picture, decode, of_file, write_picture
from p2p_jax.errors import UserError

ENCODER: dict[str, dict[str, Any]] = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True, "exact": True}}


@dataclass(frozen=True)
class Writing:
    """What all tools share."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder of the results; the sub-folders of the pictures are kept in it."""
    format: Literal["png", "tiff", "webp", "jpg", "npy"] = "png"
    """png keeps 8 and 16 bits, tiff and npy real numbers and any number of channels; jpg loses detail."""
    workers: int | None = None
    """Pictures worked on at once; by default the number of cores."""
    overwrite: bool = False
    """Replace files that are there."""
    dry_run: bool = False
    """Say what would be written, and write nothing."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a picture that cannot be used means: an error in the end, or that it is left out and named."""


# A tool's field of this kind is named `config`: it is by that name that the parser knows options without a prefix.
Common = Annotated[Writing, tyro.conf.arg(name="")]
Folder = Annotated[Path, tyro.conf.Positional]


class Job(NamedTuple):
    """One picture, or one pair, of a tool's work.

    Attributes:
        name: of the picture in its folder, with sub-folders, without ending.
        sources: the files that it is made of.
        targets: the files that are made.
    """

    name: str
    sources: tuple[Path, ...]
    targets: tuple[Path, ...]


class Made(NamedTuple):
    """What became of a job.

    Attributes:
        pictures: (h, w, c) for each target.
        note: anything that the tool wants to know in the end.
    """

    pictures: tuple[np.ndarray, ...]
    note: Any = None


def list_pictures(folder: Path) -> list[tuple[str, Path]]:
    """All pictures of a folder and its sub-folders: (path in it without ending, file), in natural order.

    Raises:
        UserError: the folder is missing or has none, or two have the same name.
    """
    refuse_no_folder(folder)
    found = [(name, files["picture"]) for name, files in match_folders({"picture": folder})]
    if not found:
        raise UserError(f"the folder {folder} holds no pictures: give one with {_suffixes()} files.")
    return found


def list_pairs(a: Path, b: Path, alone: list[str] | None) -> list[Files]:
    """The pictures of the same names in two folders, see `layout.match_folders`.

    Raises:
        UserError: a folder is missing, or no two names match, or a picture has no counterpart.
    """
    refuse_no_folder(a)
    refuse_no_folder(b)
    found = match_folders({"A": a, "B": b}, alone=alone)
    if not found:
        raise UserError(f"no picture in {a} has the name of one in {b}: give two folders with the same names.")
    return found


def refuse_no_folder(folder: Path) -> None:
    """Raises ValueError if there is no such folder."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"the folder {folder} {what}: give a folder of pictures.")


def _suffixes() -> str:
    return ", ".join(sorted(pictures.SUFFIXES))


def simple_jobs(folder: Path, options: Writing, *, under: Sequence[str] = ("",)) -> list[Job]:
    """One job for each picture of a folder, with a target of the same name in every folder named, below the output.

    Raises:
        UserError: as for `list_pictures`.
    """
    return [
        Job(name, (file,), tuple(options.output / part / f"{name}.{options.format}" for part in under))
        for name, file in list_pictures(folder)
    ]


def run(
    jobs: Sequence[Job],
    make: Callable[[Job], Made],
    options: Writing,
    *,
    folders: Sequence[Path],
    doing: str,
    write: Callable[[Path, np.ndarray], None] | None = None,
    left_out: Sequence[str] = (),
) -> list[Any]:
    """Does the jobs and writes their pictures; with `dry_run` only says which.

    Args:
        jobs: what to do.
        make: does one; whatever cannot be done raises ValueError.
        options: where and how to write.
        folders: the input folders.
        doing: what the progress bar says.
        write: how to write a picture; by default in the format of its name.
        left_out: what was wrong with pictures that are no jobs, to be named in the end.

    Returns:
        the notes of the jobs that were done, in order; of a dry run none.

    Raises:
        UserError: the output lies in an input folder, files exist, or a job failed and `on_error` is not "skip".
    """
    if options.workers is not None and options.workers < 1:
        raise UserError(f"--workers was given {options.workers}: it must be at least 1.")
    _refuse_targets(jobs, options, folders)
    console = open_console()
    if options.dry_run:
        targets = [target for job in jobs for target in job.targets]
        console.print(f"{len(targets)} files would be written; the first of them:")
        for target in targets[:5]:
            console.print(f"  {target}")
        return []
    work = partial(_do, make=make, write=write or _write)
    results: list[tuple[Made | None, str]] = []
    pool = ThreadPoolExecutor(options.workers or os.cpu_count() or 1)
    try:
        with progress_bar(console) as bar:
            results += bar.track(pool.map(work, jobs), total=len(jobs), description=doing)
    finally:  # Ctrl-C, or a full disk: what is under way is finished, what is not begun is left
        pool.shutdown(cancel_futures=True)
    done = [made for made, _ in results if made]
    failures = [sentence for made, sentence in results if made is None]
    if failures and (options.on_error == "stop" or not done):
        rest = ", and the others were written" if done else ""
        raise UserError(f"{failures[0].rstrip('.')} ({len(failures)} of {len(jobs)} could not be used{rest}).")
    written = sum(len(job.targets) for job, (made, _) in zip(jobs, results, strict=True) if made)
    console.print(f"{written} files written to {options.output}.")
    skipped = [*left_out, *failures]
    if skipped:
        console.print(f"{len(skipped)} left out:")
        for sentence in skipped:
            console.print(f"  {sentence}")
    return [made.note for made in done]


def _write(path: Path, pixels: np.ndarray) -> None:
    write_picture(path, pixels, **ENCODER.get(path.suffix, {}))


def _do(job: Job, *, make: Callable[[Job], Made], write: Callable[[Path, np.ndarray], None]) -> tuple[Made | None, str]:
    """What was made, without its pictures, or what was wrong."""
    try:
        made = make(job)
        for path, pixels in zip(job.targets, made.pictures, strict=True):
            write(path, pixels)
    except ValueError as error:
        sentence = str(error)
        return None, sentence if str(job.sources[0]) in sentence else f"{job.sources[0]}: {sentence}"
    return Made((), made.note), ""


def _refuse_targets(jobs: Sequence[Job], options: Writing, folders: Sequence[Path]) -> None:
    output = options.output.resolve()
    for folder in folders:
        if output == folder.resolve() or folder.resolve() in output.parents:
            raise UserError(
                f"--output was given {options.output}, which lies in the input {folder}, where results would be taken for "
                "pictures: give a folder beside it."
            )
    sources = {source.resolve() for job in jobs for source in job.sources}
    makers: dict[Path, Job] = {}
    existing = []
    for job in jobs:
        for target in job.targets:
            if target in makers:
                both = f"{makers[target].sources[0]} and {job.sources[0]}"
                raise UserError(f"{both} would both be written to {target}: rename one.")
            makers[target] = job
            if os.path.lexists(target):
                existing.append(target)
                if target.resolve() in sources:
                    raise UserError(f"{target} is one of the pictures read: give another --output.")
    if existing and not options.overwrite:
        raise UserError(
            f"{existing[0]} exists already, and {len(existing)} of {len(makers)} files do: give another --output, or "
            "--overwrite to replace them."
        )


def read(path: Path, *, indices: bool = False) -> Picture:
    """Decodes a picture file, see `pictures.decode`."""
    return decode(of_file(path), indices=indices, otherwise=", or leave such files out with --on-error skip")

"""Running a tool over a folder: finds the pictures, checks the results' paths, works in threads, and collects errors."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from p2p_jax.data.matching import match_folders
from p2p_jax.data.pictures import SUFFIXES, Picture, decode, of_file, write_picture
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import check_outputs
from p2p_jax.limits.budget import DECODING

ENCODER: dict[str, dict[str, Any]] = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True, "exact": True}}

OnProgress = Callable[[int, int], Any]
"""Called with (pictures done, pictures in all) after each picture."""

MAX_WORKERS = 1024


@dataclass(frozen=True)
class Writing:
    """How a tool writes its results."""

    format: Literal["png", "tiff", "webp", "jpg", "npy"] = "png"
    """png keeps 8 and 16 bits; tiff and npy also keep floating-point numbers and any number of channels; jpg is lossy."""
    workers: int | None = None
    """Number of pictures that are processed at the same time; by default the number of CPU cores."""
    overwrite: bool = False
    """Replace files that exist."""
    dry_run: bool = False
    """List the files that would be written, and write none."""
    on_error: Literal["stop", "skip"] = "stop"
    """What to do if pictures cannot be used. stop: process the others, then end with an error; skip: the same without an
    error, and list the skipped pictures."""


DEFAULT = Writing()


class Job(NamedTuple):
    """One picture, or one pair, that a tool processes.

    Attributes:
        name: of the picture in its folder, with sub-folders, without ending.
        sources: the files that are read.
        targets: the files that are written.
    """

    name: str
    sources: tuple[Path, ...]
    targets: tuple[Path, ...]


class Made(NamedTuple):
    """The result of a job.

    Attributes:
        pictures: (h, w, c) for each target.
        note: a value that the tool needs at the end.
    """

    pictures: tuple[np.ndarray, ...]
    note: Any = None


class Result(NamedTuple):
    """The result of a tool.

    Attributes:
        files: that were written, or in a dry run those that would be.
        skipped: a sentence for each picture that could not be used.
        notes: sentences about all pictures together.
    """

    files: tuple[Path, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def list_pictures(folder: Path) -> list[tuple[str, Path]]:
    """All pictures of a folder and its sub-folders: [(path in it without ending, file)], in natural order.

    Raises:
        UserError: the folder is missing or holds no pictures, or two have the same name.
    """
    refuse_missing_folder(folder)
    found = [(name, files["picture"]) for name, files in match_folders({"picture": folder})]
    if not found:
        raise UserError(f"the folder {folder} holds no pictures: give one with {', '.join(sorted(SUFFIXES))} files.")
    return found


def refuse_missing_folder(folder: Path) -> None:
    """Raises UserError if there is no such folder."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"the folder {folder} {what}: give a folder of pictures.")


def simple_jobs(folder: Path, output: Path, writing: Writing, *, below: Sequence[str] = ("",)) -> list[Job]:
    """One job for each picture of a folder, with a target of the same name in each of the folders `below` the output.

    Raises:
        UserError: as for `list_pictures`.
    """
    return [
        Job(name, (file,), tuple(output / part / f"{name}.{writing.format}" for part in below))
        for name, file in list_pictures(folder)
    ]


def read(path: Path, *, indices: bool = False) -> Picture:
    """Decodes a picture file, see `pictures.decode`."""
    return decode(of_file(path), indices=indices, otherwise=", or skip such files with --on-error skip")


def run_jobs(
    jobs: Sequence[Job],
    make: Callable[[Job], Made],
    output: Path,
    writing: Writing,
    *,
    inputs: Sequence[Path],
    write: Callable[[Path, np.ndarray], None] | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Result, list[Any]]:
    """Runs jobs in threads and writes their pictures; in a dry run it only lists them.

    Args:
        jobs: to run.
        make: runs one job; raises UserError for a picture that cannot be used.
        output: folder of the targets.
        writing: how to write.
        inputs: the input folders.
        write: writes one picture; by default in the format of its name.
        on_progress: see `OnProgress`.

    Returns:
        The result, and the notes of the successful jobs in order.

    Raises:
        UserError: `outputs.check_outputs` refuses the results, or a job failed and `on_error` is not "skip".
    """
    if writing.workers is not None and not 1 <= writing.workers <= MAX_WORKERS:
        limit = "at least 1" if writing.workers < 1 else f"at most {MAX_WORKERS}"
        raise UserError(f"--workers was given {writing.workers}: it must be {limit}.")
    _refuse_targets(jobs, output, writing, inputs)
    if writing.dry_run:
        return Result(tuple(target for job in jobs for target in job.targets)), []
    work = partial(_run_job, make=make, write=write or _write)
    results: list[tuple[Made | None, str]] = []
    pool = ThreadPoolExecutor(writing.workers or os.cpu_count() or 1)
    try:
        for done, result in enumerate(pool.map(work, jobs), start=1):
            results.append(result)
            if on_progress:
                on_progress(done, len(jobs))
    finally:  # after Ctrl-C or with a full disk, running jobs are finished and waiting ones are not started
        pool.shutdown(cancel_futures=True)
    made = [made for made, _ in results if made]
    failures = tuple(sentence for made, sentence in results if made is None)
    if failures and (writing.on_error == "stop" or not made):
        rest = ", and the others were written" if made else ""
        raise UserError(f"{failures[0].rstrip('.')} ({len(failures)} of {len(jobs)} could not be used{rest}).")
    written = tuple(target for job, (made, _) in zip(jobs, results, strict=True) if made for target in job.targets)
    return Result(written, failures), [each.note for each in made]


def _write(path: Path, pixels: np.ndarray) -> None:
    write_picture(path, pixels, **ENCODER.get(path.suffix, {}))


@DECODING.job()
def _run_job(
    job: Job, *, make: Callable[[Job], Made], write: Callable[[Path, np.ndarray], None]
) -> tuple[Made | None, str]:
    """Runs a job and returns (its result without pictures, "") or (None, the error in a sentence)."""
    try:
        made = make(job)
        for path, pixels in zip(job.targets, made.pictures, strict=True):
            write(path, pixels)
    except UserError as error:
        sentence = str(error)
        return None, sentence if str(job.sources[0]) in sentence else f"{job.sources[0]}: {sentence}"
    return Made((), made.note), ""


def _refuse_targets(jobs: Sequence[Job], output: Path, writing: Writing, inputs: Sequence[Path]) -> None:
    makers: dict[Path, tuple[Path, ...]] = {}
    for job in jobs:
        for target in job.targets:
            if target in makers:
                both = f"{makers[target][0]} and {job.sources[0]}"
                raise UserError(f"{both} would both be written to {target}: rename one.")
            makers[target] = job.sources
    check_outputs(output, makers, inputs=inputs, existing="replace" if writing.overwrite else "refuse")

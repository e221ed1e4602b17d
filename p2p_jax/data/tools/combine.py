"""The tool `combine`: two folders into side-by-side pictures."""

from pathlib import Path

from p2p_jax.data.matching import match_folders
from p2p_jax.data.resizing import Method, resize
from p2p_jax.data.tools.arrays import join_halves
from p2p_jax.data.tools.runner import DEFAULT, Job, Made, OnProgress, Result, Writing, read, refuse_missing_folder, run_jobs
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path


def combine_folders(
    a_folder: str | Path,
    b_folder: str | Path,
    output: str | Path,
    *,
    resize_b: bool = False,
    method: Method = "bicubic",
    writing: Writing = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Result:
    """Puts the pictures of two folders that have the same name side by side, A at the left.

    Args:
        a_folder, b_folder: of pictures with the same names; sub-folders are included.
        output: folder of the results.
        resize_b: whether to resize B to the size of A where they differ.
        method: of `resize_b`, see `resizing.resize`; labels need "nearest".
        writing: format, threads, and what to do about existing files and mistakes; pictures without a counterpart count as
            mistakes.
        on_progress: see `runner.OnProgress`.

    Raises:
        UserError: a folder is missing, no names match, files exist, or pictures cannot be used.
    """
    a_folder, b_folder, output = Path(a_folder), Path(b_folder), as_path(output, "--output")
    for folder in (a_folder, b_folder):
        refuse_missing_folder(folder)
    unmatched: list[str] | None = [] if writing.on_error == "skip" else None
    found = match_folders({"A": a_folder, "B": b_folder}, unmatched=unmatched)
    if not found:
        raise UserError(
            f"no picture in {a_folder} has the name of one in {b_folder}: give two folders with the same names."
        )

    def make(job: Job) -> Made:
        a, b = map(read, job.sources)
        if a.pixels.shape[:2] != b.pixels.shape[:2]:
            if not resize_b:
                raise UserError(_describe_sizes(job, a.pixels.shape, b.pixels.shape))
            b = b._replace(pixels=resize(b.pixels, a.pixels.shape[:2], method))
        return Made((join_halves(a, b),))

    jobs = [Job(name, (files["A"], files["B"]), (output / f"{name}.{writing.format}",)) for name, files in found]
    result, _ = run_jobs(jobs, make, output, writing, inputs=[a_folder, b_folder], on_progress=on_progress)
    return result._replace(skipped=(*(unmatched or ()), *result.skipped))


def _describe_sizes(job: Job, a: tuple[int, ...], b: tuple[int, ...]) -> str:
    return (
        f"{job.sources[0]} has {a[1]} x {a[0]} pixels but {job.sources[1]} has {b[1]} x {b[0]}: make them the same size, "
        "or give --resize-b."
    )

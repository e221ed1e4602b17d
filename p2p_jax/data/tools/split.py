"""The tool `split`: side-by-side pictures into folders A and B."""

from pathlib import Path

import numpy as np

from p2p_jax.data.names import SPLITS
from p2p_jax.data.tools.arrays import cut_halves
from p2p_jax.data.tools.runner import DEFAULT, Job, Made, OnProgress, Result, Writing, list_pictures, read, run_jobs
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path


def split_pairs(
    folder: str | Path,
    output: str | Path,
    *,
    val_fraction: float = 0.0,
    test_fraction: float = 0.0,
    seed: int = 0,
    writing: Writing = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Result:
    """Cuts side-by-side pictures into folders A and B; pictures in train, val and test into trainA, trainB and so on.

    Args:
        folder: of side-by-side pictures, in it or in train, val and test.
        output: folder of the results.
        val_fraction, test_fraction: fractions of the pairs that are drawn at random for val and test.
        seed: of the draw.
        writing: format, threads, and what to do about existing files and mistakes.
        on_progress: see `runner.OnProgress`.

    Raises:
        UserError: a value is out of range, fractions were given for pictures that are in train, val and test already, a
            folder is missing, files exist, or pictures cannot be used.
    """
    for name, fraction in (("val", val_fraction), ("test", test_fraction)):
        if not 0 <= fraction < 1 or val_fraction + test_fraction >= 1:
            raise UserError(f"--{name}-fraction was given {fraction}: both fractions are from 0 to 1, together below 1.")
    if seed < 0:
        raise UserError(f"--seed was given {seed}: it must be at least 0.")
    folder, output = Path(folder), as_path(output, "--output")
    pictures = list_pictures(folder)
    names = [name for name, _ in pictures]
    places = _find_splits(folder, names, drawn=val_fraction > 0 or test_fraction > 0)
    if val_fraction > 0 or test_fraction > 0:
        places = _draw_splits(names, val_fraction, test_fraction, seed)

    def make(job: Job) -> Made:
        return Made(cut_halves(read(job.sources[0]).pixels))

    jobs = [
        Job(name, (file,), tuple(output / f"{split}{side}" / f"{rest}.{writing.format}" for side in "AB"))
        for (name, file), (split, rest) in zip(pictures, places, strict=True)
    ]
    return run_jobs(jobs, make, output, writing, inputs=[folder], on_progress=on_progress)[0]


def _find_splits(folder: Path, names: list[str], *, drawn: bool) -> list[tuple[str, str]]:
    """[(split, name in it)] by the folders of the pictures; "" where there are no splits.

    Raises:
        UserError: there are folders of splits, and pictures outside of them or splits to be drawn.
    """
    words = {word: name for name, words in SPLITS.items() for word in words}
    firsts = [name.partition("/")[0] for name in names]
    given = [first in words and "/" in name for first, name in zip(firsts, names, strict=True)]
    if any(given) and (drawn or not all(given)):
        instead = (
            "and fractions were given: omit the fractions" if drawn else "and pictures outside of these: move them there"
        )
        raise UserError(f"{folder} has folders for splits, such as {firsts[given.index(True)]}, {instead}.")
    if any(given):
        return [(words[first], name.partition("/")[2]) for first, name in zip(firsts, names, strict=True)]
    return [("", name) for name in names]


def _draw_splits(names: list[str], val_fraction: float, test_fraction: float, seed: int) -> list[tuple[str, str]]:
    """[(split, name)], with the splits drawn at random."""
    test, val = (round(fraction * len(names)) for fraction in (test_fraction, val_fraction))
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = dict.fromkeys(order[:test], "test") | dict.fromkeys(order[test : test + val], "val")
    return [(chosen.get(i, "train"), name) for i, name in enumerate(names)]

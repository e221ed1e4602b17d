"""Translates picture files with the run in a workdir."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.config import Side
from p2p_jax.config.numbers import LARGEST_SEED
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import Existing, as_path, check_outputs
from p2p_jax.inference.translate import Mode, Translator, load
from p2p_jax.inference.translate_files import Inputs, find_pictures, results_of, translate_files


class Translated(NamedTuple):
    """The result of `translate`.

    Attributes:
        written: the files that were written, in order.
        unreadable: one sentence for each picture that could not be read.
        skipped: number of pictures whose results existed already.
        notes: what the user should know about the folders of inputs, in sentences.
    """

    written: list[Path]
    unreadable: list[str]
    skipped: int
    notes: list[str]


def translate(
    run: str | Path | Translator,
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    mode: Mode = "picture",
    native: bool | None = None,
    checkpoint_step: int | str = "latest",
    batch_size: int = 8,
    suffix: str | None = None,
    seed: int = 0,
    skip_existing: bool = False,
    overwrite: bool = False,
    clip: bool = False,
    as_is: bool = False,
    trust: bool = False,
    build: Callable[[Any], Any] | None = None,
    share: tuple[int, int] = (0, 1),
    on_written: Callable[[int, int], Any] = lambda done, total: None,
) -> Translated:
    """Translates picture files. Each result has the size and the name of its picture.

    Args:
        run: a workdir (a folder or a URL of a bucket), or a translator from `load`.
        inputs: a picture or a folder of pictures, or several of them.
        output: folder for the results; made if it does not exist. It must not lie in a folder of inputs.
        mode: as for `load`; used where `run` is a workdir.
        native: keep the scale of the pictures (True), or resize to the size of training and back (False). By default
            imported networks keep the scale.
        checkpoint_step: "latest", "best" or a step number; used where `run` is a workdir.
        batch_size: pictures at once, at least 1.
        suffix: of the results, such as ".png", which chooses their format; by default .png, or .tiff where PNG cannot hold
            the values.
        seed: of the dropout in mode "reference".
        skip_existing: skip pictures whose results exist, to resume a stopped call.
        overwrite: replace results that exist. Without one of these two, existing results are refused.
        clip: whether values beyond the range of training become the nearest ones in it; otherwise such pictures are not
            translated.
        as_is: translate all pictures of a folder that is laid out as for training; otherwise only its inputs.
        trust, build: as for `load`; used where `run` is a workdir.
        share: (index of this process, number of processes): each process translates some of the pictures.
        on_written: called with the number of pictures that are done, and the total number.

    Returns:
        the files that were written, and a sentence for each picture that could not be read.

    Raises:
        UserError: an input does not exist, a result exists already or would replace an input, the output lies in an input,
            or the format cannot hold the result.

    Example:
        >>> import p2p_jax
        >>> translated = p2p_jax.translate("runs/tiny", "new_pictures", "translated")
        >>> [path.name for path in translated.written]
        ['0.png', '1.png']
    """
    _check_numbers(batch_size, seed)
    if skip_existing and overwrite:
        raise UserError("both --skip-existing and --overwrite were given: give one of them.")
    existing: Existing = "skip" if skip_existing else "replace" if overwrite else "refuse"
    output = as_path(output, "--output")
    options: Any = {"checkpoint_step": checkpoint_step, "mode": mode, "trust": trust, "build": build}
    translator = run if isinstance(run, Translator) else load(run, **options)
    paths = [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    found = find_pictures(paths, translator.data, as_is=as_is)
    files = found.inputs[share[0] :: share[1]]
    results = _plan_results(files, paths, output, translator.data.target, suffix, existing)
    unreadable: list[str] = []
    written: list[Path] = []
    options = {"batch_size": min(batch_size, max(len(results), 1)), "seed": seed, "clip": clip}
    native = translator.native_by_default if native is None else native
    for path in translate_files(translator, results, native=native, on_unreadable=unreadable.append, **options):
        written.append(path)
        on_written(len(written) + len(unreadable), len(results))
    return Translated(written, unreadable, len(files) - len(results), found.notes)


def _plan_results(
    files: Sequence[Inputs], paths: Sequence[Path], output: Path, target: Side, suffix: str | None, existing: Existing
) -> dict[Path, Inputs]:
    """The files to write, with their inputs, after all of them were checked."""
    if target.kind == "labels" and suffix in (".jpg", ".webp"):
        raise UserError(f"labels cannot be written as {suffix}, which changes their values: write .png, .tiff or .npy.")
    results = results_of(files, output, target, suffix)
    read = {path: one.files for path, one in results.items()}
    found = check_outputs(output, read, inputs=paths, existing=existing, skippable=True)
    return {path: one for path, one in results.items() if existing != "skip" or path not in found}


def _check_numbers(batch_size: int, seed: int) -> None:
    if batch_size < 1:
        raise UserError(f"--batch-size was given {batch_size}: it must be at least 1.")
    if abs(seed) > LARGEST_SEED:
        raise UserError(f"--seed was given {seed}: it must be at most {LARGEST_SEED}.")

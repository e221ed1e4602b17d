"""Evaluates the run in a workdir, and writes its report."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from p2p_jax.errors import UserError
from p2p_jax.evaluation.evaluate import Figures, evaluate_translator
from p2p_jax.evaluation.report import write_report
from p2p_jax.evaluation.segmenter import load_segmenter
from p2p_jax.experiment import Experiment
from p2p_jax.files.outputs import as_path
from p2p_jax.inference.translate import Mode, load
from p2p_jax.workdir import lock
from p2p_jax.workdir.bucket.fetch import local_folder
from p2p_jax.workdir.checksums import checksums
from p2p_jax.workdir.record import load_experiment


def evaluate(
    workdir: str | Path,
    *,
    split: Literal["train", "val", "test"] | None = None,
    mode: Mode = "picture",
    checkpoint_step: int | str = "latest",
    metrics: Sequence[str] | None = None,
    inception: str | Path | None = None,
    segmenter: str | Path | None = None,
    data_path: str | Path | None = None,
    partial: str | Path | None = None,
    trust: bool = False,
    build: Callable[[Any], Any] | None = None,
    on_done: Callable[[int, int], object] = lambda done, total: None,
) -> Figures:
    """Measures a trained run, and baselines that need no network, on a split of its data.

    With several processes, each measures some of the pairs, and every process must call this function.

    Args:
        workdir: of the run; a folder, or its URL in a bucket.
        split: by default the first that exists of test, val and train.
        mode: as for `load`.
        checkpoint_step: "latest", "best" or a step number.
        metrics: of trained networks, to compute beside the others: "all", or names such as "lpips_alex", "kid_vgg16". By
            default "lpips_alex" and those of EfficientNet-Lite0, if their weights are installed.
        inception: the file with Inception's weights, which the metric "fid" needs.
        segmenter: workdir of a run that finds labels in pictures, such as one of the experiment `segmenter`: it tells how
            many of the input's labels can be recognised in the outputs, and in the real targets.
        data_path: where the pictures are now, if they were moved.
        partial: folder for partial results, from which the same evaluation resumes; it is empty once all is done.
        trust: run the experiment file in the workdir although somebody else put it there.
        build: the function `(config) -> Pix2Pix` that was given to `train`, if the run was trained from Python with one.
        on_done: called with the number of pairs that this process has measured, and the number that it has to measure.

    Returns:
        the figures of the translator and of the baselines, with intervals.

    Raises:
        UserError: the folder is no workdir, has no such checkpoint or split, or its pictures cannot be read.

    Example:
        >>> import p2p_jax
        >>> figures = p2p_jax.evaluate("runs/tiny", split="test")
        >>> figures.pairs
        1
        >>> sorted(figures.scores["translator"])
        ['colour_distance', 'haarpsi', 'l1', 'psnr', 'sharpness', 'ssim']
    """
    with local_folder(workdir) as folder:
        config = find_data(load_experiment(folder, trust=trust, build=build), folder, data_path).config
        translator = load(folder, checkpoint_step=checkpoint_step, mode=mode, trust=trust, build=build)
        identity = [translator.step, mode, checksums((translator.params, translator.state))]
        return evaluate_translator(
            config,
            translator,
            split,
            step=translator.step,
            metrics=metrics,
            inception=None if inception is None else as_path(inception, "--inception"),
            segmenter=None if segmenter is None else load_segmenter(segmenter, config),
            partial=None if partial is None else as_path(partial, "--partial"),
            identity=identity,
            on_done=on_done,
        )


def report(
    workdir: str | Path,
    *,
    checkpoint_step: int | str = "latest",
    data_path: str | Path | None = None,
    trust: bool = False,
    build: Callable[[Any], Any] | None = None,
) -> Path:
    """Evaluates a run and writes its report, `WORKDIR/report/index.html`: pages that need no other file.

    Args:
        workdir: of the run; a folder, or its URL in a bucket.
        checkpoint_step: "latest", "best" or a step number.
        data_path: where the pictures are now, if they were moved.
        trust: run the experiment file in the workdir although somebody else put it there.
        build: the function `(config) -> Pix2Pix` that was given to `train`, if the run was trained from Python with one.

    Returns:
        the path of the page. For a bucket it is a path inside the local copy, whose files have been uploaded.

    Raises:
        UserError: as for `evaluate`, or another process writes into the workdir.

    Example:
        >>> import p2p_jax
        >>> p2p_jax.report("runs/tiny").name
        'index.html'
    """
    with local_folder(workdir, upload=True) as folder:
        experiment = find_data(load_experiment(folder, trust=trust, build=build), folder, data_path)
        with lock.hold(folder):
            translator = load(folder, checkpoint_step=checkpoint_step, trust=trust, build=build)
            return write_report(folder, experiment, translator, translator.step)[0]


def find_data(experiment: Experiment, workdir: Path, data_path: str | Path | None) -> Experiment:
    """The experiment of a workdir, with the current place of its pictures.

    Args:
        experiment: as stored in the workdir.
        workdir: the workdir, for messages.
        data_path: the new place of the pictures, or None if they were not moved.

    Raises:
        UserError: the run was imported without data, and no path is given.
    """
    config = experiment.config
    if data_path is None:
        if config.data.source == "folder" and config.data.path is None and config.data.tfds is None:
            raise UserError(f"the networks in {workdir} were imported without data: give --data-path FOLDER.")
        return experiment
    return experiment._replace(config=replace(config, data=replace(config.data, path=str(data_path))))

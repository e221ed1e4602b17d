"""Measures a translator, and two baselines that need no training, on a split."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax.config import Config, Side, count_channels
from p2p_jax.config.derived import named_classes
from p2p_jax.config.tree import to_dict
from p2p_jax.data.arriving import expect
from p2p_jax.data.fit import Fit, fit_of_evaluation
from p2p_jax.data.loading import describe_data, open_dataset
from p2p_jax.data.pairs import Example, Pairs
from p2p_jax.data.resizing import resize
from p2p_jax.data.sides import show
from p2p_jax.data.values import to_255
from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.registry import METRICS
from p2p_jax.evaluation.partial_sums import PartialSums
from p2p_jax.evaluation.scoring import Predictor, Scores, Translate, add_scores, columns_for, scaled


class Figures(NamedTuple):
    """How good a translator is on a split.

    Attributes:
        step: of the checkpoint.
        split: "train", "val" or "test".
        pairs: number of pairs that were measured.
        replaced: number of unreadable pairs among them, which other pairs replaced.
        scores: for "translator", "input itself" and "mean training target" the metrics of `registry.METRICS` that suit the
            target: "l1" (in the scale [-1, 1]), "psnr" (dB), "ssim" (at most 1) and others. Most are means over all pairs.
        notes: sentences on metrics that some pairs do not have.
    """

    step: int
    split: str
    pairs: int
    replaced: int
    scores: dict[str, Scores]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The figures in the form of `report/figures.json` and `evaluate --json`."""
        return {
            "step": self.step, "split": self.split, "pairs": self.pairs, "replaced": self.replaced, "figures": self.scores,
            "notes": list(self.notes),
        }  # fmt: skip


def translate_all(translate: Translate, examples: Sequence[Example], *, batch_size: int = 8) -> list[Any]:
    """Translates the inputs of some examples, in batches if they have one size, otherwise one by one.

    The last batch is padded with copies, so that the program compiled for `scoring.score` can be used again.
    """
    inputs = [example["input"] for example in examples]
    if len({picture.shape for picture in inputs}) > 1:
        return [translate(picture[None])[0] for picture in inputs]
    outputs: list[Any] = []
    for start in range(0, len(inputs), batch_size):
        chosen = inputs[start : start + batch_size]
        outputs += list(translate(np.stack(chosen + [chosen[-1]] * (batch_size - len(chosen))))[: len(chosen)])
    return outputs


def mean_target(pairs: Pairs, fit: Fit, target: Side, *, count: int = 1000) -> np.ndarray:
    """The rounded mean of the first `count` targets of a split on the scale 0 to 255: float32 (height, width, c')."""
    number = min(count, pairs.count())
    total: Any = 0.0
    indices = processes.own_indices(number)
    expect(pairs, indices)
    for index in indices or (0,):  # a process without a pair reads one for its shape, and adds 0
        picture = np.asarray(to_255(target, jnp.asarray(pairs.read(index, fit)["target"])))
        picture = picture if fit.fixed else resize(picture, fit.size, "bilinear")
        total = total + (index in indices) * picture.astype(np.float64)
    return np.round(processes.sum_over_processes(total) / number).astype(np.float32)


def baselines(train: Pairs, config: Config) -> dict[str, Predictor]:
    """Two predictors that a translator has to beat: the input itself, and the mean target of training."""
    fit, source, target = fit_of_evaluation(config), config.data.input, config.data.target
    mean = mean_target(train, fit, target)
    channels = mean.shape[-1]

    def input_itself(pictures: np.ndarray) -> Any:
        if count_channels(source) == channels:
            return to_255(source, jnp.asarray(pictures))
        seen = np.stack([show(source, picture)[0] for picture in pictures])
        grey = np.round(seen.mean(-1, keepdims=True)).astype(np.uint8)
        return np.repeat(grey, channels, axis=-1)

    def mean_of_training(pictures: np.ndarray) -> np.ndarray:
        fitting = resize(mean, pictures.shape[1:3], "bilinear")
        return np.broadcast_to(fitting, (len(pictures), *fitting.shape))

    return {"input itself": input_itself, "mean training target": mean_of_training}


def choose_split(splits: Mapping[str, Any], alone: Mapping[str, int], split: str | None, path: str) -> str:
    """Returns the split that was asked for, or the first that exists of test, val and train.

    Args:
        splits: by their names.
        alone: {split: number of pictures} for splits that hold inputs without targets.
        split: the name that was asked for, or None.
        path: of the data, for the message.

    Raises:
        UserError: there is no such split, or its pictures have no targets.
    """
    if split is not None and split in alone:
        raise UserError(
            f"the {alone[split]} pictures of {split} in {path} have no targets, so they cannot be scored: translate them, "
            f"or give --split {' or '.join(splits)}."
        )
    if split is None:
        return next(name for name in ("test", "val", "train") if name in splits)
    if split not in splits:
        raise UserError(f"{path} has no split {split}: it has {', '.join(splits)}.")
    return split


def sample_split(splits: dict[str, Any]) -> str:
    """The split whose first pairs the sample grids show during training: val, or train if there is no val."""
    return "val" if "val" in splits else "train"


def evaluate_translator(
    config: Config,
    translate: Translate,
    split: str | None = None,
    *,
    step: int,
    partial: Path | None = None,
    identity: Any = None,
    on_done: Callable[[int, int], object] = lambda done, total: None,
) -> Figures:
    """Evaluates a translator and both baselines on a split of an experiment's data, at the picture size of training.

    With several processes, each measures some of the pairs, and every process must call this function.

    Args:
        config: of the experiment.
        translate: the translator.
        split: "train", "val" or "test"; by default the first that exists of test, val and train.
        step: of the checkpoint from which the translator was loaded.
        partial: folder for partial sums, from which the same evaluation resumes; it is empty at the end.
        identity: of the translator, as JSON; partial sums of another translator are not used.
        on_done: called with the number of pairs that this process has measured, and the number that it has to measure.

    Returns:
        the figures of the translator and of both baselines.

    Raises:
        UserError: the data do not exist, or lack the split.
    """
    dataset = open_dataset(config)
    split = choose_split(dataset.splits, dataset.alone, split, describe_data(config.data))
    pairs, target = dataset.splits[split], config.data.target
    predictors = {"translator": scaled(translate, target), **baselines(dataset.splits["train"], config)}
    indices, fit = processes.own_indices(pairs.count()), fit_of_evaluation(config)
    key = [identity, to_dict(config.data), config.image_size, dataset.fingerprint, split, indices.start, indices.stop]
    key.append(jax.process_index())  # because several processes may have the same empty range of indices
    columns = columns_for(target)
    sums = PartialSums((len(predictors), columns.count), partial, key, columns.titles)
    report_done = lambda done: on_done(done, len(indices))
    report_done(sums.done)
    unlabelled = [] if named_classes(config.data.input) == named_classes(target) else [1]  # the input itself
    add_scores(
        sums, columns, pairs, indices, [*predictors.values()], fit, target, without_labels=unlabelled, on_done=report_done
    )
    total = processes.sum_over_processes(sums.sums)
    replaced = int(processes.sum_over_processes(np.array([len(sums.replaced)], np.float64))[0])
    sums.remove()  # only now, when all processes have finished
    scores = {name: columns.scores(row) for name, row in zip(predictors, total, strict=True)}
    return Figures(step, split, pairs.count(), replaced, scores, _notes(target, columns.pairs(total[0])))


def _notes(target: Side, pairs: dict[str, int]) -> tuple[str, ...]:
    """Sentences on the metrics that fewer pairs have than L1, and on those that do not suit the channels."""
    notes = []
    for name, metric in METRICS.items():
        if name in pairs and pairs[name] < pairs["l1"]:
            have = f"only {pairs[name]} of {pairs['l1']} pairs have" if pairs[name] else "no pair has"
            notes.append(f"{metric.title}: {have} it, because {metric.undefined}.")
        elif name not in pairs and target.kind == "image" and "colour" in metric.needs:
            notes.append(f"{metric.title} is not computed: its targets must be {metric.needs}s.")
    return tuple(notes)


def remarks(figures: Figures) -> list[str]:
    """Explains how to read the figures, in paragraphs: what was measured, each metric, and what to rely on."""
    replaced = f" ({figures.replaced} of them unreadable and replaced by others)" if figures.replaced else ""
    used = [METRICS[name] for name in figures.scores["translator"] if name in METRICS]
    return [
        f"Figures of {figures.pairs} pairs of the split '{figures.split}'{replaced}.",
        *(f"{metric.title}{f' ({metric.unit})' if metric.unit else ''}: {metric.meaning}" for metric in used),
        *figures.notes,
        "If the input does not determine the colours of the target (labels to photos), L1 and PSNR hardly distinguish a "
        "translator from the mean picture: rely on the others and on your eyes.",
    ]


def figures_table(figures: Figures) -> list[list[str]]:
    """The figures as a table: a row of titles, then a row for each metric, with a column that says what is better."""
    names = list(dict.fromkeys(name for scores in figures.scores.values() for name in scores))
    rows = [["", *figures.scores, "better"]]
    for name in names:
        metric = METRICS[name]
        values = [scores.get(name) for scores in figures.scores.values()]
        cells = ["-" if value is None else f"{value:.{metric.digits}f}" for value in values]
        rows.append([metric.title, *cells, metric.best])
    return rows

"""Measures a translator, and two baselines that need no training, on a split."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax.config import Config, Side, count_channels
from p2p_jax.config.tree import to_dict
from p2p_jax.data.arriving import expect
from p2p_jax.data.fit import Fit, fit_of_evaluation
from p2p_jax.data.loading import describe_data, open_dataset
from p2p_jax.data.pairs import Example, Pairs, Replacing, read_batch
from p2p_jax.data.resizing import resize
from p2p_jax.data.sides import show
from p2p_jax.data.values import needs_scaling, to_255
from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.evaluation import metrics
from p2p_jax.evaluation.partial_sums import PartialSums

Scores = dict[str, float]
"""{"l1": in the scale [-1, 1], "psnr": in decibels, "ssim": at most 1}."""


class Figures(NamedTuple):
    """How good a translator is on a split.

    Attributes:
        step: of the checkpoint.
        split: "train", "val" or "test".
        pairs: number of pairs that were measured.
        replaced: number of unreadable pairs among them, which other pairs replaced.
        scores: for "translator", "input itself" and "mean training target" the mean L1 (in the scale [-1, 1]), PSNR (dB)
            and SSIM (at most 1) over all pairs.
    """

    step: int
    split: str
    pairs: int
    replaced: int
    scores: dict[str, Scores]

    def as_json(self) -> dict[str, Any]:
        """The figures in the form of `report/figures.json` and `evaluate --json`."""
        return {
            "step": self.step, "split": self.split, "pairs": self.pairs, "replaced": self.replaced, "figures": self.scores,
        }  # fmt: skip


Translate = Callable[[np.ndarray], np.ndarray | jax.Array]
"""A function from stored values of inputs (n, h, w, c) to those of outputs (n, h, w, c')."""

Predictor = Callable[[np.ndarray], Any]
"""A function from stored values of inputs (n, h, w, c) to outputs on the scale 0 to 255 (n, h, w, c')."""

METRICS = ("l1", "psnr", "ssim")

MAX_PSNR = 100.0
"""Upper limit of a picture's PSNR in decibels, as the PSNR of a picture equal to its target is infinite."""


COLUMNS = len(METRICS) + 1
"""Columns of the partial sums: one for each metric, and the number of pairs that have a score."""


@jax.jit
def _measure(pictures: jax.Array, targets: jax.Array, known: jax.Array | None) -> dict[str, jax.Array]:
    return {name: getattr(metrics, name)(pictures, targets, known) for name in METRICS}


def score(
    pairs: Pairs, translate: Translate, fit: Fit, target: Side = Side(), *, count: int | None = None, batch_size: int = 8
) -> Scores:
    """Computes the mean L1, PSNR and SSIM of a translator over the first `count` pairs of a split.

    Args:
        pairs: of the split.
        translate: the translator.
        fit: how pictures are brought to size.
        target: options of the target side.
        count: number of pairs; by default all.
        batch_size: pairs per call of the translator; changes the results only by rounding.

    Returns:
        {"l1": in the scale [-1, 1], "psnr": in decibels, "ssim": at most 1}.
    """
    total = pairs.count() if count is None else min(count, pairs.count())
    indices = processes.own_indices(total)
    partial = PartialSums((1, COLUMNS))
    add_scores(partial, pairs, indices, [_scaled(translate, target)], fit, target, batch_size=batch_size)
    return _as_scores(processes.sum_over_processes(partial.sums[0]))


def _scaled(translate: Translate, target: Side) -> Predictor:
    """The translator with outputs on the scale 0 to 255."""
    if not needs_scaling(target):
        return translate
    return lambda pictures: to_255(target, jnp.asarray(translate(pictures)))


def _as_scores(sums: np.ndarray) -> Scores:
    """The means of one row of sums over all processes. Pairs whose target is not known anywhere do not count."""
    return dict(zip(METRICS, map(float, sums[:-1] / max(sums[-1], 1)), strict=True))


def add_scores(
    partial: PartialSums,
    pairs: Pairs,
    indices: range,
    predictors: Sequence[Predictor],
    fit: Fit,
    target: Side,
    *,
    batch_size: int = 8,
    on_done: Callable[[int], object] = lambda done: None,
) -> None:
    """Adds the metrics of several predictors to partial sums, from the first pair on that is not in the sums yet.

    Each pair is read once for all predictors.

    Args:
        partial: sums of shape (predictors, COLUMNS); changed in place.
        pairs: of the split.
        indices: of the pairs to measure.
        predictors: to compare with the targets.
        fit: how pictures are brought to size.
        target: options of the target side.
        batch_size: pairs per call of a predictor.
        on_done: called with the number of pairs that are in the sums.
    """
    for batch, real in batches_of(pairs, fit, indices[partial.done :], batch_size):
        targets = to_255(target, jnp.asarray(batch["target"]))
        known = jnp.asarray(batch["known"], jnp.float32) / 255 if "known" in batch else None
        scored = np.asarray(known[:real, 5:-5, 5:-5]).any((1, 2, 3)) if known is not None else None
        for row, predictor in enumerate(predictors):
            # All outputs have one dtype, so that one compiled program measures all of them.
            measured = _measure(jnp.asarray(predictor(batch["input"]), jnp.float32), targets, known)
            for column, name in enumerate(METRICS):
                scores = np.minimum(np.asarray(measured[name])[:real], MAX_PSNR)
                partial.sums[row, column] += float(scores.sum() if scored is None else scores[scored].sum())
            partial.sums[row, -1] += real if scored is None else scored.sum()
        partial.done += real
        if isinstance(pairs, Replacing):
            partial.replaced |= pairs.skipped.keys() & set(indices)
        partial.save()
        on_done(partial.done)
    partial.save(now=True)


def batches_of(pairs: Pairs, fit: Fit, indices: range, batch_size: int) -> Iterator[tuple[Example, int]]:
    """Yields (batch, number of real pairs in it). All batches have one size: the last one is padded with copies."""
    batch_size = batch_size if fit.fixed else 1
    expect(pairs, indices)
    for start in range(0, len(indices), batch_size):
        chosen = list(indices[start : start + batch_size])
        real = len(chosen)
        yield read_batch(pairs, chosen + [chosen[-1]] * (batch_size - real), fit), real


def translate_all(translate: Translate, examples: Sequence[Example], *, batch_size: int = 8) -> list[Any]:
    """Translates the inputs of some examples, in batches if they have one size, otherwise one by one.

    The last batch is padded with copies, so that the program compiled for `score` can be used again.
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
    predictors = {"translator": _scaled(translate, target), **baselines(dataset.splits["train"], config)}
    indices, fit = processes.own_indices(pairs.count()), fit_of_evaluation(config)
    key = [identity, to_dict(config.data), config.image_size, dataset.fingerprint, split, indices.start, indices.stop]
    key.append(jax.process_index())  # because several processes may have the same empty range of indices
    sums = PartialSums((len(predictors), COLUMNS), partial, key)
    report_done = lambda done: on_done(done, len(indices))
    report_done(sums.done)
    add_scores(sums, pairs, indices, [*predictors.values()], fit, target, on_done=report_done)
    total = processes.sum_over_processes(sums.sums)
    replaced = int(processes.sum_over_processes(np.array([len(sums.replaced)], np.float64))[0])
    sums.remove()  # only now, when all processes have finished
    scores = {name: _as_scores(row) for name, row in zip(predictors, total, strict=True)}
    return Figures(step, split, pairs.count(), replaced, scores)


def remark(figures: Figures) -> str:
    """Explains how to read the figures."""
    replaced = f" ({figures.replaced} of them unreadable and replaced by others)" if figures.replaced else ""
    return (
        f"Means over {figures.pairs} pairs of the split '{figures.split}'{replaced}. For L1 (in the scale [-1, 1]) lower "
        "is better; for PSNR (dB) and SSIM higher is better. If the input does not determine the colours of the target "
        "(labels to photos), L1 and PSNR hardly distinguish a translator from the mean picture: rely on SSIM and on your "
        "eyes."
    )

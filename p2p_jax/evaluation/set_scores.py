"""Figures of sets of pictures: how far the outputs of a translator, all together, are from the targets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from p2p_jax.config import Side
from p2p_jax.data.fit import Fit
from p2p_jax.data.pairs import Pairs
from p2p_jax.data.values import to_255
from p2p_jax.devices import processes
from p2p_jax.evaluation.features.extract import Extract
from p2p_jax.evaluation.metrics.set_figures import SMALLEST, SetFigure
from p2p_jax.evaluation.metrics.trained import TrainedMetric
from p2p_jax.evaluation.partial_scores import PartialScores
from p2p_jax.evaluation.scoring import Predictor, batches_of

PAIRS = 1000
"""Pairs that figures of sets are computed from: the first ones of the split."""

REAL = "training targets"
"""The row of real pictures: the training targets in place of outputs. No translator is expected to be better."""

Found = dict[str, dict[str, SetFigure]]
"""{predictor: {metric: figure}}."""


def set_figures(
    metrics: Sequence[TrainedMetric],
    extract: Extract,
    features: int,
    splits: tuple[Pairs, Pairs],
    predictors: Mapping[str, Predictor],
    fit: Fit,
    target: Side,
    *,
    partial: Path | None = None,
    key: Any = None,
) -> Found:
    """Computes figures of sets on the features of one network.

    Args:
        metrics: of sets, all on features of the network.
        extract: the network.
        features: number of its features.
        splits: the pairs to predict, and the training pairs, of which the first ones are the real pictures.
        predictors: to compare with the targets.
        fit: how pictures are brought to size.
        target: options of the target side.
        partial: folder for partial results.
        key: of the partial results, as JSON.

    Returns:
        the figures of each predictor, and those of the training targets in place of outputs; {} for fewer than
        `set_figures.SMALLEST` pairs.
    """
    pairs, train = splits
    number, others = min(PAIRS, pairs.count()), min(PAIRS, pairs.count(), train.count())
    if number < SMALLEST:
        return {}
    rows = (*predictors.values(), None)
    of_pairs = _features(extract, features, pairs, number, rows, fit, target, partial, [key, "pairs"])
    *made, real = np.moveaxis(of_pairs, 1, 0)
    found = {
        name: {metric.name: _compare(metric, outputs, real, paired=True) for metric in metrics}
        for name, outputs in zip(predictors, made, strict=True)
    }
    if pairs is not train and others >= SMALLEST:
        targets = _features(extract, features, train, others, (None,), fit, target, partial, [key, "train"])[:, 0]
        found[REAL] = {metric.name: _compare(metric, targets, real, paired=False) for metric in metrics}
    return found


def _compare(metric: TrainedMetric, made: np.ndarray, real: np.ndarray, *, paired: bool) -> SetFigure:
    assert metric.compare is not None
    if not np.isfinite(made).all():
        return SetFigure(np.nan, np.nan, np.nan)
    return metric.compare(made, real, paired)


def _features(
    extract: Extract,
    features: int,
    pairs: Pairs,
    number: int,
    predictors: Sequence[Predictor | None],
    fit: Fit,
    target: Side,
    partial: Path | None,
    key: Any,
) -> np.ndarray:
    """The features of the outputs of each predictor, or of the targets for None: float64 (pairs, predictors, features)."""
    indices = processes.own_indices(number)
    key = [key, indices.start, indices.stop]
    table = PartialScores((len(indices), len(predictors), features), partial, key, [f"{features} features"])
    for batch, real in batches_of(pairs, fit, indices[table.done :], 8):
        for column, predictor in enumerate(predictors):
            pictures = to_255(target, jnp.asarray(batch["target"])) if predictor is None else predictor(batch["input"])
            found = extract(np.asarray(jnp.asarray(pictures, jnp.float32)))
            table.rows[table.done : table.done + real, column] = found[:real]
        table.done += real
        table.save()
    whole = np.zeros((number, *table.rows.shape[1:]))
    whole[indices.start : indices.stop] = table.rows
    whole = processes.sum_over_processes(whole)
    table.remove()
    return whole

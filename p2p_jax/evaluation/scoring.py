"""The scores of one or several predictors on the pairs of a split."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax.config import Side
from p2p_jax.config.derived import named_classes
from p2p_jax.data.arriving import expect
from p2p_jax.data.fit import Fit
from p2p_jax.data.pairs import Example, Pairs, Replacing, read_batch
from p2p_jax.data.values import needs_scaling, to_255
from p2p_jax.devices import processes
from p2p_jax.evaluation import metrics
from p2p_jax.evaluation.columns import VALIDATION, Columns, Scores, add_up
from p2p_jax.evaluation.metrics.label_agreement import counts
from p2p_jax.evaluation.metrics.registry import LABEL_METRICS, METRICS
from p2p_jax.evaluation.partial_scores import PartialScores

Translate = Callable[[np.ndarray], np.ndarray | jax.Array]
"""A function from stored values of inputs (n, h, w, c) to those of outputs (n, h, w, c')."""

Predictor = Callable[[np.ndarray], Any]
"""A function from stored values of inputs (n, h, w, c) to outputs on the scale 0 to 255 (n, h, w, c')."""

PairMetrics = Mapping[str, Callable[..., jax.Array]]
"""{name of a metric that the registry lacks: `(pictures, targets, known) -> (n,)`}, of (n, h, w, c) from 0 to 255."""

MAX_PSNR = 100.0
"""Upper limit of a picture's PSNR in decibels, as the PSNR of a picture equal to its target is infinite."""


def score(
    pairs: Pairs,
    translate: Translate,
    fit: Fit,
    target: Side = Side(),
    *,
    count: int | None = None,
    batch_size: int = 8,
    names: tuple[str, ...] = VALIDATION,
    functions: PairMetrics = MappingProxyType({}),
) -> Scores:
    """Computes the mean L1, PSNR and SSIM of a translator, or other metrics, over the first `count` pairs of a split.

    Args:
        pairs: of the split.
        translate: the translator.
        fit: how pictures are brought to size.
        target: options of the target side.
        count: number of pairs; by default all.
        batch_size: pairs per call of the translator; changes the results only by rounding.
        names: of the metrics; all suit the target.
        functions: of those names that the registry lacks.

    Returns:
        {"l1": in the scale [-1, 1], "psnr": in decibels, "ssim": at most 1}, or the other metrics by their names; those
        that no pair has are missing.
    """
    total = pairs.count() if count is None else min(count, pairs.count())
    means = tuple(name for name in names if name not in LABEL_METRICS)
    columns = Columns(means, (named_classes(target) or 0) if len(means) < len(names) else 0)
    indices, predictors = processes.own_indices(total), [scaled(translate, target)]
    scores = PartialScores((len(indices), 1, columns.count))
    add_scores(scores, columns, pairs, indices, predictors, fit, target, functions=functions, batch_size=batch_size)
    found = columns.scores(*processes.sum_over_processes(np.stack(add_up(scores.rows[:, 0]))))
    return {name: found[name] for name in names if name in found}


def scaled(translate: Translate, target: Side) -> Predictor:
    """The translator with outputs on the scale 0 to 255."""
    if not needs_scaling(target):
        return translate
    return lambda pictures: to_255(target, jnp.asarray(translate(pictures)))


def add_scores(
    scores: PartialScores,
    columns: Columns,
    pairs: Pairs,
    indices: range,
    predictors: Sequence[Predictor],
    fit: Fit,
    target: Side,
    *,
    functions: PairMetrics = MappingProxyType({}),
    without_labels: Collection[int] = (),
    batch_size: int = 8,
    on_done: Callable[[int], object] = lambda done: None,
) -> None:
    """Adds the scores of several predictors to a table, from the first pair on that is not in it yet.

    Each pair is read once for all predictors.

    Args:
        scores: with rows of shape (predictors, columns) for each of the indices; changed in place.
        columns: of the rows.
        pairs: of the split.
        indices: of the pairs to measure.
        predictors: to compare with the targets.
        fit: how pictures are brought to size.
        target: options of the target side.
        functions: of those columns that the registry lacks.
        without_labels: the numbers of the predictors whose outputs are no label maps.
        batch_size: pairs per call of a predictor.
        on_done: called with the number of pairs that have scores.
    """
    for batch, real in batches_of(pairs, fit, indices[scores.done :], batch_size):
        truth = _truth_of(batch, real, target)
        for number, predictor in enumerate(predictors):
            used = columns._replace(classes=0) if number in without_labels else columns
            rows = _measure_batch(used, predictor(batch["input"]), truth, functions)
            scores.rows[scores.done : scores.done + real, number] = np.nan
            scores.rows[scores.done : scores.done + real, number, : used.count] = rows
        scores.done += real
        if isinstance(pairs, Replacing):
            scores.replaced |= pairs.skipped.keys() & set(indices)
        scores.save()
        on_done(scores.done)
    scores.save(now=True)


class _Truth(NamedTuple):
    """The targets of a batch of n pairs, of which the first ones are real.

    Attributes:
        targets: (n, h, w, c) on the scale 0 to 255.
        stored: (n, h, w, c), as they are stored; of label maps the numbers of the classes.
        known: (n, h, w, 1) float32, 0 where nothing is known; None if all pixels are known.
        scored: (real pairs,) bool, the pairs that count.
    """

    targets: jax.Array
    stored: jax.Array
    known: jax.Array | None
    scored: np.ndarray


def _truth_of(batch: Example, real: int, target: Side) -> _Truth:
    stored = jnp.asarray(batch["target"])
    known = jnp.asarray(batch["known"], jnp.float32) / 255 if "known" in batch else None
    # A pair that is known nowhere but at its border counts in no metric, because it has no SSIM.
    scored = np.ones(real, bool) if known is None else np.asarray(np.asarray(known[:real, 5:-5, 5:-5]).any((1, 2, 3)))
    return _Truth(to_255(target, stored), stored, known, scored)


def _measure_batch(columns: Columns, outputs: Any, truth: _Truth, functions: PairMetrics) -> np.ndarray:
    """The rows of one predictor for the real pairs of a batch: (real pairs, columns) float64, see `Columns`."""
    # All outputs have one dtype, so that one compiled program measures all of them.
    pictures = jnp.asarray(outputs, jnp.float32)
    targets, stored, known, scored = truth
    real = len(scored)
    side = min(targets.shape[1:3])
    own = [name for name in columns.names if name not in functions]
    names = tuple(name for name in own if name in VALIDATION or METRICS[name].smallest <= side)
    measured, finite = _measure(pictures, targets, known, names)
    measured |= {name: function(pictures, targets, known) for name, function in functions.items()}
    finite = np.asarray(finite[:real])
    rows = np.full((real, columns.count), np.nan)
    for name, values in measured.items():
        values = np.asarray(values[:real], np.float64)
        values = np.minimum(values, MAX_PSNR) if name == "psnr" else values
        # A metric may be undefined for a target; NaN from a network must not pass for that.
        rows[:, columns.names.index(name)] = np.where(finite, values, np.inf)
    if columns.classes:
        of_classes = np.stack(counts(_confuse(pictures, stored, known, columns.classes)), 1)
        rows[:, len(columns.names) :] = of_classes[:real].reshape(real, -1)
    rows[~scored] = np.nan
    return rows


@partial(jax.jit, static_argnames="names")
def _measure(
    pictures: jax.Array, targets: jax.Array, known: jax.Array | None, names: tuple[str, ...]
) -> tuple[dict[str, jax.Array], jax.Array]:
    """{name: (n,)}, and whether all values of a picture are finite, (n,)."""
    return (
        {name: METRICS[name].function(pictures, targets, known) for name in names},
        jnp.isfinite(pictures).all((1, 2, 3)),
    )


@partial(jax.jit, static_argnames="classes")
def _confuse(pictures: jax.Array, targets: jax.Array, known: jax.Array | None, classes: int) -> jax.Array:
    given = jnp.argmax(pictures[..., :classes], axis=-1, keepdims=True)
    return metrics.confusion(given, targets, known, classes=classes)


def batches_of(pairs: Pairs, fit: Fit, indices: range, batch_size: int) -> Iterator[tuple[Example, int]]:
    """Yields (batch, number of real pairs in it). All batches have one size: the last one is padded with copies."""
    batch_size = batch_size if fit.fixed else 1
    expect(pairs, indices)
    for start in range(0, len(indices), batch_size):
        chosen = list(indices[start : start + batch_size])
        real = len(chosen)
        yield read_batch(pairs, chosen + [chosen[-1]] * (batch_size - real), fit), real

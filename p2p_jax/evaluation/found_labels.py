"""Counts of the labels of inputs that a segmenter finds in outputs, and in the real targets."""

import jax.numpy as jnp
import numpy as np

from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.values import to_255
from p2p_jax.devices import processes
from p2p_jax.evaluation.columns import Columns
from p2p_jax.evaluation.metrics.label_agreement import counts
from p2p_jax.evaluation.partial_scores import PartialScores
from p2p_jax.evaluation.scoring import batches_of
from p2p_jax.evaluation.segmenter import Segmenter, confusion_of, true_labels
from p2p_jax.evaluation.subject import Subject, gather
from p2p_jax.workdir.checksums import checksums


def count_found(subject: Subject, segmenter: Segmenter) -> tuple[Columns, np.ndarray]:
    """Finds the labels in the outputs of every predictor, and in the targets.

    Args:
        subject: what is measured.
        segmenter: which fits its run.

    Returns:
        the columns, and the rows of all processes: (pairs, predictors + 1, columns) float64, those of the targets last.

    Raises:
        UserError: an input is no label map in the colours of the segmenter's classes.
    """
    config, total = subject.config, subject.pairs.count()
    columns, indices = Columns((), segmenter.classes, found=True), processes.own_indices(total)
    weights = (segmenter.translator.params, segmenter.translator.state)
    key = [*subject.key, indices.start, indices.stop, checksums(weights)]
    shape = (len(indices), len(subject.predictors) + 1, columns.count)
    table = PartialScores(shape, subject.partial, key, columns.titles)
    fit = fit_of_evaluation(config)
    for batch, real in batches_of(subject.pairs, fit, indices[table.done :], 8):
        truth = true_labels(segmenter, config.data.input, batch["input"])
        known = jnp.asarray(batch["known"], jnp.float32) / 255 if "known" in batch else None
        outputs = [predictor(batch["input"]) for predictor in subject.predictors.values()]
        for place, pictures in enumerate((*outputs, to_255(config.data.target, jnp.asarray(batch["target"])))):
            confusion = confusion_of(segmenter.find_labels(pictures), truth, known, classes=segmenter.classes)
            of_classes = np.stack(counts(jnp.asarray(confusion)), 1)[:real].reshape(real, -1)
            finite = np.asarray(jnp.isfinite(jnp.asarray(pictures, jnp.float32)).all((1, 2, 3)))[:real]
            table.rows[table.done : table.done + real, place] = np.where(finite[:, None], of_classes, np.inf)
        table.done += real
        table.save()
    rows = gather(table.rows, indices, total)
    table.remove()
    return columns, rows

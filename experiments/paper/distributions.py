"""The distributions of L, a and b over all pictures that runs made of a split, and what they share with the targets'."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import p2p_jax
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.pairs import Example, Pairs
from p2p_jax.data.values import to_255
from p2p_jax.evaluation.comparison.candidates import Candidate, find_common, open_runs
from p2p_jax.evaluation.comparison.statistics import Measured
from p2p_jax.evaluation.intervals import resample
from p2p_jax.evaluation.metrics import histogram_intersection, histograms
from p2p_jax.evaluation.metrics.colour_histograms import BINS, CHANNELS
from p2p_jax.evaluation.scoring import batches_of, scaled

BATCH = 8  # pictures that are made at a time

_histograms = jax.jit(histograms)


class Distributions(NamedTuple):
    """The colours of several runs on the same pictures.

    Attributes:
        split: "train", "val" or "test".
        pairs: number of pairs.
        made: (runs, 3, bins) float64, the pixels of all pictures of each run in the bins of L, a and b.
        targets: (3, bins) float64, those of the targets.
        shared: {channel: the intersection of each run's histogram with that of the targets}; NaN for runs that made
            pictures with values that are not finite.
        notes: sentences on which pictures these are.
    """

    split: str
    pairs: int
    made: np.ndarray
    targets: np.ndarray
    shared: dict[str, Measured]
    notes: tuple[str, ...]


def measure_distributions(folders: Sequence[Path]) -> Distributions:
    """Makes the pictures of a split with each run, and counts their colours.

    Pictures are made in batches, and of each one only the histograms are kept.

    Args:
        folders: the workdirs of the runs, at least two.

    Raises:
        UserError: the runs have no pictures in common, or their targets no colours.
    """
    runs = open_runs([str(folder) for folder in folders], folders, data_path=None, trust=False, build=None)
    common = find_common(runs, None)
    made = []
    for place, run in enumerate(runs):
        translate = scaled(p2p_jax.load(run.folder), run.config.data.target)
        made.append(_count(run, common.pairs(place), lambda batch, translate=translate: translate(batch["input"])))
    target = runs[0].config.data.target
    targets = _count(runs[0], common.pairs(0), lambda batch: to_255(target, jnp.asarray(batch["target"])))
    return Distributions(
        common.split,
        len(targets),
        np.stack([counts.sum(0) for counts in made]),
        targets.sum(0),
        share(made, targets),
        common.notes,
    )


def share(made: Sequence[np.ndarray], targets: np.ndarray) -> dict[str, Measured]:
    """The intersections of the histograms of whole sets, also of resampled pictures, the same for all runs.

    Args:
        made: of each run (pictures, 3, bins).
        targets: (pictures, 3, bins), of the same pictures.

    Returns:
        {channel: intersections in [0, 1]}.
    """
    rows = [counts.reshape(len(counts), -1) for counts in (*made, targets)]

    def figures(sums: Sequence[np.ndarray], _: object = None) -> dict[str, np.ndarray]:
        *own, real = (each.reshape(*each.shape[:-1], len(CHANNELS), -1) for each in sums)
        shared = np.stack([np.asarray(histogram_intersection(jnp.asarray(each), jnp.asarray(real))) for each in own], -2)
        return {name: shared[..., channel].astype(np.float64) for channel, name in enumerate(CHANNELS)}

    whole, resampled = figures([each.sum(0) for each in rows]), resample(rows, figures)
    return {name: Measured(whole[name], resampled[name].T, len(targets), None) for name in CHANNELS}


def _count(run: Candidate, pairs: Pairs, draw: Callable[[Example], Any]) -> np.ndarray:
    """The histograms of one picture of each pair, (pairs, 3, bins) float64; infinite where the picture is not finite.

    Args:
        run: whose config says how pairs are read.
        pairs: to read.
        draw: from a batch to its pictures (n, h, w, 3) on the scale 0 to 255.
    """
    counts = np.zeros((pairs.count(), len(CHANNELS), BINS))
    done = 0
    for batch, real in batches_of(pairs, fit_of_evaluation(run.config), range(len(counts)), BATCH):
        pictures = jnp.asarray(draw(batch), jnp.float32)
        known = jnp.asarray(batch["known"], jnp.float32) / 255 if "known" in batch else None
        finite = jnp.isfinite(pictures).all((1, 2, 3))
        of_batch = jnp.where(finite[:, None, None], _histograms(pictures, known), jnp.inf)
        counts[done : done + real] = of_batch[:real]
        done += real
    return counts

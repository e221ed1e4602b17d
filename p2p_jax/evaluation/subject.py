"""What an evaluation measures: a translator and baselines, on the pairs of a split, by the chosen metrics."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from p2p_jax.config import Config, Side
from p2p_jax.config.derived import named_classes
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.pairs import Pairs
from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.evaluation.baselines import INPUT
from p2p_jax.evaluation.columns import Columns, columns_for
from p2p_jax.evaluation.features.extract import FEATURES, FeatureNetwork, open_features
from p2p_jax.evaluation.metrics.set_figures import SMALLEST
from p2p_jax.evaluation.metrics.trained import STANDARD, TrainedMetric, available_metrics, open_lpips, require
from p2p_jax.evaluation.partial_scores import PartialScores
from p2p_jax.evaluation.scoring import Predictor, add_scores
from p2p_jax.evaluation.set_scores import PAIRS, Found, set_figures
from p2p_jax.features.backbones import Network


class Subject(NamedTuple):
    """What is measured.

    Attributes:
        config: of the experiment.
        pairs: of the split.
        train: the training pairs.
        predictors: by their names.
        partial: folder for partial results.
        key: everything that these depend on but the metrics, as JSON.
    """

    config: Config
    pairs: Pairs
    train: Pairs
    predictors: dict[str, Predictor]
    partial: Path | None
    key: list[Any]


def choose_metrics(
    target: Side, names: Sequence[str] | None, inception: Path | None
) -> tuple[list[TrainedMetric], list[str]]:
    """The metrics to compute that need trained networks, and a sentence on standard ones that cannot be computed.

    Args:
        target: options of the target side.
        names: of the metrics; "all" stands for all whose weights are there. By default those of `STANDARD`.
        inception: the file with Inception's weights.

    Raises:
        UserError: there is no such metric, its weights are missing, or it does not suit the target.
    """
    available = available_metrics(inception)
    suits = target.kind == "image" and not named_classes(target) and target.channels in ((1,), (3,))
    if names and not suits:
        raise UserError(f"{names[0]} compares grey or colour pictures, but the targets are of another kind: omit it.")
    if not suits:
        return [], []
    if names is not None and "all" not in names:
        return [require(name, available) for name in dict.fromkeys(names)], []
    wanted = available if names else STANDARD
    lacking = {why: name for name in reversed(wanted) if (why := available[name].missing) is not None}
    found = [available[name] for name in wanted if available[name].missing is None]
    return found, [f"{available[name].title} is not computed: {why}." for why, name in reversed(lacking.items())]


def score_pairs(
    subject: Subject, metrics: Sequence[TrainedMetric], on_done: Callable[[int, int], object]
) -> tuple[Columns, np.ndarray, int]:
    """Scores every pair.

    Returns:
        the columns; the rows of all processes, (pairs, predictors, columns); and the number of unreadable pairs that were
        replaced.
    """
    config, target, total = subject.config, subject.config.data.target, subject.pairs.count()
    columns = columns_for(target)
    columns = columns._replace(names=(*columns.names, *(metric.name for metric in metrics)))
    indices = processes.own_indices(total)
    # The index of the process, because several processes may have the same empty range of indices.
    key = [*subject.key, indices.start, indices.stop, jax.process_index()]
    shape = (len(indices), len(subject.predictors), columns.count)
    table = PartialScores(shape, subject.partial, key, columns.titles)
    report_done = lambda done: on_done(done, len(indices))
    report_done(table.done)
    same_classes = named_classes(config.data.input) == named_classes(target)
    without_labels = [] if same_classes else [place for place, name in enumerate(subject.predictors) if name == INPUT]
    functions = {metric.name: open_lpips(cast(Network, metric.network)) for metric in metrics}
    add_scores(
        table, columns, subject.pairs, indices, [*subject.predictors.values()], fit_of_evaluation(config), target,
        functions=functions, without_labels=without_labels, on_done=report_done,
    )  # fmt: skip
    rows = gather(table.rows, indices, total)
    replaced = int(processes.sum_over_processes(np.array([len(table.replaced)], np.float64))[0])
    table.remove()  # only now, when all processes have finished
    return columns, rows, replaced


def gather(rows: np.ndarray, indices: range, total: int) -> np.ndarray:
    """The rows of all processes (total, ...), from those of this one, which has the given indices."""
    if len(indices) == total:
        return rows
    whole = np.zeros((2, total, *rows.shape[1:]))
    has = ~np.isnan(rows)
    whole[:, indices.start : indices.stop] = np.where(has, rows, 0), has
    values, has = processes.sum_over_processes(whole)
    return np.where(has > 0, values, np.nan)


def score_sets(subject: Subject, metrics: Sequence[TrainedMetric], inception: Path | None) -> tuple[Found, list[str]]:
    """Computes the figures of sets, and sentences on what they were not computed from."""
    if not metrics:
        return {}, []
    total, config = subject.pairs.count(), subject.config
    if config.data.target.ignore is not None:
        return {}, ["Figures of sets are not computed, because parts of the targets are not known."]
    if total < SMALLEST:
        return {}, [f"Figures of sets are not computed, because they need at least {SMALLEST} pairs."]
    found: Found = {}
    networks: list[FeatureNetwork] = [cast(FeatureNetwork, metric.network) for metric in metrics]
    for network in dict.fromkeys(networks):
        of_network = set_figures(
            [metric for metric in metrics if metric.network == network], open_features(network, inception),
            FEATURES[network], (subject.pairs, subject.train), subject.predictors, fit_of_evaluation(config),
            config.data.target, partial=subject.partial, key=[*subject.key, network],
        )  # fmt: skip
        for name, figures in of_network.items():
            found.setdefault(name, {}).update(figures)
    return found, [f"Figures of sets are computed from the first {PAIRS} pairs."] if total > PAIRS else []

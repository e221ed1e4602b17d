"""Measures a translator, and baselines that need no network, on a split."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.config import Config, Side
from p2p_jax.config.tree import to_dict
from p2p_jax.data.loading import describe_data, open_dataset
from p2p_jax.data.pairs import Example
from p2p_jax.errors import UserError
from p2p_jax.evaluation.baselines import baselines
from p2p_jax.evaluation.columns import Columns, Scores, add_up
from p2p_jax.evaluation.found_labels import count_found
from p2p_jax.evaluation.intervals import Difference, Interval, differences, intervals
from p2p_jax.evaluation.metrics.registry import FOUND, METRICS, Metric
from p2p_jax.evaluation.metrics.trained import find_metric
from p2p_jax.evaluation.scoring import Translate, scaled
from p2p_jax.evaluation.segmenter import Segmenter
from p2p_jax.evaluation.set_scores import Found
from p2p_jax.evaluation.subject import Subject, choose_metrics, score_pairs, score_sets

TARGETS = "targets themselves"
"""The row of the real targets, in which a segmenter finds labels, too."""


class Figures(NamedTuple):
    """How good a translator is on a split.

    Attributes:
        step: of the checkpoint.
        split: "train", "val" or "test".
        pairs: number of pairs that were measured.
        replaced: number of unreadable pairs among them, which other pairs replaced.
        scores: for "translator" and each baseline the metrics that suit the target: "l1" (in the scale [-1, 1]), "psnr"
            (dB), "ssim" (at most 1) and others. Most are means over all pairs.
        intervals: in the same form, 95 % intervals over pictures; a figure of too few pairs has none.
        advantages: {baseline: {metric: difference}}, the translator's figures less the baseline's, on the same pairs.
        names: of the pairs.
        of_pairs: {metric: the translator's value of each pair}, None where a pair has none.
        notes: sentences on metrics that some pairs do not have, or that are not computed.
        fingerprint: of the data set, see `data.loading.Dataset`.
        counts: of each pair of label maps the pixels of each class that are right, those of the target, and those of the
            output, from which figures of any choice of pairs follow; with a segmenter those of the labels that it finds.
            () for other targets, None where a pair has none.
    """

    step: int
    split: str
    pairs: int
    replaced: int
    scores: dict[str, Scores]
    intervals: dict[str, dict[str, Interval]]
    advantages: dict[str, dict[str, Difference]]
    names: tuple[str, ...]
    of_pairs: dict[str, tuple[float | None, ...]]
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    counts: tuple[tuple[float, ...] | None, ...] = ()

    def rows(self) -> tuple[Columns, np.ndarray]:
        """The translator's scores of every pair, for `intervals.resample`: columns, and (pairs, columns) float64."""
        classes = max((len(row) for row in self.counts if row is not None), default=0) // 3
        columns = Columns(tuple(self.of_pairs), classes, any(name.startswith(FOUND) for name in self.scores["translator"]))
        table = np.full((self.pairs, columns.count), np.nan)
        for place, values in enumerate(self.of_pairs.values()):
            table[:, place] = [np.nan if value is None else value for value in values]
        for pair, row in enumerate(self.counts):
            if row is not None:
                table[pair, len(columns.names) :] = row
        return columns, table

    def as_json(self) -> dict[str, Any]:
        """The figures in the form of `report/figures.json` and `evaluate --json`."""
        advantages = {
            baseline: {
                name: {"difference": each.value, "interval": each.interval, "won": each.won} for name, each in found.items()
            }
            for baseline, found in self.advantages.items()
        }
        return finite({
            "step": self.step, "split": self.split, "pairs": self.pairs, "replaced": self.replaced, "figures": self.scores,
            "intervals": self.intervals, "advantages": advantages,
            "pictures": {"names": self.names, **self.of_pairs}, "notes": self.notes, "fingerprint": self.fingerprint,
            "counts": self.counts,
        })  # fmt: skip


def finite(value: Any) -> Any:
    """A value of JSON with null in place of numbers that are not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


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
    metrics: Sequence[str] | None = None,
    inception: Path | None = None,
    segmenter: Segmenter | None = None,
    partial: Path | None = None,
    identity: Any = None,
    on_done: Callable[[int, int], object] = lambda done, total: None,
) -> Figures:
    """Evaluates a translator and the baselines on a split of an experiment's data, at the picture size of training.

    With several processes, each measures some of the pairs, and every process must call this function.

    Args:
        config: of the experiment.
        translate: the translator.
        split: "train", "val" or "test"; by default the first that exists of test, val and train.
        step: of the checkpoint from which the translator was loaded.
        metrics: names of `trained.available_metrics` to compute beside those that need no trained network; by default those
            of `trained.STANDARD` whose weights are there.
        inception: the file with Inception's weights.
        segmenter: finds the labels of the inputs in the outputs; it must fit the run, see `segmenter.check_fit`.
        partial: folder for partial scores, from which the same evaluation resumes; it is empty at the end.
        identity: of the translator, as JSON; partial scores of another translator are not used.
        on_done: called with the number of pairs that this process has measured, and the number that it has to measure.

    Returns:
        the figures of the translator and of the baselines.

    Raises:
        UserError: the data do not exist, or lack the split, or a metric cannot be computed.
    """
    dataset = open_dataset(config)
    split = choose_split(dataset.splits, dataset.alone, split, describe_data(config.data))
    chosen, missing = choose_metrics(config.data.target, metrics, inception)
    key = [identity, to_dict(config.data), config.image_size, dataset.fingerprint, split, str(inception)]
    others = baselines(dataset.splits["train"], config, other=split == "train")
    predictors = {"translator": scaled(translate, config.data.target), **others}
    subject = Subject(config, dataset.splits[split], dataset.splits["train"], predictors, partial, key)
    columns, rows, replaced = score_pairs(subject, [each for each in chosen if each.of == "pair"], on_done)
    sets, notes = score_sets(subject, [each for each in chosen if each.of == "set"], inception)
    of_targets: dict[str, np.ndarray] = {}
    if segmenter is not None:
        of_labels, found = count_found(subject, segmenter)
        of_targets = {TARGETS: found[:, -1]}
        columns, rows = of_labels._replace(names=columns.names), np.concatenate([rows, found[:, :-1]], -1)
    table = dict(zip(predictors, np.moveaxis(rows, 1, 0), strict=True))
    parts = (_conclude(columns, table), _conclude(columns._replace(names=()), of_targets), _of_sets(sets))
    scores, ends = _merge([part[0] for part in parts]), _merge([part[1] for part in parts])
    own = table.pop("translator")
    return Figures(
        step=step, split=split, pairs=len(rows), replaced=replaced, scores=scores, intervals=ends,
        advantages={name: differences(columns, each, own) for name, each in table.items()},
        names=tuple(map(subject.pairs.name, range(len(rows)))),
        of_pairs={name: _values(own[:, column]) for column, name in enumerate(columns.names)},
        notes=(*_notes(config.data.target, columns, own), *notes, *missing),
        fingerprint=dataset.fingerprint,
        counts=_counts(own[:, len(columns.names) :]) if columns.classes else (),
    )  # fmt: skip


def _conclude(columns: Columns, table: dict[str, np.ndarray]) -> tuple[dict[str, Scores], dict[str, dict[str, Interval]]]:
    """The figures of each predictor and their intervals, from its rows."""
    scores = {name: columns.scores(*add_up(rows)) for name, rows in table.items()}
    return scores, {name: intervals(columns, rows) for name, rows in table.items()}


def _merge(parts: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """All figures of each predictor."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: {metric: value for part in parts for metric, value in part.get(name, {}).items()} for name in names}


def _of_sets(sets: Found) -> tuple[dict[str, Scores], dict[str, dict[str, Interval]]]:
    """The figures of sets of each predictor and their intervals."""
    scores = {name: {metric: each.value for metric, each in found.items()} for name, found in sets.items()}
    ends = {name: {metric: Interval(each.low, each.high) for metric, each in found.items()} for name, found in sets.items()}
    return scores, ends


def _values(column: np.ndarray) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in column)


def _counts(columns: np.ndarray) -> tuple[tuple[float, ...] | None, ...]:
    return tuple(tuple(map(float, row)) if np.isfinite(row).all() else None for row in columns)


def _notes(target: Side, columns: Columns, rows: np.ndarray) -> list[str]:
    """Sentences on the metrics that fewer pairs have than L1, and on those that do not suit the channels."""
    notes, has = [], dict(zip(columns.names, map(int, (~np.isnan(rows)).sum(0)), strict=False))
    for name in dict.fromkeys((*METRICS, *columns.names)):
        metric = find_metric(name)
        if name in has and has[name] < has["l1"]:
            have = f"only {has[name]} of {has['l1']} pairs have" if has[name] else "no pair has"
            small = f"each side of a picture needs at least {metric.smallest} pixels"
            notes.append(f"{metric.title}: {have} it, because {metric.undefined if isinstance(metric, Metric) else small}.")
        elif name not in has and target.kind == "image" and isinstance(metric, Metric) and "colour" in metric.needs:
            notes.append(f"{metric.title} is not computed: its targets must be {metric.needs}s.")
    return notes

"""The scores of one run: from its report if they are the same as would be measured, otherwise measured."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.config import Side
from p2p_jax.config.derived import named_classes
from p2p_jax.config.tree import to_dict
from p2p_jax.data.loading import Dataset
from p2p_jax.errors import UserError
from p2p_jax.evaluation.columns import Columns
from p2p_jax.evaluation.comparison.candidates import Candidate, names_of
from p2p_jax.evaluation.intervals import Interval
from p2p_jax.evaluation.metrics.registry import METRICS
from p2p_jax.evaluation.metrics.trained import TrainedMetric, available_metrics
from p2p_jax.evaluation.scoring import scaled
from p2p_jax.evaluation.subject import Subject, score_pairs, score_sets
from p2p_jax.files.decode import Mismatch, decode_fields, parse_json
from p2p_jax.inference.translate import Translator
from p2p_jax.workdir.checksums import checksums

STORED = Path("report") / "figures.json"
"""Where a run keeps the figures of its last report."""

LARGEST = 2**28  # bytes of such a file that are read

FIELDS = {
    "step": int,
    "split": str,
    "replaced": int,
    "figures": dict[str, dict[str, float | None]],
    "intervals": dict[str, dict[str, tuple[float | None, float | None]]],
    "pictures": dict[str, list[Any]],
    "fingerprint": str | None,
    "counts": list[list[float] | None] | None,
}
"""The fields that are needed. Older versions did not write the last two."""

OWN = "translator"


class Scores(NamedTuple):
    """The scores of one run.

    Attributes:
        columns: of the rows.
        rows: (pairs, columns) float64, see `Columns`.
        sets: {metric of sets: (value, interval)}.
        measured: whether they were measured now, and are not from the report.
    """

    columns: Columns
    rows: np.ndarray
    sets: dict[str, tuple[float, Interval | None]]
    measured: bool


class Wanted(NamedTuple):
    """What scores must be of.

    Attributes:
        step: of the checkpoint.
        split: its name.
        dataset: the pairs.
        metrics: of trained networks, to measure where the scores are not stored.
        required: whether stored scores must have these, too.
    """

    step: int
    split: str
    dataset: Dataset
    metrics: Sequence[TrainedMetric]
    required: bool


def read_scores(run: Candidate, wanted: Wanted) -> Scores | None:
    """Reads the scores from a run's report.

    A damaged file is named in a warning. A file of an older version lacks what is needed.

    Returns:
        the scores; None if there are none, or they are of another checkpoint, of other pairs, or lack a required metric.
    """
    path = run.folder / STORED
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > LARGEST:
            raise Mismatch("it is too large")
        found = parse_json(path.read_bytes())
        if isinstance(found, dict) and not {"pictures", "fingerprint"} <= found.keys():
            return None
        return _decode(decode_fields(FIELDS, found), run, wanted)
    except Mismatch as mismatch:
        warnings.warn(f"{path} is damaged ({mismatch}): the run is measured again.", stacklevel=2)
        return None


def _decode(found: dict[str, Any], run: Candidate, wanted: Wanted) -> Scores | None:
    pictures, own = found["pictures"], found["figures"].get(OWN, {})
    names, target = names_of(wanted.dataset.splits[wanted.split]), run.config.data.target
    same = (found["step"], found["split"], found["fingerprint"], pictures.pop("names", None))
    # Which pairs replace unreadable ones depends on the seed.
    if same != (wanted.step, wanted.split, wanted.dataset.fingerprint, names) or found["replaced"]:
        return None
    classes, known = named_classes(target) or 0, {*METRICS, *available_metrics()}
    columns = Columns(tuple(name for name in pictures if name in known), classes)
    if wanted.required and not {each.name for each in wanted.metrics} <= {*columns.names, *own}:
        return None
    rows = np.full((len(names), columns.count), np.nan)
    for place, name in enumerate(columns.names):
        rows[:, place] = _column(pictures[name], len(names), name)
        if own.get(name, 0.0) is None:  # an output was not finite
            rows[:, place] = np.inf
    if classes:
        for place, row in enumerate(_of_length(found["counts"] or [], len(names), "counts")):
            if row is not None:
                rows[place, len(columns.names) :] = _of_length(row, 3 * classes, "counts")
    others = [name for name in own if name in known and name not in METRICS and name not in columns.names]
    ends = found["intervals"].get(OWN, {})
    sets = {name: (_number(own[name]), _interval(ends.get(name))) for name in others}
    return Scores(columns, rows, sets, measured=False)


def _column(values: list[Any], length: int, name: str) -> list[float]:
    decoded = decode_fields({name: list[float | None]}, {name: values})[name]
    return [_number(value) for value in _of_length(decoded, length, name)]


def _of_length(values: list[Any], length: int, name: str) -> list[Any]:
    if len(values) != length:
        raise Mismatch(f"{name} has {len(values)} values, not {length}")
    return values


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _interval(ends: tuple[float | None, float | None] | None) -> Interval | None:
    return None if ends is None or ends[0] is None or ends[1] is None else Interval(ends[0], ends[1])


def measure(
    run: Candidate,
    translator: Translator,
    wanted: Wanted,
    *,
    inception: Path | None,
    partial: Path | None,
    on_done: Callable[[int, int], object],
) -> Scores:
    """Measures a run on the pairs that are wanted.

    Args:
        run: to measure.
        translator: its networks.
        wanted: what is measured.
        inception: the file with Inception's weights.
        partial: folder for partial scores.
        on_done: called with the number of pairs that are done, and their number.

    Raises:
        UserError: a picture cannot be read.
    """
    config, splits = run.config, wanted.dataset.splits
    key = [checksums((translator.params, translator.state)), to_dict(config.data), config.image_size]
    key += [wanted.dataset.fingerprint, wanted.split, str(inception), "compare"]
    predictors = {OWN: scaled(translator, config.data.target)}
    subject = Subject(config, splits[wanted.split], splits["train"], predictors, partial, key)
    columns, rows, _ = score_pairs(subject, [each for each in wanted.metrics if each.of == "pair"], on_done)
    found, _ = score_sets(subject, [each for each in wanted.metrics if each.of == "set"], inception)
    sets: dict[str, tuple[float, Interval | None]] = {}
    sets |= {name: (each.value, Interval(each.low, each.high)) for name, each in found.get(OWN, {}).items()}
    return Scores(columns, rows[:, 0], sets, measured=True)


def align(scores: Sequence[Scores], target: Side) -> tuple[Columns, list[np.ndarray], list[str]]:
    """Brings the scores of all runs to the metrics that they have in common.

    Returns:
        the columns, the rows of each run, and the names of the metrics that some runs lack.

    Raises:
        UserError: they have no metric in common.
    """
    every = list(dict.fromkeys(name for each in scores for name in each.columns.names))
    common = [name for name in every if all(name in each.columns.names for each in scores)]
    if not common and not named_classes(target):
        raise UserError("the runs have no metric in common: write their reports again with p2p-jax report RUN.")
    tables = []
    for each in scores:
        places = [each.columns.names.index(name) for name in common]
        tables.append(each.rows[:, [*places, *range(len(each.columns.names), each.columns.count)]])
    return Columns(tuple(common), scores[0].columns.classes), tables, [name for name in every if name not in common]

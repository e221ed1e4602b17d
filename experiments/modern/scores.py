"""The figures of a run, and the same figures without each of several groups of pictures, kept as lines of a file.

The figures without a group are what an interval needs (the jackknife), so tables can be made again without training.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import p2p_jax
from experiments.modern.pieces import Options
from experiments.modern.sets import DRAWN
from p2p_jax.config.tree import with_fields
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import open_dataset
from p2p_jax.data.values import to_255
from p2p_jax.errors import UserError
from p2p_jax.evaluation.columns import Columns, add_up
from p2p_jax.evaluation.features.extract import Extract, FeatureNetwork, open_features
from p2p_jax.evaluation.found_labels import count_found
from p2p_jax.evaluation.metrics.kernel_distance import kernel_distance
from p2p_jax.evaluation.metrics.trained import available_metrics, require
from p2p_jax.evaluation.scoring import batches_of, scaled
from p2p_jax.evaluation.segmenter import Segmenter
from p2p_jax.evaluation.subject import Subject, score_pairs
from p2p_jax.workdir.record import load_experiment

GROUPS = 20
"""Groups of pictures, each of which is left out once."""

KEPT = ("l1", "ssim", "haarpsi", "sharpness", "checkerboard", "colour_distance", "lpips_alex", "lpips_vgg",
        "found_pixel_accuracy", "found_iou")  # fmt: skip
"""Metrics of the file beside the kernel distances."""

NETWORKS: tuple[FeatureNetwork, ...] = ("vgg16", "lite0")
"""Networks whose features the kernel distance compares."""


LEARNED = ("lpips_alex", "lpips_vgg")
"""Metrics of pairs that need trained networks."""


class Scored(NamedTuple):
    """The figures of a run.

    Attributes:
        pictures: name of the set.
        setting: name of the piece, or the names of several pieces, joined with "+".
        options: of the setting.
        seed: of the run.
        steps: of the run.
        figures: {metric: [value, the value without each group]}.
    """

    pictures: str
    setting: str
    options: Options
    seed: int
    steps: int
    figures: dict[str, list[float]]


Judge = Callable[[Path], dict[str, list[float]]]
"""A function from a workdir to the figures of its run, see `Scored`."""


def check_weights() -> None:
    """Refuses to go on without the trained networks of the metrics.

    Raises:
        UserError: weights are missing.
    """
    available = available_metrics()
    for name in (*LEARNED, *(f"kid_{network}" for network in NETWORKS)):
        require(name, available)


def open_judge(finder: Segmenter | None) -> Judge:
    """Reads the trained networks of the metrics, and returns the function that measures a run.

    All runs are measured on the test split that seed 0 draws.

    Args:
        finder: finds labels in the pictures, or None.

    Raises:
        UserError: weights of a metric are missing.
    """
    available = available_metrics()
    learned = [require(name, available) for name in LEARNED]
    extracts = {f"kid_{network}": open_features(network) for network in NETWORKS}

    def judge(folder: Path) -> dict[str, list[float]]:
        config = with_fields(load_experiment(folder).config, {"seed": 0, "data.count": DRAWN})
        splits = open_dataset(config).splits
        predictor = scaled(p2p_jax.load(folder), config.data.target)
        subject = Subject(config, splits["test"], splits["train"], {"translator": predictor}, None, [])
        columns, rows, _ = score_pairs(subject, learned, lambda done, total: None)
        tables = [(columns, rows[:, 0])]
        if finder is not None:
            of_labels, found = count_found(subject, finder)
            tables.append((of_labels, found[:, 0]))
        return figures_of_groups(tables, {name: _features(subject, extract) for name, extract in extracts.items()})

    return judge


def _features(subject: Subject, extract: Extract) -> tuple[np.ndarray, np.ndarray]:
    """The features of the outputs and of the targets of all pairs, (pairs, features) each."""
    target, total = subject.config.data.target, subject.pairs.count()
    made, real = [], []
    for batch, number in batches_of(subject.pairs, fit_of_evaluation(subject.config), range(total), 8):
        outputs = jnp.asarray(subject.predictors["translator"](batch["input"]), jnp.float32)
        targets = to_255(target, jnp.asarray(batch["target"]))
        for into, pictures in ((made, outputs), (real, targets)):
            into.append(np.asarray(extract(np.asarray(pictures, np.float32)))[:number])
    return np.concatenate(made), np.concatenate(real)


def figures_of_groups(
    tables: list[tuple[Columns, np.ndarray]], features: dict[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, list[float]]:
    """The figures of all pictures, then those without each group."""
    group = np.arange(len(tables[0][1])) % GROUPS
    found: dict[str, list[float]] = {}
    for left_out in (None, *range(GROUPS)):
        kept = group != -1 if left_out is None else group != left_out
        figures = {name: kernel_distance(a[kept], b[kept], paired=True).value for name, (a, b) in features.items()}
        for columns, rows in tables:
            sums = columns.figures(*add_up(rows[kept]))
            figures |= {name: float(value) for name, value in sums.items() if name in KEPT}
        for name, value in figures.items():
            found.setdefault(name, []).append(float(f"{value:.5g}"))
    return found


def read_rows(path: Path) -> list[Scored]:
    """The rows of a file of results; [] if there is none.

    Raises:
        UserError: a line is no row, for example because the program was killed while it wrote it.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        try:
            row = Scored(**json.loads(line))
            rows.append(row._replace(options={name: _from_json(value) for name, value in row.options.items()}))
        except (ValueError, TypeError, AttributeError):
            raise UserError(
                f"line {number} of {path} is no row of results: remove it, and its run is measured again."
            ) from None
    return rows


def _from_json(value: Any) -> Any:
    """An option's value; JSON has lists in place of tuples."""
    return tuple(value) if isinstance(value, list) else value


def append_row(path: Path, row: Scored) -> None:
    """Adds a row to a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row._asdict()) + "\n")

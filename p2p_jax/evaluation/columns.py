"""The columns of a table of scores: what is measured of every pair, and the figures that follow from their sums."""

from typing import NamedTuple

import numpy as np

from p2p_jax.config import Side
from p2p_jax.config.derived import named_classes
from p2p_jax.evaluation.metrics.label_agreement import FROM_COUNTS
from p2p_jax.evaluation.metrics.registry import FOUND, names_for

Scores = dict[str, float]
"""{name of a metric: its value}, in the order of `registry.METRICS`."""

VALIDATION = ("l1", "psnr", "ssim")
"""The metrics that every pair has: those of the validation during training."""


class Columns(NamedTuple):
    """The columns of a table with one row for each pair.

    A row holds the pair's value of each metric, NaN where it has none, and infinity where the output was not finite; then,
    for each class of a label map, the pixels that are right, those of the target, and those of the output.

    Attributes:
        names: of the metrics that are means over pairs.
        classes: of label maps; 0 if there are none.
        found: whether the label maps are inputs, whose labels a segmenter finds in the outputs, and not targets.
    """

    names: tuple[str, ...] = VALIDATION
    classes: int = 0
    found: bool = False

    @property
    def count(self) -> int:
        """The number of columns."""
        return len(self.names) + 3 * self.classes

    @property
    def titles(self) -> list[str]:
        """What the columns hold, for the file of partial scores."""
        return [*self.names, f"right, true and {'found' if self.found else 'given'} pixels of {self.classes} classes"]

    def figures(self, sums: np.ndarray, pairs: np.ndarray) -> dict[str, np.ndarray]:
        """The figures that follow from sums of rows.

        Args:
            sums: (..., columns), sums over the pairs that have a value.
            pairs: (..., columns), the number of these pairs; any weights that the sums were made with.

        Returns:
            {name: (...) float64}, NaN where no pair has a value or an output was not finite.
        """
        number = len(self.names)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums[..., :number] / pairs[..., :number]
            found = {name: means[..., column] for column, name in enumerate(self.names)}
            if self.classes:
                counts = sums[..., number:].reshape(*sums.shape[:-1], 3, self.classes)
                right, true, given = (counts[..., part, :] for part in range(3))
                prefix = FOUND if self.found else ""
                found |= {f"{prefix}{name}": function(right, true, given) for name, function in FROM_COUNTS.items()}
        return {name: np.where(np.isinf(values), np.nan, values) for name, values in found.items()}

    def scores(self, sums: np.ndarray, pairs: np.ndarray) -> Scores:
        """The figures of one predictor from sums (columns,); a metric that no pair has is missing."""
        found = self.figures(sums, pairs)
        has_counts = bool(pairs[len(self.names) :].any())
        number = dict(zip(self.names, pairs, strict=False))
        return {
            name: float(value)
            for name, value in found.items()
            if (number[name] or name in VALIDATION if name in number else has_counts)
        }


def columns_for(target: Side) -> Columns:
    """The columns of all metrics that suit a target."""
    return Columns(names_for(target), named_classes(target) or 0)


def add_up(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of rows over the pairs that have a value, and the number of these pairs.

    Args:
        rows: (pairs, ...), NaN where a pair has no value.

    Returns:
        two float64 arrays (...).
    """
    has = ~np.isnan(rows)
    return np.where(has, rows, 0.0).sum(0), has.sum(0, dtype=np.float64)

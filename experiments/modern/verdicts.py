"""Compares settings by all figures with 95 % intervals over seeds and pictures, and decides which of them help."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.modern.pieces import TRAINED_ON
from experiments.modern.scores import GROUPS, Scored
from p2p_jax.evaluation.comparison.statistics import Contrast, Measured, contrast
from p2p_jax.evaluation.explain import verdict

AIMS = ("lpips_alex", "lpips_vgg", "kid_vgg16", "kid_lite0")
"""Figures that decide on a setting, whose mean relative reduction is its gain; without those that it trains with."""

GUARDS = ("ssim", "haarpsi", "found_pixel_accuracy", "found_iou")
"""Figures that must not be clearly worse, beside those that decide and the distance of the sharpness from 1."""

SHOWN = ("lpips_alex", "lpips_vgg", "kid_vgg16", "kid_lite0", "ssim", "haarpsi", "found_pixel_accuracy", "found_iou",
         "sharpness", "checkerboard")  # fmt: skip
"""Figures of the table."""


class Comparison(NamedTuple):
    """A setting beside the one that it is compared with.

    Attributes:
        seeds: runs of the setting.
        values: {metric: mean over the seeds}.
        contrasts: {metric: difference to the other setting with its interval}.
        blur: the difference of the distance of the sharpness from 1: above 0 is worse.
        aims: the figures that decide.
        gain: mean of their relative reductions; 0.1 is 10 % better.
    """

    seeds: int
    values: dict[str, float]
    contrasts: dict[str, Contrast]
    blur: Contrast
    aims: tuple[str, ...]
    gain: float

    def verdict(self, name: str) -> str | None:
        """The word of `explain.verdict` for a metric; None if there is no interval, or for the sharpness."""
        return verdict(name, self.contrasts[name].difference)

    @property
    def helps(self) -> bool:
        """Whether a figure that decides is clearly better, the gain is positive, and no guard is clearly worse."""
        words = {name: self.verdict(name) for name in (*self.aims, *GUARDS) if name in self.contrasts}
        blurred = self.blur.difference.interval
        clearly = any(words[name] == "better" for name in self.aims)
        return clearly and self.gain > 0 and "worse" not in words.values() and not (blurred and blurred.low > 0)


def compare_settings(first: Sequence[Scored], second: Sequence[Scored]) -> Comparison:
    """Compares the runs of a second setting with those of a first one, both measured on the same pictures."""
    rows = [*first, *second]
    groups = list(range(len(first))), list(range(len(first), len(rows)))
    measured = {name: as_measured(np.array([row.figures[name] for row in rows])) for name in first[0].figures}
    values = {name: float(each.values[groups[1]].mean()) for name, each in measured.items()}
    trained_on = {name for row in rows for piece in row.setting.split("+") for name in TRAINED_ON.get(piece, ())}
    aims = tuple(name for name in AIMS if name not in trained_on)
    before = {name: float(measured[name].values[groups[0]].mean()) for name in aims}
    distance = as_measured(np.abs(np.array([row.figures["sharpness"] for row in rows]) - 1))
    return Comparison(
        len(second),
        values,
        {name: contrast(each, *groups) for name, each in measured.items()},
        contrast(distance, *groups),
        aims,
        float(np.mean([1 - values[name] / before[name] for name in aims])),
    )


def as_measured(table: np.ndarray) -> Measured:
    """A figure of several runs, from (runs, 1 + GROUPS): the values, and those without each group.

    Values without a group differ less than those of other pictures: scaled up, their variance is the jackknife's.
    """
    values, without = table[:, 0], table[:, 1:]
    spread = np.sqrt(GROUPS - 1) * (without - without.mean(1, keepdims=True))
    return Measured(values, values[:, None] + spread, GROUPS, None)

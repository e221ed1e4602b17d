"""The metrics of pairs by their names, and which of their values are better. `evaluation.metrics` computes them."""

import math
from collections.abc import Mapping
from typing import Literal

from p2p_jax.errors import UserError, suggest

Better = Literal["higher", "lower", "near 1"]
"""Which values of a metric are better; "near 1" if both lower and higher ones are worse."""

BETTER: dict[str, Better] = {
    "l1": "lower",
    "psnr": "higher",
    "ssim": "higher",
    "ms_ssim": "higher",
    "haarpsi": "higher",
    "sharpness": "near 1",
    "checkerboard": "near 1",
    "colour_distance": "lower",
    "pixel_accuracy": "higher",
    "class_accuracy": "higher",
    "iou": "higher",
    "frequency_weighted_iou": "higher",
    "lpips_alex": "lower",
    "lpips_vgg": "lower",
}
"""All metrics that can choose the best checkpoint. The last two need trained networks."""

PREFIX = "val_"
"""What the names of validation figures begin with, in metrics.jsonl and in checkpoints."""


def plain_name(metric: str) -> str:
    """The name of a metric without the prefix of validation figures.

    >>> plain_name("val_ssim"), plain_name("ssim")
    ('ssim', 'ssim')
    """
    return metric.removeprefix(PREFIX)


def figure_name(metric: str) -> str:
    """The name of a metric's validation figure.

    >>> figure_name("ssim"), figure_name("val_ssim")
    ('val_ssim', 'val_ssim')
    """
    return PREFIX + plain_name(metric)


def score(metric: str, value: float) -> float:
    """Returns a number that is higher for a better value of a metric, whichever values are better.

    >>> score("l1", 0.25), score("ssim", 0.25), score("sharpness", 1.5)
    (-0.25, 0.25, -0.5)
    """
    return {"higher": value, "lower": -value, "near 1": -abs(value - 1)}[BETTER[plain_name(metric)]]


def score_of(metric: str, figures: Mapping[str, float] | None) -> float | None:
    """Returns the score of validation figures by one metric; None if they lack it, or if it is not finite.

    Args:
        metric: with or without the prefix.
        figures: {"val_…": value}, or None.
    """
    value = (figures or {}).get(figure_name(metric))
    return score(metric, value) if value is not None and math.isfinite(value) else None


def check_metric(option: str, metric: str) -> None:
    """Refuses a metric that does not exist.

    Raises:
        UserError: with the name that is most similar.
    """
    if plain_name(metric) not in BETTER:
        raise UserError(f"{option} was given {metric}{suggest(metric, BETTER)}: it must be one of {', '.join(BETTER)}.")

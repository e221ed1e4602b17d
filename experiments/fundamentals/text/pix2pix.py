"""Values and figures of the lesson `pix2pix`, from its numbers alone."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.fundamentals.lesson import Grid, Numbers, Rows, Told
from experiments.fundamentals.pix2pix import VARIANTS
from experiments.fundamentals.prose import show_number
from experiments.plotting import draw_lines, new_plot

CURVES = {
    "generator_l1": ("L1 of the generator, mean of 50 steps", "Distance from the photo"),
    "discriminator_fake_accuracy": ("fraction of fakes recognised", "How often the discriminator wins"),
}
"""For each metric, the label of the y axis and the title of its plot."""


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    pictures = {name: numbers[name]["pictures"] for name in VARIANTS}
    parts = {
        "three": Grid({"label map": numbers["labels"], **pictures, "photo": numbers["photos"]}),
        "scores": _list_scores(numbers),
        **{metric: _draw_curves(numbers, metric) for metric in CURVES},
    }
    return Told(_tell_values(numbers), parts)


def _tell_values(numbers: Numbers) -> dict[str, Any]:
    l1, gan, both = (numbers[name] for name in VARIANTS)
    return {
        "patch": numbers["patch"],
        "generator_weights": numbers["generator_parameters"],
        "discriminator_weights": numbers["discriminator_parameters"],
        "steps": numbers["steps"],
        "tested": numbers["tested"],
        "sharpness_l1": l1["sharpness"],
        "sharpness_gan": gan["sharpness"],
        "sharpness_both": both["sharpness"],
        "l1_l1": l1["l1"],
        "l1_gan": gan["l1"],
        "l1_both": both["l1"],
        "ends_l1": _say_ends(numbers, "generator_l1"),
        "ends_accuracy": _say_ends(numbers, "discriminator_fake_accuracy"),
    }


def _list_scores(numbers: Numbers) -> Rows:
    return [
        (
            name,
            *(numbers[name][score] for score in ("l1", "ssim", "sharpness")),
            *(f"{float(numbers[name]['realness'][kind]):.0%}" for kind in ("made", "photos")),
        )
        for name in VARIANTS
    ]


def _curves(numbers: Numbers, metric: str) -> dict[str, np.ndarray]:
    """A metric of each variant, as means of 50 steps each."""
    return {name: np.asarray(numbers[name]["curves"][metric]).reshape(-1, 50).mean(axis=1) for name in VARIANTS}


def _say_ends(numbers: Numbers, metric: str) -> str:
    curves = _curves(numbers, metric).items()
    return ", ".join(f"{name} from {show_number(curve[0])} to {show_number(curve[-1])}" for name, curve in curves)


def _draw_curves(numbers: Numbers, metric: str) -> Figure:
    label, title = CURVES[metric]
    figure, axes = new_plot("step", label, title=title)
    curves = _curves(numbers, metric)
    draw_lines(axes, {name: (50 * (np.arange(len(curve)) + 1), curve) for name, curve in curves.items()})
    axes.set_ylim(bottom=0)
    return figure

"""Values and figures of the lesson `skip_connections`, from its numbers alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.fundamentals.lesson import Grid, Numbers, Told
from experiments.fundamentals.prose import show_number
from experiments.fundamentals.skip_connections import NAMES
from experiments.plotting import BLACK, ORANGE, draw_lines, new_plot

Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    unet, tower, cut = numbers["unet"], numbers["encoder_decoder"], numbers["cut"]
    side_by_side = {
        "label map": numbers["labels"],
        "encoder-decoder": tower["pictures"],
        "U-Net": unet["pictures"],
        "photo": numbers["photos"],
    }
    scores = {name: numbers[net.__name__] for name, net in NAMES.items()}
    parts = {
        "tower": _draw_tower(numbers["size"], numbers["widths"]),
        "gradients_without_a_norm": _draw_gradients("Without a norm", _gradients(numbers, "without a norm")),
        "gradients_with_a_norm": _draw_gradients("With a norm", _gradients(numbers, "with a norm")),
        "side_by_side": Grid(side_by_side),
        "scores": [(name, score["l1"], score["ssim"], score["sharpness"]) for name, score in scores.items()],
        "training": _draw_training(_training(numbers)),
        "cut": Grid({result["bridge"]: [result["picture"]] for result in cut}),
        "cuts": [(result["bridge"], result["l1"], result["ssim"]) for result in cut],
    }
    return Told(_tell_values(numbers), parts)


def _tell_values(numbers: Numbers) -> dict[str, Any]:
    size, widths = numbers["size"], numbers["widths"]
    whole, *cuts, _ = numbers["cut"]
    worst = max(cuts, key=lambda result: float(result["l1"]))
    first = {name: gradients[0] for name, gradients in numbers["gradients"]["without a norm"].items()}
    training = _training(numbers).items()
    return {
        "size": size,
        "depth": len(widths),
        "bottleneck": widths[-1],
        "picture_numbers": 3 * size * size,
        "first_unet": first["unet"],
        "first_tower": first["encoder_decoder"],
        "gradients_without": _say_gradients(_gradients(numbers, "without a norm")),
        "gradients_with": _say_gradients(_gradients(numbers, "with a norm")),
        "steps": numbers["steps"],
        "tower_weights": numbers["encoder_decoder"]["parameters"],
        "unet_weights": numbers["unet"]["parameters"],
        "tested": numbers["tested"],
        "training_ends": ", ".join(f"{name} from {show_number(y[0])} to {show_number(y[-1])}" for name, (_, y) in training),
        "worst": worst["bridge"],
        "l1_whole": whole["l1"],
        "l1_worst": worst["l1"],
    }


def _gradients(numbers: Numbers, norm: str) -> dict[str, np.ndarray]:
    """The size of the gradient for each layer of the encoder, by network."""
    return {name: numbers["gradients"][norm][net.__name__] for name, net in NAMES.items()}


def _training(numbers: Numbers) -> Curves:
    """(steps, L1) of each network; each L1 is the mean of 25 steps."""
    means = {name: np.asarray(numbers[net.__name__]["curve"]).reshape(-1, 25).mean(axis=1) for name, net in NAMES.items()}
    return {name: (25 * (np.arange(len(mean)) + 1), mean) for name, mean in means.items()}


def _say_gradients(gradients: dict[str, np.ndarray]) -> str:
    ends = {name: (show_number(size[0]), show_number(size[-1])) for name, size in gradients.items()}
    return "; ".join(f"{name} {first} in the first, {last} in the last" for name, (first, last) in ends.items())


def _draw_tower(size: int, widths: Sequence[int]) -> Figure:
    figure, axes = new_plot("", "", size=(4.6, 4.2))
    axes.set_axis_off()
    depth = len(widths)
    for row in range(depth + 1):
        side = size >> row
        channels = 3 if row == 0 else widths[row - 1]
        label, y = f"{side} × {side} × {channels}", -row
        for x in (0.0, 1.0) if row < depth else (0.5,):
            style = {"boxstyle": "round", "facecolor": "white", "edgecolor": BLACK}
            axes.text(x, y, label, ha="center", va="center", fontsize=10, bbox=style)
        if row < depth:
            for x, inner in ((0.0, 0.28), (1.0, 0.72)):
                start, end = (x, y - 0.25), (inner if row == depth - 1 else x, y - 0.75)
                start, end = (start, end) if x == 0 else (end, start)
                axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": BLACK})
        if 0 < row < depth:
            arrow = {"arrowstyle": "->", "color": ORANGE, "linestyle": "--", "linewidth": 1.6}
            axes.annotate("", (0.72, y), (0.28, y), arrowprops=arrow)
            axes.text(0.5, y + 0.12, "bridge", ha="center", fontsize=9, color=ORANGE)
    axes.set(xlim=(-0.3, 1.3), ylim=(-depth - 0.4, 0.8))
    axes.text(0, 0.5, "encoder ↓", ha="center", fontsize=10)
    axes.text(1, 0.5, "decoder ↑", ha="center", fontsize=10)
    return figure


def _draw_gradients(title: str, gradients: dict[str, np.ndarray]) -> Figure:
    figure, axes = new_plot("layer of the encoder", "size of its gradient", title=title, yscale="log")
    draw_lines(axes, {name: (np.arange(1, len(size) + 1), size) for name, size in gradients.items()}, markers=True)
    return figure


def _draw_training(curves: Curves) -> Figure:
    figure, axes = new_plot("step", "L1, mean of 25 steps", title="Training")
    draw_lines(axes, curves)
    axes.set_ylim(bottom=0)
    return figure

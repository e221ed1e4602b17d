"""Values and figures of the lesson `relu`, from its numbers alone."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.fundamentals.lesson import Choice, Controls, Numbers, Rows, Slider, Told
from experiments.fundamentals.relu import DEPTHS, EXAMPLES, FEW, KINDS, MANY, WIDTH, reaching_first, spread
from experiments.plotting import BLACK, BLUE, ORANGE, draw_lines, new_plot

ACTIVATIONS = ("sigmoid", "tanh", "ReLU")


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    curves, bends, deep = numbers["curves"], numbers["bends"], numbers["deep"]
    parts = {
        "relu": _draw_relu(curves),
        "relu_slope": _draw_relu_slope(curves),
        "bends": _draw_bends(bends),
        "bend_slopes": _draw_bend_slopes(bends),
        "decoder": _list_decoder(numbers["decoder"]),
        "slopes": _draw_slopes(curves),
        "deep_chain": _control_chain(),
        "sizes": _draw_sizes(deep),
        "gradients": _draw_gradients(deep),
        "depths": _draw_depths(deep),
        "reached": [
            (str(depth), *(float(f"{_median_reaching_first(deep, kind, depth):.2g}") for kind in ACTIVATIONS))
            for depth in DEPTHS
        ],
    }
    return Told({**_tell_switch(numbers), **_tell_depth(deep)}, parts)


def _tell_switch(numbers: Numbers) -> dict[str, Any]:
    few, many, deep = numbers["bends"]["few"], numbers["bends"]["many"], numbers["deep"]
    return {
        "slope_at_zero": numbers["curves"]["slope_at_zero"],
        "few": FEW,
        "few_bends": len(few["bends"]),
        "few_pieces": few["pieces"],
        "few_loss": few["loss"],
        "many": MANY,
        "many_bends": len(many["bends"]),
        "many_pieces": many["pieces"],
        "many_loss": many["loss"],
        "zeros_relu": deep["zeros"]["ReLU"].mean(),
        "zeros_sigmoid": deep["zeros"]["sigmoid"].mean(),
        "switching": deep["switching"]["ReLU"][:, 0].mean(),
        "examples": EXAMPLES,
    }


def _tell_depth(deep: Numbers) -> dict[str, Any]:
    reached = {kind: _median_reaching_first(deep, kind, DEPTHS[-1]) for kind in KINDS}
    ratios = [reaching_first(deep, kind, depth) for kind in ("tanh", "ReLU") for depth in DEPTHS]
    by_xavier = deep["size"]["ReLU, Xavier's"]
    return {
        "quarters": 0.25**32,
        "shrunk": np.median(by_xavier[:, -1] / by_xavier[:, 0]),
        "drift": np.median(spread(deep["size"]["ReLU"])),
        "width": WIDTH,
        "worst": max(np.exp(np.abs(np.log(ratio))).max() for ratio in ratios),
        "factor": reached["sigmoid"] ** (1 / (DEPTHS[-1] - 1)),
        "reached": reached["sigmoid"],
        "moved_relu": np.median(deep["moved"]["ReLU"]),
        "moved_sigmoid": np.median(deep["moved"]["sigmoid"]),
    }


def _median_reaching_first(deep: Numbers, kind: str, depth: int) -> float:
    return float(np.median(reaching_first(deep, kind, depth)))


def _list_decoder(decoder: Numbers) -> Rows:
    zeros = zip(decoder["side"], decoder["skip"], decoder["below"], strict=True)
    return [
        (f"{layer}, with {side} × {side} positions", f"{skip:.0%}", f"{below:.0%}")
        for layer, (side, skip, below) in enumerate(zeros, start=2)
    ]


def _control_chain() -> Controls:
    return Controls(
        [
            Choice("activation", "Activation:", [("sigmoid", "sigmoid"), ("tanh", "tanh"), ("relu", "ReLU")]),
            Slider("layers", "Units in the chain:", 1, 32, 1, 8),
            Slider("weight", "Every weight:", 0.25, 2, 0.25, 1),
        ],
        play="layers",
    )


def _draw_relu(curves: Numbers) -> Figure:
    figure, axes = new_plot("x", "relu(x)", title="The function")
    axes.plot(curves["x"], curves["relu"]["y"], color=BLUE, linewidth=2)
    return figure


def _draw_relu_slope(curves: Numbers) -> Figure:
    figure, axes = new_plot("x", "slope of relu", title="Its slope", ylim=(-0.1, 1.2))
    off = np.asarray(curves["x"]) <= 0
    for side in (off, ~off):
        axes.plot(np.asarray(curves["x"])[side], np.asarray(curves["relu"]["slope"])[side], color=BLUE, linewidth=2)
    axes.plot(0, curves["slope_at_zero"], "o", color=BLACK, label="at exactly zero")
    axes.legend(fontsize=9)
    return figure


def _draw_bends(bends: Numbers) -> Figure:
    x, few, many = np.asarray(bends["x"]), bends["few"], bends["many"]
    figure, axes = new_plot("x", "answer", title="Broken lines", ylim=(-1.3, 2.2), xticks=np.linspace(-1, 1, 5))
    draw_lines(axes, {f"{FEW} units": (x, few["y"]), f"{MANY} units": (x, many["y"]), "the wave": (x, bends["wave"])})
    for fit, marker, colour in ((few, "o", BLUE), (many, "s", ORANGE)):
        axes.plot(fit["bends"], np.interp(fit["bends"], x, fit["y"]), marker, color=colour, markersize=5)
    return figure


def _draw_bend_slopes(bends: Numbers) -> Figure:
    figure, axes = new_plot("x", "slope of the answer", title="Their slopes are stairs", xticks=np.linspace(-1, 1, 5))
    names = {f"{FEW} units": "few", f"{MANY} units": "many"}
    lines = {label: (np.asarray(bends["x"]), bends[name]["slope"]) for label, name in names.items()}
    draw_lines(axes, lines, drawstyle="steps-mid")
    return figure


def _draw_slopes(curves: Numbers) -> Figure:
    figure, axes = new_plot("x", "slope", title="Slopes of three activations", ylim=(-0.05, 1.3))
    names = {"sigmoid": "sigmoid", "tanh": "tanh", "ReLU": "relu"}
    draw_lines(axes, {label: (curves["x"], curves[name]["slope"]) for label, name in names.items()})
    return figure


def _draw_sizes(deep: Numbers) -> Figure:
    figure, axes = new_plot("layer", "mean square of its outputs", title="32 layers of ReLU", yscale="log")
    layer = np.arange(1, DEPTHS[-1] + 1)
    names = {"He's rule, 2/n": "ReLU", "Xavier's rule, 1/n": "ReLU, Xavier's"}
    draw_lines(axes, {label: (layer, np.median(deep["size"][kind], 0)) for label, kind in names.items()})
    return figure


def _draw_gradients(deep: Numbers) -> Figure:
    last = DEPTHS[-1]
    figure, axes = new_plot("layer", "gradient, last layer = 1", title=f"In a network of {last} layers", yscale="log")
    gradients = {kind: np.asarray(deep["gradient"][kind], np.float64)[:, -1] for kind in ACTIVATIONS}
    ratios = {kind: np.median(gradient / gradient[:, -1:], 0) for kind, gradient in gradients.items()}
    draw_lines(axes, {kind: (np.arange(1, last + 1), ratio) for kind, ratio in ratios.items()})
    return figure


def _draw_depths(deep: Numbers) -> Figure:
    label, title = "first layer's gradient, last = 1", "Gradient of the first layer"
    figure, axes = new_plot("layers", label, title=title, xscale="log", yscale="log")
    reached = {kind: (DEPTHS, [_median_reaching_first(deep, kind, depth) for depth in DEPTHS]) for kind in ACTIVATIONS}
    draw_lines(axes, reached, markers=True)
    axes.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
    axes.minorticks_off()
    return figure

"""Values and figures of the lesson `backpropagation`, from its numbers alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.fundamentals.backpropagation import STARTS, STEPS
from experiments.fundamentals.lesson import Choice, Controls, Numbers, Rows, Slider, Told
from experiments.fundamentals.prose import show_number
from experiments.plotting import BLACK, BLUE, ORANGE, draw_lines, new_plot

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

# The position of each value of the graph, in inches from the left and from the top, and its label.
NODES = {
    "x1": (0.75, 0.4, "input"), "x2": (3.85, 0.4, "input"),
    "s1": (0.75, 2.3, "sum"), "s2": (3.85, 2.3, "sum"),
    "h1": (0.75, 3.4, "tanh"), "h2": (3.85, 3.4, "tanh"),
    "z": (2.3, 4.85, "logit"), "loss": (2.3, 5.95, "log"),
}  # fmt: skip
LABELS = {
    "w11": (0.75, 1.4), "w12": (1.68, 1.0), "w21": (2.92, 1.0), "w22": (3.85, 1.4), "b1": (2.06, 2.12), "b2": (2.54, 2.48),
    "v1": (1.45, 4.12), "v2": (3.15, 4.12), "c": (3.95, 4.85),
}  # fmt: skip
ARROWS = ("x1 s1", "x1 s2", "x2 s1", "x2 s2", "b1 s1", "b2 s2", "s1 h1", "s2 h2", "h1 z", "h2 z", "c z", "z loss")


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    layers, graph, xor = numbers["layers"], numbers["graph"], numbers["xor"]
    constants = {name: round(value, 6) for name, value in graph["values"].items() if name in (*LABELS, "x1", "x2")}
    ways = [graph[way] for way in ("by_hand", "by_grad", "by_differences")]
    parts = {
        "tanh": _draw_tanh(layers),
        "layers": _draw_layers(layers),
        "chain": _list_chain(numbers["chain"]),
        "forward": _draw_graph(graph, backward=False),
        "backward": _draw_graph(graph, backward=True),
        "blame": _control_blame(constants),
        "ways": [(_name(name), *(way[name] for way in ways)) for name in LABELS],
        "cost": _draw_cost(numbers["cost"]),
        "xor_loss": _draw_xor_loss(xor),
        "xor_plane": _draw_xor_plane(xor),
        "starts": [(units, f"{float(learned):.1%}") for units, learned in xor["learned"].items()],
    }
    return Told({**_tell_slopes(numbers), **_tell_cost(numbers)}, parts)


def _tell_slopes(numbers: Numbers) -> dict[str, Any]:
    layers, chain, graph = numbers["layers"], numbers["chain"], numbers["graph"]
    values, slopes = graph["values"], graph["by_grad"]
    steepest = max(slopes, key=lambda name: abs(slopes[name]))
    return {
        "difference": layers["difference"],
        "distance": layers["distance_to_line"],
        "chain_start": chain["values"][0],
        "chain_grad": chain["by_grad"],
        "chain_differences": chain["by_differences"],
        "weights": len(slopes),
        "probability": values["p"],
        "loss": values["loss"],
        "graph_values": _say_graph(values),
        "graph_slopes": _say_graph(graph["by_hand"]),
        "steepest": _name(steepest),
        "steepest_slope": slopes[steepest],
        "sign": "positive" if slopes[steepest] > 0 else "negative",
        "smaller": "smaller" if slopes[steepest] > 0 else "larger",
    }


def _tell_cost(numbers: Numbers) -> dict[str, Any]:
    (small, *_, large), xor, pix2pix = numbers["cost"], numbers["xor"], numbers["pix2pix"]
    return {
        "cost_small": small["backward"],
        "cost_large": large["backward"],
        "cost_inputs": large["inputs_too"],
        "weights_small": small["weights"],
        "weights_large": large["weights"],
        "differences_small": small["differences"],
        "differences_large": large["differences"],
        "pix2pix_weights": pix2pix["weights"],
        "pix2pix_passes": 2 * pix2pix["weights"],
        "pix2pix_calls": pix2pix["calls"],
        "xor_single": xor["single"][-1],
        "xor_hidden": xor["curve"][-1],
        "xor_zeros": xor["zeros"],
        "starts": STARTS,
        "steps": STEPS,
    }


def _say_graph(numbers: Numbers) -> str:
    return ", ".join(f"{_name(key)} {_short(numbers[key])}" for key in NODES | LABELS)


def _control_blame(constants: dict[str, float]) -> Controls:
    return Controls(
        [
            Slider("x1", "Input x₁:", -2, 2, 0.1, constants["x1"]),
            Slider("w11", "Weight w₁₁:", -4, 4, 0.1, constants["w11"]),
            Slider("v1", "Weight v₁:", -3, 3, 0.1, constants["v1"]),
            Choice("truth", "The right answer is", [("no", "no"), ("yes", "yes")]),
        ],
        constants,
    )


def _name(name: str) -> str:
    return name.translate(SUBSCRIPTS)


def _short(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _list_chain(chain: Numbers) -> Rows:
    functions = (("u = 3x", "du/dx", "dL/dx"), ("h = tanh(u)", "dh/du", "dL/du"), ("L = (h − 1)²", "dL/dh", "dL/dh"))
    columns = zip(functions, chain["values"][1:], chain["slopes"], chain["products"], strict=True)
    return [
        (
            function.replace(" ", "\N{NO-BREAK SPACE}"),
            value,
            f"{own} = {show_number(slope)}",
            f"{total} = {show_number(product)}",
        )
        for (function, own, total), value, slope, product in columns
    ]


def _draw_tanh(layers: Numbers) -> Figure:
    figure, axes = new_plot("sum s", "", title="tanh and its slope", ylim=(-1.1, 1.5))
    draw_lines(
        axes, {"tanh(s)": (layers["x"], layers["tanh"]), "its slope, 1 − tanh(s)²": (layers["x"], layers["tanh_slope"])}
    )
    return figure


def _draw_layers(layers: Numbers) -> Figure:
    figure, axes = new_plot("input x", "answer", title="The same weights, three hidden units")
    lines = {"without activation": (layers["x"], layers["two_layers"]), "with tanh": (layers["x"], layers["bent"])}
    draw_lines(axes, lines)
    return figure


def _draw_graph(graph: Numbers, *, backward: bool) -> Figure:
    """The graph with its values, or with its values and slopes; arrows in the direction of the pass."""
    figure, axes = new_plot("", "", size=(4.6, 6.4), xlim=(0, 4.6), ylim=(6.3, 0.1))
    axes.set_title("Backward: slopes of the loss, upwards" if backward else "Forward: values, downwards", fontsize=11)
    axes.set_axis_off()
    places, half_height = NODES | LABELS, 0.21 if backward else 0.12
    for start, end in map(str.split, ARROWS):
        _draw_arrow(axes, places[start], places[end], half_height, backward)
    frame = {"boxstyle": "square,pad=0.4", "facecolor": "white", "edgecolor": BLACK}
    bare = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    for key, (x, y, *kind) in places.items():
        words = f"{' '.join((*kind, _name(key)))} = {_short(graph['values'][key])}"
        words += f"\nslope {_short(graph['by_hand'][key])}" if backward else ""
        axes.text(x, y, words, ha="center", va="center", fontsize=9.5, bbox=frame if kind else bare, zorder=3)
    return figure


def _draw_arrow(axes: Axes, start: Sequence[Any], end: Sequence[Any], half_height: float, backward: bool) -> None:
    """Draws an arrow from start to end, or back if `backward`; a nearly horizontal arrow joins the sides of the nodes."""
    (x0, y0), (x1, y1) = start[:2], end[:2]
    across = np.sign(x1 - x0)
    if abs(y1 - y0) < 0.3:
        tail, head = (x0 + 0.43 * across, y0), (x1 - 0.62 * across, y0 + 0.6 * (y1 - y0))
    else:
        half_height += 0.05  # of the frame
        tail, head = (x0 + 0.3 * across, y0 + half_height), (x1 - 0.3 * across, y1 - half_height)
    style = {"color": ORANGE, "linestyle": "--"} if backward else {"color": BLUE, "linestyle": "-"}
    tail, head = (head, tail) if backward else (tail, head)
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.3, **style})


def _draw_cost(cost: list[Numbers]) -> Figure:
    title = "The cost of one gradient"
    figure, axes = new_plot("weights", "cost, in forward passes", title=title, xscale="log", yscale="log")
    weights = [row["weights"] for row in cost]
    lines = {
        "finite differences": (weights, [row["differences"] for row in cost]),
        "backpropagation": (weights, [row["backward"] for row in cost]),
    }
    draw_lines(axes, lines, markers=True)
    axes.set_ylim(bottom=1)
    return figure


def _draw_xor_loss(xor: Numbers) -> Figure:
    figure, axes = new_plot("step", "log loss", title="Learning XOR")
    steps = np.arange(len(xor["curve"]))
    draw_lines(axes, {"hidden layer of four units": (steps, xor["curve"]), "single layer": (steps, xor["single"])})
    axes.set_ylim(bottom=0)
    return figure


def _draw_xor_plane(xor: Numbers) -> Figure:
    figure, axes = new_plot("input x₁", "input x₂", title=f"Probability of yes, after {STEPS} steps", aspect="equal")
    axes.grid(visible=False)
    extent = (-0.5, 1.5, -0.5, 1.5)
    image = axes.imshow(xor["plane"], cmap="gray", vmin=0, vmax=1, origin="lower", extent=extent)
    lines = axes.contour(xor["plane"], [0.5], colors=ORANGE, origin="lower", extent=extent)
    for label in axes.clabel(lines, fmt="1/2", fontsize=9):
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    style = {"color": "white", "markeredgecolor": BLUE, "markeredgewidth": 2, "markersize": 9}
    for points, marker, label in ((((0, 1), (1, 0)), "o", "yes"), (((0, 0), (1, 1)), "^", "no")):
        axes.plot(*np.transpose(points), marker, label=label, **style)
    axes.legend(fontsize=9, framealpha=0.9, loc="upper left")
    figure.colorbar(image, ax=axes, shrink=0.9)
    return figure

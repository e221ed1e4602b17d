"""Values and figures of the lesson `losses`, from its numbers alone."""

from typing import Any

import numpy as np
from jax import Array
from matplotlib.figure import Figure

from experiments.fundamentals.lesson import Choice, Controls, Grid, Numbers, Slider, Told
from experiments.fundamentals.losses import PRICES, WRONG_LOGIT
from experiments.plotting import BLACK, BLUE, ORANGE, draw_lines, new_plot


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    line, clouds, centre, edges = (numbers[name] for name in ("line", "clouds", "centre", "edges"))
    race, costs = numbers["race"], numbers["curves"]["of_probability"]
    values: dict[str, Any] = {
        "line_start": line["loss"][0],
        "line_end": line["loss"][-1],
        "slope": line["path"][-1][0],
        "height": line["path"][-1][1],
        "accuracy": clouds["accuracy"],
        "clouds_start": clouds["loss"][0],
        "clouds_end": clouds["loss"][-1],
        "wrong_logit": WRONG_LOGIT,
        "squared_slope": race["squared"]["slope_at_start"],
        "log_slope": race["log"]["slope_at_start"],
        "squared_steps": race["squared"]["steps_to_90_percent"],
        "log_steps": race["log"]["steps_to_90_percent"],
        "prices": ", ".join(f"{price:g}" for price in PRICES),
        "mean_found": centre["l2"]["found"],
        "median_found": centre["l1"]["found"],
    }
    parts = {
        "line": _draw_line(line),
        "line_loss": _draw_loss(line["loss"], "L2"),
        "costs": [(f"{p:g}", cost) for p, cost in costs.items()],
        "log_loss": Controls(
            [
                Choice("truth", "The picture is", [("real", "real"), ("fake", "fake")]),
                Slider("logit", "Logit of the answer:", -8, 8, 0.1, -3),
            ]
        ),
        "clouds": _draw_clouds(clouds),
        "clouds_loss": _draw_loss(clouds["loss"], "log loss"),
        "slopes": _draw_slopes(numbers["curves"]),
        "race": _draw_race(race),
        "best_guess": Controls([Slider("guess", "Guess:", 0, 10, 0.1, 6)], {"prices": PRICES.tolist()}),
        "edges": _show_edges(edges),
        "edge_rows": _draw_edge_rows(edges),
    }
    return Told(values, parts)


def _draw_line(line: Numbers) -> Figure:
    figure, axes = new_plot("x", "y", title="Descent finds the line")
    axes.plot(line["x"], line["y"], "o", color=BLACK, markersize=4, label="points")
    paths = {
        f"after {step} steps": (line["x"], line["path"][step][0] * line["x"] + line["path"][step][1]) for step in (0, 3, 60)
    }
    draw_lines(axes, paths)
    return figure


def _draw_loss(values: Array, label: str) -> Figure:
    figure, axes = new_plot("step", label, title="The loss goes down")
    axes.plot(np.asarray(values), color=BLUE)
    axes.set_ylim(bottom=0)
    return figure


def _draw_clouds(clouds: Numbers) -> Figure:
    figure, axes = new_plot("x₁", "x₂", title="A line between two clouds")
    for points, marker, colour, label in ((clouds["real"], "o", BLUE, "real"), (clouds["fake"], "^", ORANGE, "fake")):
        axes.plot(points[:, 0], points[:, 1], marker, color=colour, markersize=5, label=label)
    across, up, height = clouds["weights"]
    x = np.array([-3.0, 3.0])
    axes.plot(x, -(across * x + height) / up, color=BLACK, label="p = 1/2")
    axes.set_ylim(-3, 3)
    axes.legend(fontsize=9)
    return figure


def _draw_slopes(curves: Numbers) -> Figure:
    x = curves["logit"]
    figure, axes = new_plot("logit (the picture is real)", "slope of the loss", title="How steep each loss is")
    draw_lines(axes, {"log loss": (x, curves["log_slope"]), "squared error": (x, curves["squared_slope"])})
    axes.axvline(WRONG_LOGIT, color=BLACK, linewidth=1)
    return figure


def _draw_race(race: Numbers) -> Figure:
    figure, axes = new_plot("step", "probability of the right answer", title="From the same wrong answer", ylim=(0, 1))
    names = {"log loss": "log", "squared error": "squared"}
    draw_lines(axes, {label: (np.arange(60), race[name]["probability"]) for label, name in names.items()})
    return figure


def _show_edges(edges: Numbers) -> Grid:
    targets = {f"target {i}": [picture] for i, picture in enumerate(edges["examples"], start=1)}
    return Grid({**targets, "best for L2": [edges["l2"]["picture"]], "best for L1": [edges["l1"]["picture"]]})


def _draw_edge_rows(edges: Numbers) -> Figure:
    figure, axes = new_plot("column of pixels", "brightness, −1 to 1", title="One row of the two answers")
    axes.step(np.arange(32), edges["l2"]["row"], where="mid", color=ORANGE, linestyle="--", label="L2: the mean")
    axes.step(np.arange(32), edges["l1"]["row"], where="mid", color=BLUE, label="L1: the median")
    axes.legend(fontsize=9)
    return figure

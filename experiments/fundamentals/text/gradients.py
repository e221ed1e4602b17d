"""Values and figures of the lesson `gradients`, from its numbers alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.fundamentals.descents import CLIP, METHODS, SURFACES
from experiments.fundamentals.gradients import RATES, STEPS, ends_of, longest_step, needed_steps
from experiments.fundamentals.lesson import Choice, Controls, Numbers, Slider, Told
from experiments.fundamentals.prose import show_number
from experiments.fundamentals.slopes import WEIGHT
from experiments.plotting import BLACK, BLUE, GREY, ORANGE, draw_lines, new_plot

BOWLS = ("Too small", "Right", "Nearly too large", "Too large")


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    values = {**_tell_slopes(numbers), **_tell_steps(numbers), **_tell_surfaces(numbers), **_tell_cliff(numbers)}
    errors, paths = numbers["errors"], numbers["paths"]
    from_starts = {f"start {index}": path for index, path in enumerate(paths["starts"]["path"], start=1)}
    parts = {
        "slopes": [
            (name, *(_to_digits(case[way]) for way in ("hand", "jax", "differences")))
            for name, case in numbers["slopes"].items()
        ],
        "slope": _draw_slope(),
        "errors": _draw_errors(errors),
        "fraction": _draw_mistakes(numbers["mistakes"], "fraction", "fraction of mistakes"),
        "log_loss": _draw_mistakes(numbers["mistakes"], "log loss", "log loss"),
        **{f"rate_{index}": _draw_bowl(numbers, index) for index in range(len(BOWLS))},
        "starts": _draw_map(numbers, "bumpy", from_starts, "Plain descent from four starts"),
        "bumpy": _draw_map(numbers, "bumpy", _paths_of(paths["bumpy"]), "Three methods from one start"),
        "descent": _control_descent(),
    }
    for name, methods in _methods(numbers).items():
        parts[f"{name}_paths"] = _draw_map(numbers, name, _paths_of(methods), f"The {name}")
        parts[f"{name}_loss"] = _draw_loss(methods)
    return Told(values, parts)


def _methods(numbers: Numbers) -> dict[str, Numbers]:
    """The paths and losses of each method, on the surfaces where the page compares them."""
    surfaces = {**numbers["tried"], "cliff": numbers["paths"]["cliff"]}
    return {name: {method: found[method] for method in METHODS if method in found} for name, found in surfaces.items()}


def _paths_of(methods: Numbers) -> dict[str, np.ndarray]:
    return {method: methods[method]["path"] for method in METHODS if method in methods}


def _tell_slopes(numbers: Numbers) -> dict[str, Any]:
    mistakes, corner = numbers["mistakes"], numbers["corner"]
    return {
        "weight": WEIGHT,
        "single_error": numbers["errors"]["float32"]["jax"],
        "thresholds": len(mistakes["thresholds"]),
        "stair_slope": np.abs(mistakes["fraction"]["slopes"]).max(),
        "stair_mistakes": mistakes["fraction"]["mistakes"],
        "stair_end": mistakes["fraction"]["path"][-1],
        "log_mistakes": mistakes["log loss"]["mistakes"],
        "log_end": mistakes["log loss"]["path"][-1],
        "slope_left": corner["package"][0],
        "slope_corner": corner["package"][1],
        "slope_right": corner["package"][2],
        "slope_absolute": corner["absolute"][1],
    }


def _tell_steps(numbers: Numbers) -> dict[str, Any]:
    bowl, adam, pix2pix = numbers["bowl"], numbers["adam"], numbers["pix2pix"]
    return {
        **{f"loss_{index}": bowl["loss"][index][-1] for index in range(len(BOWLS))},
        "curvature": bowl["curvature"],
        "limit": bowl["limit"],
        "loss_below": bowl["below"],
        "loss_above": bowl["above"],
        "gradient_1": adam["first_gradient"][0],
        "gradient_2": adam["first_gradient"][1],
        "moved_1": round(float(adam["first_step"][0]), 6),
        "moved_2": round(float(adam["first_step"][1]), 6),
        "scaled": adam["scaled"],
        "scaled_plain": adam["scaled_plain"],
        "pix2pix_rate": pix2pix["rate"],
        "pix2pix_b1": pix2pix["b1"],
    }


def _tell_surfaces(numbers: Numbers) -> dict[str, Any]:
    bumpy, starts = numbers["paths"]["bumpy"], numbers["paths"]["starts"]
    values: dict[str, Any] = {
        "steps": STEPS,
        "ends": len(ends_of(starts)),
        "ends_lowest": round(float(starts["loss"].min()), 6),
        "ends_highest": starts["loss"].max(),
        "bumpy_stuck": bumpy["plain"]["loss"][-1],
        "bumpy_rates": _say_rates(RATES["bumpy"]),
        "cliff_rates": _say_rates(RATES["cliff"]),
    }
    for name, needed in needed_steps(numbers).items():
        values |= {f"{name}_{method.lower()}": steps for method, steps in zip(METHODS, needed, strict=False)}
        rates = {method: float(found["rate"]) for method, found in _methods(numbers)[name].items()}
        values[f"{name}_rates"] = _say_rates(rates)
    for name, methods in _methods(numbers).items():
        ends = (f"{method} {show_number(found['loss'][-1])}" for method, found in methods.items())
        values[f"{name}_ends"] = "; ".join(ends)
    return values


def _tell_cliff(numbers: Numbers) -> dict[str, Any]:
    plain, adam = numbers["paths"]["cliff"]["plain"]["path"], numbers["paths"]["cliff"]["Adam"]["path"]
    return {
        "steepest": longest_step(plain) / RATES["cliff"]["plain"],
        "thrown": plain[:, 0].min(),
        "clip": CLIP,
        "crept": abs(adam[-1, 0] - adam[-51, 0]),
    }


def _to_digits(value: Any) -> str:
    return f"{float(value):.12f}".replace("-", "−")


def _say_rates(rates: Mapping[str, float]) -> str:
    return "Learning rates: " + "; ".join(f"{method} {rate:.3g}" for method, rate in rates.items()) + "."


def _control_descent() -> Controls:
    return Controls(
        [
            Choice("surface", "Surface", [(name, name) for name in SURFACES]),
            Choice("method", "Method", [("plain", "plain descent"), ("momentum", "momentum"), ("Adam", "Adam")]),
            Slider("rate", "Learning rate:", -3, 0.3, 0.05, -0.7, power=True),
            Slider("steps", "Steps:", 0, 60, 1, 20),
        ],
        {
            "starts": {name: surface.start for name, surface in SURFACES.items()},
            "levels": {name: surface.levels for name, surface in SURFACES.items()},
        },
        play="steps",
    )


def _draw_slope() -> Figure:
    w = np.linspace(-4, 3.5, 76)
    figure, axes = new_plot("w", "log loss", title="The slope is that of a straight line")
    value, slope = np.log1p(np.exp(-WEIGHT)), -1 / (1 + np.exp(WEIGHT))
    ends = np.array([WEIGHT - 3, WEIGHT + 2])
    below, above = np.log1p(np.exp(-(WEIGHT - 2))), np.log1p(np.exp(-(WEIGHT + 2)))
    lines = {
        "log loss": (w, np.log1p(np.exp(-w))),
        "slope at w": (ends, value + slope * (ends - WEIGHT)),
        "difference, h = 2": (ends, above + (below - above) / 4 * (WEIGHT + 2 - ends)),
    }
    draw_lines(axes, lines)
    axes.plot(WEIGHT, value, "o", color=BLACK)
    return figure


def _draw_errors(errors: Numbers) -> Figure:
    figure, axes = new_plot("h", "error of the slope", title="The error falls, then rises", xscale="log", yscale="log")
    h = errors["h"]
    lines = {
        "one-sided": (h, errors["float64"]["forward"]),
        "two-sided": (h, errors["float64"]["central"]),
        "two-sided, float32": (h, errors["float32"]["central"]),
    }
    draw_lines(axes, lines)
    return figure


def _draw_mistakes(mistakes: Numbers, name: str, label: str) -> Figure:
    figure, axes = new_plot("threshold w", label, title=f"Descent on the {label}")
    x, curve, path = mistakes["thresholds"], mistakes[name]["curve"], mistakes[name]["path"]
    axes.plot(x, curve, color=BLUE)
    axes.plot(path, np.interp(path, x, curve), "o", color=ORANGE, markersize=4, label="descent")
    axes.plot(path[:1], np.interp(path[:1], x, curve), "s", color=BLACK, markersize=7, label="start")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=9)
    return figure


def _draw_bowl(numbers: Numbers, index: int) -> Figure:
    rate = f"rate {show_number(numbers['bowl']['rates'][index])}"
    return _draw_map(numbers, "bowl", {rate: numbers["bowl"]["path"][index]}, BOWLS[index])


def _draw_loss(methods: Numbers) -> Figure:
    figure, axes = new_plot("step", "loss", title="Loss after each step", yscale="log")
    draw_lines(axes, {method: (np.arange(len(found["loss"])), found["loss"]) for method, found in methods.items()})
    axes.set_ylim(1e-6, 3 * max(found["loss"].max() for found in methods.values()))
    return figure


def _draw_map(numbers: Numbers, name: str, paths: Mapping[str, np.ndarray], title: str) -> Figure:
    """Paths over the contours of a surface."""
    heights = numbers["heights"]
    figure, axes = new_plot("weight w₁", "weight w₂", title=title)
    axes.grid(False)
    levels = SURFACES[name].levels
    axes.contour(heights["across"], heights["up"], heights[name], levels, colors=GREY, linewidths=0.6, zorder=1)
    draw_lines(axes, {label: (path[:, 0], path[:, 1]) for label, path in paths.items()}, markers=True, markersize=3)
    for path in paths.values():
        axes.plot(*path[0], "s", color=BLACK, markersize=7)
    axes.set(xlim=(-3, 3), ylim=(-2, 2), aspect="equal")
    return figure

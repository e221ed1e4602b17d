"""Values and figures of the lesson `leaky_relu`, from its numbers alone."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.fundamentals import relu
from experiments.fundamentals.leaky_relu import EXAMPLES, MISTAKE, MISTAKE_AT, SLOPES, UNITS
from experiments.fundamentals.lesson import Controls, Numbers, Rows, Slider, Told
from experiments.fundamentals.prose import show_number
from experiments.plotting import BLACK, draw_lines, new_plot

SHORT = {"ReLU": "0", "slope 0.01": "001", "slope 0.2": "02"}
"""The suffix of the values' names, by slope."""


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    first, again = numbers["networks"]["first"], numbers["networks"]["again"]
    parts = {
        "leaky": _draw_curves(numbers["curves"], "y", "output", "Three activations"),
        "leaky_slopes": _draw_curves(numbers["curves"], "slope", "slope", "Their slopes", ylim=(-0.1, 1.2)),
        "leaky_slope": Controls(
            [
                Slider("slope", "Slope below zero:", 0, 1, 0.01, 0.2),
                Slider("x", "Input x:", -4, 4, 0.1, -2),
                Slider("layers", "Units in a row, each with the input x:", 1, 8, 1, 3),
            ]
        ),
        "single": _draw_single(numbers["single"]),
        "off": _draw_off("One wrong step, and its effect", first),
        "off_units": _list_units(first),
        "again": _draw_off("Starting from the ReLU networks", again),
        "both": _list_both(numbers),
    }
    values = {**_tell_single(numbers["single"]), **_tell_networks(numbers["networks"])}
    return Told({**values, **_tell_discriminator(numbers["discriminator"])}, parts)


def _tell_single(single: Numbers) -> dict[str, Any]:
    values = {f"gradient_{SHORT[name]}": found["first_gradient"] for name, found in single.items()}
    return {**values, **{f"on_{SHORT[name]}": single[name]["first_on"] for name in ("slope 0.01", "slope 0.2")}}


def _tell_networks(networks: Numbers) -> dict[str, Any]:
    first, again = networks["first"], networks["again"]
    off = first["ReLU"]["off"]
    values = {
        "count": networks["count"],
        "units": UNITS,
        "examples": EXAMPLES,
        "mistake_at": MISTAKE_AT,
        "mistake": -MISTAKE,
        "off_then": off[MISTAKE_AT],
        "off_later": _round(off[MISTAKE_AT + 10]),
        "off_start": _round(off[0]),
        "off_ends": _say_ends(first),
        "again_start": _round(again["ReLU"]["off"][0]),
        "again_ends": _say_ends(again),
        **{f"back_{SHORT[name]}": found["ever_back"] for name, found in first.items()},
        **{f"moved_{SHORT[name]}": found["moved"] for name, found in again.items()},
    }
    return {**values, **{f"returned_{SHORT[name]}": again[name]["returned"] for name in ("slope 0.01", "slope 0.2")}}


def _tell_discriminator(judge: Numbers) -> dict[str, Any]:
    return {
        "lost": judge["lost_by_relu"],
        "layers": len(judge["off"]),
        "off": ", ".join(f"{float(fraction):.0%}" for fraction in judge["off"]),
        "open": judge["open"],
        "relative": judge["relative_size"],
        "without": judge["pixels_without"][0],
    }


def _round(value: Any, digits: int = 1) -> float:
    return round(float(value), digits)


def _say_ends(trained: Numbers) -> str:
    return ", ".join(f"{show_number(_round(found['off'][-1]))} with {name}" for name, found in trained.items())


def _list_units(first: Numbers) -> Rows:
    return [
        (
            name,
            *(_round(units) for units in (found["off"][MISTAKE_AT], found["off"][-1], found["none"][-1])),
            _round(found["loss"], 4),
        )
        for name, found in first.items()
    ]


def _list_both(numbers: Numbers) -> Rows:
    networks, deep = numbers["networks"], numbers["deep"]
    dead = networks["first"]["ReLU"]["none"][-1] / UNITS
    return [
        ("one hidden layer of ReLU, after the wrong step", f"{dead:.0%}", _round(networks["living"], 2)),
        (
            f"{relu.DEPTHS[-1]} layers of sigmoids, at the start",
            f"{float(deep['silent']):.0%}",
            float(f"{deep['reached']:.2g}"),
        ),
    ]


def _draw_curves(curves: Numbers, name: str, label: str, title: str, **options: Any) -> Figure:
    figure, axes = new_plot("x", label, title=title, **options)
    draw_lines(axes, {slope: (curves["x"], curves[slope][name]) for slope in SLOPES})
    return figure


def _draw_single(single: Numbers) -> Figure:
    figure, axes = new_plot("step", "b", title="A unit that starts off")
    draw_lines(axes, {name: (5 * np.arange(len(found["shift"])), found["shift"]) for name, found in single.items()})
    back = [found for found in single.values() if found["steps_on"]]
    axes.plot([found["first_on"] for found in back], [found["shift_then"] for found in back], "o", color=BLACK)
    return figure


def _draw_off(title: str, trained: Numbers) -> Figure:
    label = f"units off for every example, of {UNITS}"
    figure, axes = new_plot("step", label, title=title, ylim=(0, UNITS))
    lines = {name: found["off"][::10] for name, found in trained.items()}
    draw_lines(axes, {name: (10 * np.arange(len(off)), off) for name, off in lines.items()})
    return figure

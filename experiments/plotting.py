"""Plots that fit on a phone and can be read without colours: lines also differ in dashes and markers."""

from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# A contrast of at least 3 to 1 on white; people who cannot tell red from green can distinguish them.
BLACK, BLUE, ORANGE, GREEN, PURPLE, GREY = "#1a1a1a", "#0067a5", "#c2500a", "#00805b", "#8a3c86", "#6e6e6e"


STYLES: list[dict[str, Any]] = [
    {"color": BLUE, "linestyle": "-"},
    {"color": ORANGE, "linestyle": "--"},
    {"color": GREEN, "linestyle": "-."},
    {"color": PURPLE, "linestyle": ":", "linewidth": 2.4},
    {"color": BLACK, "linestyle": (0, (7, 1.5))},
]
"""Options of `Axes.plot` for the lines of a plot, in turn."""


MARKERS = ("o", "s", "^", "D", "v")


def new_plot(
    x: str, y: str, *, title: str | None = None, size: tuple[float, float] = (4.6, 3.3), **options: Any
) -> tuple[Figure, Axes]:
    """Makes an empty plot of a phone's width.

    Args:
        x, y: labels of the axes, with units.
        title: above the plot.
        size: width and height in inches; keep the width, so that text stays readable on a phone.
        options: of `Axes.set`, such as xlim or yscale.
    """
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_prop_cycle(color=[str(style["color"]) for style in STYLES])
    axes.set(xlabel=x, ylabel=y, **options)
    if title:
        axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def draw_lines(axes: Axes, lines: dict[str, tuple[Any, Any]], *, markers: bool = False, **options: Any) -> None:
    """Draws lines, {label: (x, y)}, each in its own style, and their legend."""
    for (label, (x, y)), style, marker in zip(lines.items(), cycle(STYLES), cycle(MARKERS)):
        marked = {"marker": marker, "markersize": 5} if markers else {}
        axes.plot(x, y, label=label, **{**style, **marked, **options})
    axes.legend(fontsize=9, framealpha=0.9)

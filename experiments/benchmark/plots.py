"""Plots of the results: bars of speed with the limit, and curves of growth."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from experiments.benchmark.grow import UNITS, Point
from experiments.benchmark.output import GIB, TITLES, Limits, describe_case, find_baseline, min_seconds, summarize
from experiments.plotting import BLACK, BLUE, GREY, MARKERS, ORANGE, STYLES

COLOURS = {"jax": BLUE, "torch": ORANGE}

GROWTH = "growth.png"
"""The name of the file with the curves of growth."""


def draw_case(case: Mapping[str, Any], limits: Limits) -> Figure:
    """Draws pictures per second of each contestant, with the limit of its dtype, in a panel for each part."""
    rows = [row for row in case["rows"] if any(row.get(part) for part in TITLES)]
    parts = [part for part in TITLES if any(row.get(part) for row in rows)]
    figure = Figure(figsize=(2.6 + 3.6 * len(parts), 1.6 + 0.42 * len(rows)), layout="constrained")
    baseline = find_baseline(rows)
    figures = {row["name"]: summarize(row, baseline, case, limits) for row in rows}
    for index, part in enumerate(parts):
        axes = figure.add_subplot(1, len(parts), index + 1)
        for place, row in enumerate(rows):
            _draw_bar(axes, place, row, figures[row["name"]].get(part))
        here = [found[part] for found in figures.values() if part in found]
        widest = max(max(one["pictures"], one.get("limit", 0.0)) for one in here)
        axes.set(title=TITLES[part], xlabel="pictures per second", xlim=(0, 1.05 * widest), ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows] if index == 0 else [""] * len(rows))
        axes.spines[["top", "right"]].set_visible(False)
    note = "black line: the rate of the machine's best matrix product of that dtype"
    figure.suptitle(f"{describe_case(case)}\n{note}", fontsize=10)
    return figure


def _draw_bar(axes: Axes, place: int, row: Mapping[str, Any], found: Mapping[str, float] | None) -> None:
    if found is None:
        axes.text(0, place, " failed" if "failed" in row else " not measured", va="center", fontsize=9, color=GREY)
        return
    axes.barh(place, found["pictures"], color=COLOURS[row["framework"]], height=0.7)
    fraction = ""
    if "limit" in found:
        axes.plot([found["limit"]] * 2, [place - 0.45, place + 0.45], color=BLACK, linewidth=2)
        fraction = f" ({_short(100 * found['fraction'])} % of {_short(found['limit'])})"
    text = f"{_short(found['pictures'])}{fraction}"
    axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def draw_growth(points: Sequence[Point], limits: Limits) -> Figure:
    """Draws time and memory along each axis, log-log, with the time that the counted work takes at the limit."""
    axes_names = [axis for axis in UNITS if any(point["axis"] == axis and "seconds" in point for point in points)]
    figure = Figure(figsize=(4.2 * max(len(axes_names), 1), 6.4), layout="constrained")
    for index, axis in enumerate(axes_names):
        here = [point for point in points if point["axis"] == axis]
        time = figure.add_subplot(2, len(axes_names), index + 1)
        memory = figure.add_subplot(2, len(axes_names), len(axes_names) + index + 1)
        for name, style, marker in zip(dict.fromkeys(point["name"] for point in here), cycle(STYLES), cycle(MARKERS)):
            curve = [point for point in here if point["name"] == name and "seconds" in point]
            values = [point["value"] for point in curve]
            drawn = {**style, "marker": marker, "markersize": 5, "label": name}
            time.plot(values, [statistics.median(point["seconds"]) for point in curve], **drawn)
            memory.plot(values, [point["peak"] / GIB for point in curve], **drawn)
        _draw_work(time, here, limits)
        _finish(time, here, title=f"growing: {UNITS[axis]}", ylabel="seconds a step")
        _finish(memory, here, xlabel=UNITS[axis], ylabel="memory in steps, GiB")
        if index == 0:
            time.legend(fontsize=8, framealpha=0.9)
    return figure


def _draw_work(axes: Axes, points: Sequence[Point], limits: Limits) -> None:
    work = {point["value"]: min_seconds("float32", point["work"], limits) for point in points}
    known = {value: seconds for value, seconds in work.items() if seconds}
    if known:
        axes.plot(list(known), list(known.values()), color=GREY, linestyle=(0, (1, 1)), label="work at the float32 limit")


def _finish(axes: Axes, points: Sequence[Point], **options: Any) -> None:
    axes.set(xscale="log", yscale="log", **options)
    values = sorted({point["value"] for point in points})
    axes.set_xticks(values, [str(value) for value in values])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def name_plot(case: Mapping[str, Any]) -> str:
    """The name of the file with the plot of a case."""
    return f"pictures_{case['image_size']}px_batch{case['batch_size']}.png"


def save_plots(folder: Path, results: Mapping[str, Any]) -> list[Path]:
    """Writes all plots and returns their paths."""
    drawings = {}
    for case in results["cases"]:
        if any(row.get(part) for row in case["rows"] for part in TITLES):
            drawings[name_plot(case)] = draw_case(case, results["limits"])
    if any("seconds" in point for point in results["growth"]):
        drawings[GROWTH] = draw_growth(results["growth"], results["limits"])
    for name, figure in drawings.items():
        figure.savefig(folder / name, dpi=150)
    return [folder / name for name in drawings]

"""Training curves of several runs over each other, as SVG that needs no script."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from p2p_jax.evaluation.html import escape
from p2p_jax.workdir.metrics_file import Row

TITLES = {
    "generator_l1": "Distance to the target in training (L1)",
    "val_l1": "L1 on validation pairs",
    "val_psnr": "PSNR on validation pairs (dB)",
    "val_ssim": "SSIM on validation pairs",
    "generator_gan": "Adversarial loss of the generator",
    "discriminator_loss": "Loss of the discriminator",
    "pictures_per_second": "Pictures per second",
}
"""The metrics that are drawn, with their titles; others of validation follow under their own names."""

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 54, 26, 10, 34  # around the plot

LABEL = 11  # between the letters at the ends of curves

POINTS = 150
"""Points of a curve at most; more are replaced by means of neighbours."""

STYLES = 6
"""Colours, dashes and marks of settings; after that many they begin again."""


Place = Callable[[float, float], tuple[float, float]]
"""A function from a step and a value to a place in the figure."""


class Frame(NamedTuple):
    """The plot of a figure.

    Attributes:
        place: from values to places in the figure.
        axes: SVG of its grid and of the values along it.
    """

    place: Place
    axes: list[str]


class Curve(NamedTuple):
    """The rows of a run.

    Attributes:
        name: of the run.
        setting: its letter.
        style: index of the setting.
        rows: of metrics.jsonl.
    """

    name: str
    setting: str
    style: int
    rows: Sequence[Row]


def draw_curves(curves: Sequence[Curve]) -> list[str]:
    """One figure for each metric that a run has; [] if no run has rows."""
    found = {name for curve in curves for row in curve.rows for name in row}
    names = {**TITLES, **{name: name for name in sorted(found) if name.startswith("val_") and name not in TITLES}}
    figures = []
    for name, title in names.items():
        lines = [(curve, points) for curve in curves if (points := points_of(curve.rows, name))]
        if lines:
            figures.append(
                f"<figure>{_draw(lines, title)}<figcaption>{escape(title)}, against steps.</figcaption></figure>"
            )
    return figures


def points_of(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """(step, value) of the finite values of a metric, at most `POINTS` of them."""
    points = [(float(row["step"]), float(row[name])) for row in rows if math.isfinite(row.get(name, math.nan))]
    part = -(-len(points) // POINTS)
    parts = [points[start : start + part] for start in range(0, len(points), part or 1)]
    return [(sum(x for x, _ in each) / len(each), sum(y for _, y in each) / len(each)) for each in parts]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers in a range, about `count` of them.

    >>> ticks(0, 600), ticks(0.12, 0.31)
    ([0.0, 200.0, 400.0, 600.0], [0.15, 0.2, 0.25, 0.3])
    """
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.75)
    first = math.ceil(low / step - 1e-9)
    return [round(step * place, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def key(style: int) -> str:
    """A sample of the lines of a style, as SVG."""
    return (
        f'<svg class="key" viewBox="0 0 40 10" aria-hidden="true"><g class="s{style % STYLES}">'
        '<path class="line" d="M0 5H40"/></g></svg>'
    )


def open_frame(across: Sequence[float], up: Sequence[float]) -> Frame:
    """A plot that holds all of some values.

    Args:
        across, up: the values of each axis, at least one.
    """
    left, right = _range(across)
    low, high = _range(up)

    def place(x: float, y: float) -> tuple[float, float]:
        horizontal = LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        return round(horizontal, 1), round(HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    return Frame(place, _axes(place, (left, right), (low, high)))


def close_figure(parts: Sequence[str], label: str) -> str:
    """The figure as SVG.

    Args:
        parts: SVG of what it holds.
        label: says in plain text what it shows, for those who do not see it.
    """
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _draw(lines: Sequence[tuple[Curve, list[tuple[float, float]]]], title: str) -> str:
    frame = open_frame([x for _, points in lines for x, _ in points], [y for _, points in lines for _, y in points])
    heights = _spread([frame.place(*points[-1])[1] for _, points in lines])
    drawn = [_line(frame.place, *each, height) for each, height in zip(lines, heights, strict=True)]
    ends = "; ".join(f"{curve.name}: {points[-1][1]:.4g}" for curve, points in lines)
    return close_figure([*frame.axes, *drawn], f"{title}. Last values: {ends}.")


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    return low, high


def _axes(place: Place, across: tuple[float, float], up: tuple[float, float]) -> list[str]:
    parts = []
    for value in ticks(*up):
        _, y = place(across[0], value)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="up" x="{LEFT - 6}" y="{y + 4}">{value:g}</text>')
    for value in ticks(*across):
        x, _ = place(value, up[0])
        parts.append(f'<path class="grid" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="across" x="{x}" y="{HEIGHT - BOTTOM + 18}">{value:g}</text>')
    return parts


def _spread(heights: list[float]) -> list[float]:
    """Moves labels down until they do not cover each other, and all up if the last ones would leave the figure."""
    moved, lowest = list(heights), -math.inf
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        lowest = moved[index] = max(heights[index], lowest + LABEL)
    over = max(0.0, lowest - (HEIGHT - BOTTOM))
    return [round(height - over, 1) for height in moved]


def _line(place: Place, curve: Curve, points: list[tuple[float, float]], label: float) -> str:
    placed = [place(*point) for point in points]
    path = "L".join(f"{x} {y}" for x, y in placed)
    x, y = placed[-1]
    shown = f"s{curve.style % STYLES}"
    return (
        f'<g class="{shown}"><title>{escape(curve.name)}</title><path class="line" d="M{path}"/>'
        f'<circle cx="{x}" cy="{y}" r="2.5"/><text x="{x + 6}" y="{label + 4}">{escape(curve.setting)}</text></g>'
    )

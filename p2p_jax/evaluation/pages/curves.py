"""The curves of a run: lines of metrics over steps, as data for the script and as pictures for a page without it."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from p2p_jax.evaluation.diagnoses import AGREEMENT, VARIATION
from p2p_jax.evaluation.html import escape
from p2p_jax.evaluation.metrics.registry import METRICS
from p2p_jax.evaluation.metrics.trained import available_metrics

CURVES = {
    "Generator: distance to the target": ("generator_l1", "val_l1"),
    "Adversarial losses": ("generator_gan", "discriminator_loss"),
    "Generator: other losses": ("generator_matching", "generator_perceptual"),
    "Discriminator: fraction judged correctly": ("discriminator_real_accuracy", "discriminator_fake_accuracy"),
    "Discriminator: augmentation": ("augmentation_probability", "augmentation_sign"),
    "Sample grids: outputs compared with targets": (VARIATION, AGREEMENT),
    "Learning rate": ("learning_rate", "discriminator_learning_rate"),
    "Pictures per second": ("pictures_per_second",),
}
"""The charts and their metrics. Each other metric of validation has a chart of its own."""

LABELS = {
    "generator_l1": "training L1", "val_l1": "validation L1", "generator_gan": "generator", "discriminator_loss":
    "discriminator", "discriminator_real_accuracy": "targets", "discriminator_fake_accuracy": "outputs",
    "learning_rate": "generator", "discriminator_learning_rate": "discriminator",
    "generator_matching": "feature matching", "generator_perceptual": "perceptual",
    "augmentation_probability": "probability", "augmentation_sign": "mean sign of the logits of targets",
    "pictures_per_second": "pictures per second", VARIATION: "variation", AGREEMENT: "agreement",
}  # fmt: skip

MOST_POINTS = 1000
"""Points of a line; if there are more rows, each point is the mean of several."""

SMOOTHING = 0.6
"""Weight of the moving average with which the script starts where a line has at least `SMOOTHED` points."""

SMOOTHED = 30

LARGEST = 1e30
"""Values from here on count as not finite, because a chart could not show anything else beside them."""

DASHES = ("", "7 4", "2 3", "9 3 2 3")
"""Dashes of the lines of a chart, the same as in plot.js."""

WIDTH, HEIGHT = 560, 280
LEFT, RIGHT, TOP, BOTTOM = 58, WIDTH - 26, 12, HEIGHT - 34


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        label: for the legend.
        steps: ascending.
        values: of the steps, None where a value is not finite.
    """

    label: str
    steps: list[int]
    values: list[float | None]


class Chart(NamedTuple):
    """A chart of lines that have one unit."""

    title: str
    lines: list[Line]


def charts_of(rows: Sequence[dict[str, float]]) -> list[Chart]:
    """The charts that have values.

    Args:
        rows: of metrics.jsonl.
    """
    known = {name for names in CURVES.values() for name in names}
    others = [name for row in rows for name in row if name.startswith("val_") and name not in known]
    titles = CURVES | {f"Validation: {_title(name)}": (name,) for name in dict.fromkeys(others)}
    charts = (Chart(title, [line for name in names if (line := _line(rows, name))]) for title, names in titles.items())
    return [chart for chart in charts if chart.lines]


def _title(name: str) -> str:
    metric = name.removeprefix("val_")
    known = METRICS.get(metric) or available_metrics().get(metric)
    return metric if known is None else known.title


def _line(rows: Sequence[dict[str, float]], name: str) -> Line | None:
    points = [(int(row["step"]), float(row[name])) for row in rows if name in row]
    size = -(-len(points) // MOST_POINTS)
    if not points:
        return None
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    label = LABELS.get(name) or _title(name)
    if size > 1:
        label += f" (means of {size} rows)"
    values = [_mean([value for _, value in group]) for group in groups]
    return Line(label, [group[-1][0] for group in groups], values)


def _mean(values: list[float]) -> float | None:
    mean = sum(values) / len(values)
    return float(f"{mean:.6g}") if abs(mean) < LARGEST else None


def as_data(charts: Iterable[Chart]) -> list[dict[str, Any]]:
    """The charts for the script."""
    return [{"title": chart.title, "lines": [line._asdict() for line in chart.lines]} for chart in charts]


def section(charts: Sequence[Chart]) -> str:
    """The HTML of the charts; the script replaces the pictures, and shows the controls."""
    if not charts:
        return "<p>There are no rows of metrics yet.</p>"
    longest = max(len(line.steps) for chart in charts for line in chart.lines)
    start = SMOOTHING if longest >= SMOOTHED else 0
    control = (
        '<div class="settings" hidden><label for="smoothing">Smoothing</label>'
        f'<input type="range" id="smoothing" min="0" max="0.98" step="0.02" value="{start}">'
        '<output id="smoothing-value" for="smoothing"></output>'
        "<span>The thin lines are the raw values; lines of fewer than 10 points are not smoothed. Zoom: drag over a chart; "
        "a double click shows all steps.</span></div>"
    )
    return control + f'<div class="charts">{"".join(_chart(chart, i) for i, chart in enumerate(charts))}</div>'


def _chart(chart: Chart, number: int) -> str:
    keys = "".join(
        f'<li><svg viewBox="0 0 44 12" aria-hidden="true"><path d="M0 6H44" class="line line-{i % 4}" '
        f'stroke-dasharray="{DASHES[i % 4]}"/><path d="{_marker(i % 4, 22, 6)}" class="marker line-{i % 4}"/></svg>'
        f"{escape(line.label)}</li>"
        for i, line in enumerate(chart.lines)
    )
    hint = "Arrow keys or the pointer show values; plus, minus and 0 zoom."
    return (
        f'<section class="chart" id="chart-{number}" aria-labelledby="chart-{number}-title">'
        f'<h3 id="chart-{number}-title">{escape(chart.title)}</h3><div class="plot">{draw(chart)}</div>'
        f'<ul class="legend">{keys}</ul><div class="controls" hidden></div>'
        f'<p class="values" role="status" aria-live="off" data-hint="{hint}" hidden></p></section>'
    )


def _marker(kind: int, x: float, y: float) -> str:
    """The same markers as in plot.js."""
    corners = (
        (), ((-3, -3), (3, -3), (3, 3), (-3, 3)), ((0, -4), (4, 3), (-4, 3)), ((0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0)),
    )[kind]  # fmt: skip
    if not corners:
        return f"M{x - 3.2:.1f} {y:.1f}a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0Z"
    return "M" + "L".join(f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in corners) + "Z"


def draw(chart: Chart) -> str:
    """A chart as SVG with raw values and linear axes."""
    steps = [step for line in chart.lines for step in line.steps]
    values = [value for line in chart.lines for value in line.values if value is not None]
    first, last = min(steps), max(steps)
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    low, high = low - margin, high + margin
    x = lambda step: LEFT + (step - first) / (last - first) * (RIGHT - LEFT) if last > first else (LEFT + RIGHT) / 2
    y = lambda value: BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP)
    parts = [f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" class="axis"/>']
    for tick in ticks(first, last, 5):
        parts.append(f'<path d="M{x(tick):.1f} {TOP}V{BOTTOM}" class="grid"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{BOTTOM + 16}" class="tick middle">{tick:g}</text>')
    for tick in ticks(low, high, 5):
        parts.append(f'<path d="M{LEFT} {y(tick):.1f}H{RIGHT}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" class="tick end">{tick:g}</text>')
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 3}" class="tick middle">step</text>')
    for i, line in enumerate(chart.lines):
        points = [
            (x(step), None if value is None else y(value)) for step, value in zip(line.steps, line.values, strict=True)
        ]
        parts.append(f'<path d="{_path(points)}" class="line line-{i % 4}" stroke-dasharray="{DASHES[i % 4]}"/>')
        drawn = [(right, down) for right, down in points if down is not None]
        for place in drawn[:: max(1, len(drawn) // 7)]:
            parts.append(f'<path d="{_marker(i % 4, *place)}" class="marker line-{i % 4}"/>')
    said = f"{chart.title}: {', '.join(line.label for line in chart.lines)}, from step {first} to {last}."
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="curves" role="img" aria-label="{escape(said)}">{"".join(parts)}</svg>'
    )


def _path(points: Iterable[tuple[float, float | None]]) -> str:
    path, is_open = [], False
    for x, y in points:
        if y is not None:
            path.append(f"{'L' if is_open else 'M'}{x:.1f} {y:.1f}")
        is_open = y is not None
    return "".join(path)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from low to high, about as many as asked for."""
    rough = (high - low) / count
    if not rough > 0 or not math.isfinite(rough):
        return [low] if math.isfinite(low) else []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    return [
        float(f"{place * step:.12g}") for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]

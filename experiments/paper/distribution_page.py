"""The page of the distributions of colours: a table and three figures, in one file that needs no script."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.evaluation.comparison.curves import STYLES, close_figure, key, open_frame
from p2p_jax.evaluation.comparison.style import STYLE
from p2p_jax.evaluation.html import document, escape, titled_table
from p2p_jax.evaluation.metrics.colour_histograms import CHANNELS, bin_centres

LETTERS = "TABCDE"
"""At the lines of the targets and of the settings."""

READABLE = "svg g text { paint-order: stroke; stroke: var(--back); stroke-width: 3px; font-weight: 600; }"
"""The style of letters that may stand on a line."""

CLOSEST = 2  # bins between two letters


class Line(NamedTuple):
    """The distributions of the targets, or of the pictures of a setting.

    Attributes:
        title: for the legend.
        fractions: (3, bins), the fractions of all pixels in the bins of L, a and b.
    """

    title: str
    fractions: np.ndarray


def render(
    lines: Sequence[Line], rows: Sequence[Sequence[str]], caption: str, before: Sequence[str], findings: Sequence[str]
) -> str:
    """The page.

    Args:
        lines: those of the targets first, at least two.
        rows: of the table of intersections, the first one with its titles.
        caption: of the table.
        before: paragraphs that say which pictures these are, plain texts.
        findings: paragraphs below the table, plain texts.
    """
    title = "Figure 7: distributions of the colours"
    legend = "".join(
        f"<li>{key(place)} <b>{LETTERS[place]}</b>: {escape(line.title)}</li>" for place, line in enumerate(lines)
    )
    unbroken = [
        [cell.replace(" to ", "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}").replace("\n", ", ") for cell in row] for row in rows
    ]
    body = [
        f"<h1>{title}</h1>",
        *(f"<p>{escape(paragraph)}</p>" for paragraph in before),
        "<h2>Histograms</h2>",
        f"<ul>{legend}</ul>",
        '<div class="curves">',
        *(_panel(lines, channel) for channel in range(len(CHANNELS))),
        "</div>",
        "<p>Each line shows the decimal logarithm of the fraction of pixels in each bin. A line at the lower edge means "
        "that no pixel has such a colour.</p>",
        "<h2>Intersections with the targets</h2>",
        titled_table(unbroken, caption, wraps=True),
        *(f"<p>{escape(paragraph)}</p>" for paragraph in findings),
    ]
    return document(title, STYLE + READABLE, body)


def _panel(lines: Sequence[Line], channel: int) -> str:
    fractions = np.stack([line.fractions[channel] for line in lines])
    used = np.flatnonzero(fractions.any(0))
    shown = slice(max(0, used[0] - 1), used[-1] + 2)
    lowest = np.floor(np.log10(fractions[fractions > 0].min()))
    heights = np.log10(np.maximum(fractions[:, shown], 10.0**lowest))
    centres = bin_centres()[channel, shown]
    frame = open_frame(list(centres), [lowest, 0.0])
    drawn, marked = [], []
    for place, line in enumerate(lines):
        points = [frame.place(*point) for point in zip(centres, heights[place], strict=True)]
        path = "L".join(f"{x} {y}" for x, y in points)
        marked.append(_most_apart(heights, place, marked))
        x, y = points[marked[-1]]
        drawn.append(
            f'<g class="s{place % STYLES}"><title>{escape(line.title)}</title><path class="line" d="M{path}"/>'
            f'<circle cx="{x}" cy="{y}" r="2.5"/><text x="{x + 4}" y="{y - 4}">{LETTERS[place]}</text></g>'
        )
    name = CHANNELS[channel]
    label = f"Histograms of {name} of {', '.join(line.title for line in lines)}"
    return (
        f"<figure>{close_figure([*frame.axes, *drawn], label)}"
        f"<figcaption>{name}: logarithm of the fraction of pixels, against {name}.</figcaption></figure>"
    )


def _most_apart(heights: np.ndarray, place: int, marked: Sequence[int]) -> int:
    """Where a letter says best which line is meant: the index at which a line is farthest from all others.

    Args:
        heights: (lines, bins), at least two lines.
        place: of the line.
        marked: indices of other letters, from which it keeps away.
    """
    apart = np.abs(np.delete(heights, place, 0) - heights[place]).min(0)
    near = np.abs(np.arange(heights.shape[1])[:, None] - np.array(marked, int)).min(1, initial=CLOSEST + 1) <= CLOSEST
    at_the_edge = heights[place] <= heights.min()
    return int(np.argmax(apart - 100.0 * near - 10.0 * at_the_edge))

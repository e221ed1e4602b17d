"""The pairs of a split on pages: named, with their scores, the worst and the best first, and opened at full size."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.config import Data, Side, named_classes
from p2p_jax.data.pairs import Example
from p2p_jax.evaluation.html import escape
from p2p_jax.evaluation.metrics.trained import find_metric
from p2p_jax.evaluation.pages.encoding import Encoded, Picture, describe, encode_all
from p2p_jax.evaluation.pages.parts import folded
from p2p_jax.evaluation.pages.ranking import SHOWN_FIRST, Ranking, Scores
from p2p_jax.evaluation.samples import sample_columns

BUDGET = 2_300_000
"""Bytes of the pictures of a page; with curves, tables and script a page of 50 pairs stays below 3 MB."""

PER_PAGE = 50
"""Pairs on a page if their pictures have 256 pixels a side; larger pictures are fewer."""

FEWEST = 2 * SHOWN_FIRST
MOST = 1000
"""Pairs that are shown: those that come first in the ranking."""

TABLE_ROWS = 5000
"""Rows of the table of all values; figures.json holds the values of all pairs."""

Translated = Callable[[Sequence[int]], tuple[Sequence[Example], Sequence[Any]]]
"""Reads and translates the pairs with some indices: (examples, outputs), stored values."""


class Gallery(NamedTuple):
    """The pairs that a report shows.

    Attributes:
        names: of all pairs of the split.
        scores: of all pairs.
        ranking: of all pairs.
        data: options of both sides.
        read: reads and translates pairs.
        pages: indices of the pairs on each page.
    """

    names: Sequence[str]
    scores: Scores
    ranking: Ranking
    data: Data
    read: Translated
    pages: list[list[int]]


def page_name(number: int) -> str:
    """The file of a page, numbered from 1."""
    return "index.html" if number == 1 else f"pictures-{number}.html"


def split_into_pages(order: Sequence[int], size: tuple[int, int]) -> list[list[int]]:
    """Distributes pairs over pages.

    Args:
        order: indices of the pairs.
        size: height and width of the pictures.
    """
    number = max(FEWEST, min(PER_PAGE, PER_PAGE * 256**2 // (size[0] * size[1])))
    shown = list(order[:MOST])
    return [shown[start : start + number] for start in range(0, len(shown), number)]


def titled_pictures(examples: Sequence[Example], outputs: Sequence[Any], data: Data) -> list[dict[str, Picture]]:
    """The pictures of each pair by their titles, such as "input", "output" and "target"."""
    columns = sample_columns(examples, outputs, data)
    exact = {title: is_exact(data.input if title.startswith("input") else data.target) for title in columns}
    return [
        {title: Picture(np.asarray(column[i]), exact[title]) for title, column in columns.items()}
        for i in range(len(examples))
    ]


def is_exact(side: Side) -> bool:
    """Whether the colours of a side stand for classes, so that they must not change."""
    return side.kind == "labels" or bool(named_classes(side))


def section(gallery: Gallery, number: int) -> str:
    """The HTML of one page of pairs.

    Args:
        gallery: all pairs.
        number: of the page, from 1.
    """
    indices = gallery.pages[number - 1]
    pictures = titled_pictures(*gallery.read(indices), gallery.data)
    flat, quality = encode_all([each for titled in pictures for each in titled.values()], BUDGET)
    encoded = iter(flat)
    items = [
        _pair(gallery, index, {title: next(encoded) for title in titled})
        for index, titled in zip(indices, pictures, strict=True)
    ]
    listed = f'<ol class="pairs" id="pairs">{"".join(items)}</ol>'
    return "\n".join((_sorting(gallery, len(indices)), listed, f"<p>{describe(quality)}</p>", _VIEWER))


def as_data(gallery: Gallery, number: int) -> dict[str, Any]:
    """The metrics, and the values of the pairs of a page, for the script."""
    metrics = [{"name": name, "title": find_metric(name).title, "best": find_metric(name).best} for name in gallery.scores]
    indices = gallery.pages[number - 1] if gallery.pages else []
    pairs = {str(index): [values[index] for values in gallery.scores.values()] for index in indices}
    return {"metrics": metrics, "pairs": pairs}


def _sorting(gallery: Gallery, number: int) -> str:
    metric = gallery.ranking.metric
    by = "" if metric is None else f" by {find_metric(metric).title}"
    given = f"the worst {SHOWN_FIRST}, the best {SHOWN_FIRST}, then the others{by}" if by else "as in the set"
    options = [f'<option value="given">{escape(given)}</option>', '<option value="name">by name</option>']
    for name in gallery.scores:
        title = escape(find_metric(name).title)
        options += [f'<option value="{name} {first}">{title}, {first} first</option>' for first in ("worst", "best")]
    pages = " of this page" if len(gallery.pages) > 1 else ""
    return (
        f"<p>Order: {escape(given)}.</p>"
        f'<div class="settings" hidden><label for="order">Sort the {number} pairs{pages}</label>'
        f'<select id="order">{"".join(options)}</select><span id="order-said" role="status"></span>'
        "<span>A click on a pair, or Enter, shows it at full size.</span></div>"
    )


def _pair(gallery: Gallery, index: int, pictures: dict[str, Encoded]) -> str:
    name, place = escape(gallery.names[index]), gallery.ranking.places.get(index)
    images = "".join(
        f'<span><img src="{each.source}" width="{each.width}" height="{each.height}" alt="{escape(title)} of {name}" '
        f'data-title="{escape(title)}" class="{"pixels" if each.width < 128 else ""}">{escape(title)}</span>'
        for title, each in pictures.items()
    )
    badge = "" if place is None else f' <span class="badge">{place} by {escape(_metric_title(gallery))}</span>'
    scores = ", ".join(_score(metric, values[index]) for metric, values in gallery.scores.items())
    return (
        f'<li class="pair" id="pair-{index}" data-index="{index}" data-name="{name}">'
        f'<button type="button" class="trio" disabled>{images}</button>'
        f'<p><span class="name">{name}</span>{badge}</p><p class="scores">{scores}.</p></li>'
    )


def _metric_title(gallery: Gallery) -> str:
    return "" if gallery.ranking.metric is None else find_metric(gallery.ranking.metric).title


def _score(name: str, value: float | None) -> str:
    metric = find_metric(name)
    unit = f" {metric.unit}" if metric.unit == "dB" else ""
    return escape(f"{metric.title} {'none' if value is None else f'{value:.{metric.digits}f}{unit}'}")


def links(gallery: Gallery, number: int) -> str:
    """Links to the other pages."""
    if len(gallery.pages) < 2:
        return ""
    first, items = 1, []
    for page, indices in enumerate(gallery.pages, start=1):
        text = f"pairs {first} to {first + len(indices) - 1}"
        items.append(
            f'<li aria-current="page">{text}</li>' if page == number else f'<li><a href="{page_name(page)}">{text}</a></li>'
        )
        first += len(indices)
    return f'<nav aria-label="Pages of pairs"><ul class="pages">{"".join(items)}</ul></nav>'


def table_of_values(gallery: Gallery) -> str:
    """The values of all pairs, with links to their pictures."""
    places = {index: page_name(page) for page, some in enumerate(gallery.pages, start=1) for index in some}
    heads = "".join(f'<th scope="col" class="number">{escape(find_metric(name).title)}</th>' for name in gallery.scores)
    rows = []
    for index in gallery.ranking.order[:TABLE_ROWS]:
        name = escape(gallery.names[index])
        if index in places:
            page = "" if places[index] == page_name(1) else places[index]
            name = f'<a href="{page}#pair-{index}">{name}</a>'
        cells = (_cell(metric, values[index]) for metric, values in gallery.scores.items())
        rows.append(f"<tr><td>{name}</td>{''.join(cells)}</tr>")
    more = len(gallery.names) - len(rows)
    left_out = f"<p>{more} further pairs are in figures.json.</p>" if more > 0 else ""
    return folded(
        "Values of all pairs",
        f'<div class="wide"><table id="values-of-pairs"><thead><tr><th scope="col">pair</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{left_out}",
        number=len(gallery.names),
    )


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return '<td class="number">-</td>'
    return f'<td class="number" data-value="{value:.6g}">{value:.{find_metric(name).digits}f}</td>'


_VIEWER = """<dialog id="viewer" aria-labelledby="viewer-name"><h2 id="viewer-name"></h2>
<div class="settings"><label>Left <select id="viewer-left"></select></label>
<label>Right <select id="viewer-right"></select></label>
<button type="button" id="viewer-previous">Previous pair</button><button type="button" id="viewer-next">Next pair</button>
<button type="button" id="viewer-close">Close</button></div>
<label for="viewer-split">Boundary between left and right</label>
<input type="range" id="viewer-split" min="0" max="100" step="1" value="50">
<div class="stage"><div class="frame" id="viewer-frame"><img id="viewer-under" alt=""><img id="viewer-over" alt="">
<div class="handle" id="viewer-handle"></div></div></div><p class="scores" id="viewer-scores"></p></dialog>"""

"""What the pages on a run share: their style and script, tables of columns, folded parts, links."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from p2p_jax.evaluation.html import document, escape

WEB = Path(__file__).parents[1] / "web"
SCRIPTS = ("plot.js", "charts.js", "pictures.js")
"""The script of a page, in its order; the first file has pure functions only."""


@cache
def read_style() -> str:
    """The style of all pages."""
    return (WEB / "report.css").read_text(encoding="utf-8")


@cache
def read_script() -> str:
    """The script of all pages."""
    return "".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)


def interactive_document(
    title: str, body: Iterable[str], data: Mapping[str, Any], *, reload_seconds: int | None = None
) -> str:
    """A complete page with the script of all pages.

    Args:
        title: plain text.
        body: HTML of its parts; `main` encloses them.
        data: of the curves and the pairs, for the script.
        reload_seconds: the page is loaded again after this time; the script can pause that.
    """
    again = f'<noscript><meta http-equiv="refresh" content="{reload_seconds}"></noscript>' if reload_seconds else ""
    parts = [
        '<a class="skip" href="#main">Skip to the content</a>\n<main id="main">',
        *body,
        f'</main>\n<script type="application/json" id="data">{as_data(data)}</script>',
    ]
    return document(title, read_style(), parts, script=read_script(), head=again)


def as_data(value: Any) -> str:
    """JSON that cannot end the element `script` which holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def column_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), classes: str = ""
) -> str:
    """A table without titles of rows, in a box that scrolls sideways where the window is narrow.

    Args:
        heads: plain texts.
        rows: plain texts.
        numbers: indices of the columns that hold numbers.
        classes: of the cells of the other columns.
    """
    kinds = [
        ' class="number"' if column in numbers else f' class="{classes}"' * bool(classes) for column in range(len(heads))
    ]
    head = "".join(
        f'<th scope="col"{kind if column in numbers else ""}>{escape(text)}</th>'
        for column, (kind, text) in enumerate(zip(kinds, heads, strict=True))
    )
    lines = (
        "<tr>" + "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def folded(summary: str, content: str, *, number: int | None = None) -> str:
    """Content that is folded on the screen, and open when the page is printed."""
    count = "" if number is None else f" ({number})"
    return f"<details><summary>{escape(summary)}{count}</summary>{content}</details>"


def navigation(places: Mapping[str, str]) -> str:
    """Links to the parts of a page, {id: title}."""
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in places.items())
    return f'<nav aria-label="Parts of this page"><ul>{links}</ul></nav>'

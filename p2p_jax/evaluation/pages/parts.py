"""What all pages share: the frame with its policy, style and script, escaped text, tables."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from p2p_jax.evaluation.html import escape

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


def policy() -> str:
    """The content security policy: a page has its own pictures, style and script; all else, requests too, is forbidden."""
    style, script = (_hash(text) for text in (read_style(), read_script()))
    return (
        f"default-src 'none'; connect-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def document(title: str, body: Iterable[str], data: Mapping[str, Any], *, reload_seconds: int | None = None) -> str:
    """A complete page.

    Args:
        title: plain text.
        body: HTML of its parts; `main` encloses them.
        data: of the curves and the pairs, for the script.
        reload_seconds: the page is loaded again after this time; the script can pause that.
    """
    again = f'<noscript><meta http-equiv="refresh" content="{reload_seconds}"></noscript>' if reload_seconds else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{again}'
        f"<style>{read_style()}</style></head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n<main id="main">\n' + "\n".join(body) + "\n</main>\n"
        f'<script type="application/json" id="data">{as_data(data)}</script>\n'
        f"<script>{read_script()}</script>\n</body></html>\n"
    )


def as_data(value: Any) -> str:
    """JSON that cannot end the element `script` which holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), classes: str = "") -> str:
    """A table in a box that scrolls sideways where the window is narrow.

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

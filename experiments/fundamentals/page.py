"""Makes one self-contained page of HTML from lessons, with their figures, formulas and sliders."""

import base64
import html
import inspect
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image
from PIL import Image

from experiments.fundamentals.lesson import (
    Block,
    Choice,
    Claim,
    Figure,
    Formula,
    Lesson,
    Pictures,
    Source,
    Table,
    Widget,
    holds,
)
from experiments.fundamentals.prose import read_text, render, render_inline, show_number
from p2p_jax.workdir.record import versions

WEB = Path(__file__).parent / "web"
TITLE = "The ideas behind pix2pix, in eight experiments"
MAIN = '<main id="lessons">'
"""The beginning of the lessons, by which a page of the course is recognised."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render_page(articles: Mapping[str, str]) -> str:
    """Joins lessons, {name: article from `render_article`}, into a page."""
    body = "\n".join(articles.values())
    scripts = ["plot", *sorted(set(re.findall(r'data-widget="(\w+)"', body))), "run"]
    titles = {name: re.search(r"<h2[^>]*>(.*?)</h2>", article) for name, article in articles.items()}
    links = "".join(f'<li><a href="#{name}">{found[1] if found else name}</a></li>' for name, found in titles.items())
    style, script = _read_web("style.css"), "".join(_read_web(f"{name}.js") for name in scripts)
    about = ", ".join(f"{name} {version}" for name, version in versions().items() if name in ("python", "p2p-jax", "jax"))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<style>{style}</style></head>
<body><a class="skip" href="#lessons">Skip to the lessons</a>
<header><h1>{TITLE}</h1>{render(read_text("introduction"))}</header>
<nav aria-label="Lessons"><ul>{links}</ul></nav>
{MAIN}
{body}
</main>
<footer><p>Made by {about}.</p></footer>
<script>{script}</script>
</body></html>
"""


def render_article(lesson: Lesson, folder: Path, *, number: int) -> str:
    """A lesson as an `article` element.

    Args:
        lesson: the lesson, after its run.
        folder: contains its figures as PNG files.
        number: its number in the course, from 1.
    """
    name = lesson.name
    homes = ", ".join(f"<code>{html.escape(home)}</code>" for home in dict.fromkeys(map(_home, lesson.homes)))
    parts = [
        f'<article id="{name}" aria-labelledby="{name}-title">',
        f'<h2 id="{name}-title">{number}. {html.escape(lesson.title)}</h2>',
        f'<p class="question">{html.escape(lesson.question)}</p>',
        f'<p class="where">The code is in {homes}. '
        f"Run this lesson alone: <code>python -m experiments.fundamentals.{name}</code></p>",
    ]
    for kind, blocks in groupby(lesson.blocks, type):
        rendered = [_render(block, folder) for block in blocks]
        parts += [f'<div class="figures">{"".join(rendered)}</div>'] if kind is Figure else rendered
    parts += [_claims(lesson.claims), "</article>"]
    return "\n".join(parts)


def _read_web(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file atomically: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # unique to each process
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _render(block: Block, folder: Path) -> str:
    match block:
        case str():
            return block
        case Formula(latex, words):
            return f'<div class="formula">{_formula(latex, words)}</div>'
        case Figure(name, caption, alt):
            return _figure(_image((folder / f"{name}.png").read_bytes(), alt), caption)
        case Pictures():
            return _pictures(block)
        case Table(caption, header, rows):
            return _table(caption, header, rows)
        case Source(function):
            code = html.escape(inspect.getsource(function))
            return f"<details><summary>{html.escape(_home(function))}</summary><pre><code>{code}</code></pre></details>"
        case Widget():
            return _widget(block)


def _home(function: Callable[..., Any]) -> str:
    function = inspect.unwrap(function)
    return f"{function.__module__.replace('.', '/')}.py: {function.__qualname__}"


def _image(png: bytes, alt: str) -> str:
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<img src="{source}" width="{width}" height="{height}" alt="{html.escape(alt)}">'


def _formula(latex: str, words: str) -> str:
    stream = io.BytesIO()
    math_to_image(f"${latex}$", stream, prop=FontProperties(math_fontfamily="dejavuserif", size=15), format="svg")
    source = f"data:image/svg+xml;base64,{base64.b64encode(stream.getvalue()).decode()}"
    return f'<img src="{source}" alt="{html.escape(words)}"><p class="words" aria-hidden="true">{html.escape(words)}</p>'


def _figure(content: str, caption: str, kind: str = "plot") -> str:
    return f'<figure class="{kind}">{content}<figcaption>{caption}</figcaption></figure>'


def _pictures(block: Pictures) -> str:
    corner = "<td></td>" if block.rows else ""
    head = corner + "".join(f'<th scope="col">{render_inline(title)}</th>' for title in block.columns)
    body = ""
    for index, cells in enumerate(zip(*block.columns.values(), strict=True)):
        row = f'<th scope="row">{render_inline(block.rows[index])}</th>' if block.rows else ""
        row += "".join(f"<td>{_image(_png(cell), '')}</td>" for cell in cells)
        body += f"<tr>{row}</tr>"
    wide = f"min-width: {4 * len(block.columns)}rem"
    table = f'<table class="pictures" style="{wide}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    alt = f'<p class="alt">{html.escape(block.alt)}</p>'
    scroll = f'<div class="wide" tabindex="0" role="region" aria-label="Pictures">{table}</div>'
    return _figure(alt + scroll, block.caption, "grid")


def _png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(stream, format="PNG")
    return stream.getvalue()


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in header)
    body = ""
    for first, *rest in rows:
        cells = "".join(f"<td>{_cell(value)}</td>" for value in rest)
        body += f'<tr><th scope="row">{_cell(first)}</th>{cells}</tr>'
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    label = re.sub("<[^>]+>", "", caption)
    return (
        f'<figure class="table"><figcaption>{caption}</figcaption>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{label}">{table}</div></figure>'
    )


def _cell(value: Any) -> str:
    return render_inline(value) if isinstance(value, str) else show_number(value)


def _widget(block: Widget) -> str:
    controls = [
        {**control._asdict(), "kind": "choice" if isinstance(control, Choice) else "slider"} for control in block.controls
    ]
    given = json.dumps({"controls": controls, "data": block.data, "play": block.play}, allow_nan=False)
    given = given.replace("</", "<\\/")  # so that no text in it can end the script
    return (
        f'<section class="widget" data-widget="{block.name}" aria-label="{html.escape(block.title)}">'
        f'<p class="title" aria-hidden="true">{html.escape(block.title)}</p>{block.task}'
        "<noscript><p>This box needs JavaScript.</p></noscript>"
        f'<script type="application/json">{given}</script></section>'
    )


def _claims(claims: Sequence[Claim]) -> str:
    items = "".join(
        f"<li>{render_inline(claim.text)} <span>{compare(claim)}"
        f"{'' if holds(claim) else ' <strong>This does not hold here.</strong>'}</span></li>"
        for claim in claims
    )
    return (
        f'<details class="claims"><summary>What this run measured: {len(claims)} claims</summary><ul>{items}</ul></details>'
    )


def compare(claim: Claim) -> str:
    """The comparison of the claim's number with its bound, in words."""
    sign = {"<": "is below", ">": "is above", "=": "is"}[claim.relation]
    within = f", to within {show_number(claim.within)}" if claim.within else ""
    return f"{show_number(claim.value)} {sign} {show_number(claim.bound)}{within}."

"""Converts a lesson's Markdown to the blocks of the page: fills in the values, and inserts figures, tables and widgets.

`text/NAME.md` holds the text of the lesson. In the line

    the slope is {slope:.2f}

the placeholder becomes the value named `slope` in Python's format; without a format `show_number` writes the value. A
fenced block marks the position of a part that is not text:

    ```figure line
    caption: Markdown, below the figure.
    alt: A description for readers who cannot see the figure.
    ```

`KINDS` lists the fenced blocks and their fields. Markdown is parsed before the values are filled in, so that no
value can start a list or a heading (a line that begins with "{limit}. With" would start a numbered list).
"""

import math
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, SupportsFloat

from markdown_it import MarkdownIt
from markdown_it.token import Token
from matplotlib.figure import Figure as Drawing

from experiments.fundamentals.lesson import Block, Controls, Figure, Formula, Grid, Pictures, Source, Table, Told, Widget

TEXT = Path(__file__).parent / "text"
KINDS = {
    "formula": ("latex", "words"),
    "figure": ("caption", "alt"),
    "pictures": ("caption", "alt"),
    "table": ("caption", "columns"),
    "widget": ("title", "task"),
    "source": (),
}
"""Fenced blocks and their fields. A formula has no name; the name of a source is the dotted name of a function."""
UNNAMED = ("formula", "source")  # `tell` returns no part for these
CODE = "python"  # a fenced block of this kind is text
VALUE = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def read_text(name: str) -> str:
    """The Markdown of a lesson."""
    return (TEXT / f"{name}.md").read_text(encoding="utf-8")


def compose(markdown: str, told: Told) -> list[Block]:
    """Fills a lesson's Markdown.

    Args:
        markdown: text with values in braces and fenced blocks.
        told: the values and the parts that the text names.

    Raises:
        ValueError: if the text uses a name that is not given, if a given name is not used, or if a fenced block has an
            unknown kind or other fields than its kind requires.
    """
    tokens = parse(markdown)
    _check("values", set(told.values), {name for token in tokens for name in _values_in(token)})
    places = [place.split() for place in map(place_of, tokens) if place]
    _check("parts", set(told.parts), {name for kind, *names in places if kind not in UNNAMED for name in names})
    blocks: list[Block] = []
    for is_text, group in groupby(tokens, lambda token: place_of(token) is None):
        run = list(group)
        blocks += [_render(run, told.values)] if is_text else [_make_block(token, told) for token in run]
    return blocks


def parse(markdown: str) -> list[Token]:
    """The tokens of a Markdown text."""
    return _parser().parse(markdown)


def place_of(token: Token) -> str | None:
    """Kind and name of the fenced block that a token marks, such as "figure line"; None for text."""
    return token.info if token.type == "fence" and token.info not in ("", CODE) else None


def fields_of(token: Token) -> dict[str, str]:
    """The fields of a fenced block: each begins a line with its name and a colon, and may continue over several lines."""
    kind = token.info.split()[0]
    if kind not in KINDS:
        raise ValueError(f"A fenced block is of the kind {kind!r}; known are {', '.join(KINDS)} and {CODE}.")
    pieces = re.split(r"^(latex|words|caption|alt|columns|title|task):", token.content, flags=re.MULTILINE)
    fields = {name: " ".join(value.split()) for name, value in zip(pieces[1::2], pieces[2::2], strict=True)}
    if pieces[0].strip() or tuple(fields) != KINDS[kind]:
        raise ValueError(f"The block {token.info!r} needs the fields {KINDS[kind]}; it has {token.content!r}.")
    return fields


def render(markdown: str, values: Mapping[str, Any] | None = None) -> str:
    """HTML of a Markdown text."""
    return _render(parse(markdown), values or {})


def render_inline(markdown: str, values: Mapping[str, Any] | None = None) -> str:
    """HTML of a line of Markdown."""
    return _render(_parser().parseInline(markdown), values or {})


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Replaces the placeholders of a text by their values."""
    return VALUE.sub(lambda found: _show(values[found[1]], found[2]), text)


def show_number(value: SupportsFloat) -> str:
    """A number with four digits, an integer with commas between thousands; NaN and infinity in words."""
    value = float(value)
    if not math.isfinite(value):
        return "no number" if math.isnan(value) else "infinite" if value > 0 else "minus infinite"
    text = f"{value:,.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"
    mantissa, _, exponent = text.replace("-", "−").partition("e")
    return f"{mantissa} × 10{str(int(exponent.replace('−', '-'))).translate(RAISED)}" if exponent else mantissa


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark")


def _show(value: Any, style: str | None) -> str:
    if isinstance(value, str):
        return value
    if not style:
        return show_number(value)
    return format(value.item() if hasattr(value, "item") else value, style).replace("-", "−")


def _render(tokens: Sequence[Token], values: Mapping[str, Any]) -> str:
    for token in tokens:
        for child in token.children or ():
            if child.type == "text":
                child.content = fill(child.content, values)
    return _parser().renderer.render(tokens, _parser().options, {})


def _values_in(token: Token) -> Iterator[str]:
    """The names of the values that a token uses."""
    if place_of(token):
        texts = [text for field, text in fields_of(token).items() if field != "latex"]
    else:
        texts = [child.content for child in token.children or () if child.type == "text"]
    for text in texts:
        yield from (found[1] for found in VALUE.finditer(text))


def _check(kind: str, given: set[str], used: set[str]) -> None:
    if used - given:
        raise ValueError(f"The text uses {kind} that are not given: {', '.join(sorted(used - given))}.")
    if given - used:
        raise ValueError(f"The text does not use these {kind}: {', '.join(sorted(given - used))}.")


def _make_block(token: Token, told: Told) -> Block:
    kind, _, name = token.info.partition(" ")
    fields, values = fields_of(token), told.values
    if kind == "formula":
        return Formula(fields["latex"], fields["words"])
    if kind == "source":
        return Source(pkgutil.resolve_name(name))
    inline = {field: render_inline(text, values) for field, text in fields.items()}
    plain = {field: fill(text, values) for field, text in fields.items()}
    match kind, told.parts[name]:
        case "figure", Drawing() as drawing:
            return Figure(name, inline["caption"], plain["alt"], drawing)
        case "pictures", Grid() as grid:
            return Pictures(name, inline["caption"], plain["alt"], *grid)
        case "table", list() as rows:
            return Table(inline["caption"], [title.strip() for title in inline["columns"].split("|")], rows)
        case "widget", Controls() as controls:
            return Widget(name, plain["title"], render(fields["task"], values), *controls)
    raise ValueError(f"The block {token.info!r} cannot show a part of the type {type(told.parts[name]).__name__}.")

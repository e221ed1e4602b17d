"""The data types of a lesson. `prose.py` composes its blocks, `page.py` converts them to HTML."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure as Drawing

Numbers = dict[str, Any]
"""What an experiment measured: numbers, texts, lists, arrays and dicts of them. Arrays of uint8 are pictures."""


class Claim(NamedTuple):
    """A statement of the lesson, and the number that proves it.

    Attributes:
        text: the sentence.
        value: what was measured.
        relation: the comparison of `value` with `bound` that must hold.
        bound: a number, often another measured one.
        within: the largest difference that "=" allows.
    """

    text: str
    value: float
    relation: Literal["<", ">", "="]
    bound: float
    within: float = 0.0


def holds(claim: Claim) -> bool:
    """Whether the claim's number fulfils its comparison."""
    if claim.relation == "=":
        return abs(claim.value - claim.bound) <= claim.within
    return claim.value < claim.bound if claim.relation == "<" else claim.value > claim.bound


# What `tell` returns for the fenced blocks of a lesson's Markdown, besides matplotlib figures and the rows of tables.


class Grid(NamedTuple):
    """Small pictures in a table.

    Attributes:
        columns: title to pictures, uint8 (h, w, 1) or (h, w, 3), one for each row.
        rows: titles of the rows, or empty.
    """

    columns: Mapping[str, Sequence[np.ndarray]]
    rows: Sequence[str] = ()


class Slider(NamedTuple):
    """A number that the reader sets from `low` to `high`. With `power`, the value is 10 to the power of that number."""

    name: str
    label: str
    low: float
    high: float
    step: float
    value: float
    power: bool = False


class Choice(NamedTuple):
    """A choice among options, (value, label) each; the first is chosen at the start."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]


class Controls(NamedTuple):
    """The controls of a widget.

    Attributes:
        controls: sliders and choices.
        data: constants for the script.
        play: the name of the slider that a Play button moves, or None.
    """

    controls: Sequence[Slider | Choice]
    data: Mapping[str, Any] = {}
    play: str | None = None


Rows = Sequence[Sequence[Any]]
"""Rows of a table; the first cell heads the row. A cell is a number or a line of Markdown."""


class Told(NamedTuple):
    """The values and parts that a lesson's Markdown names.

    Attributes:
        values: numbers and texts, {name: value}.
        parts: the contents of the fenced blocks, {name: part}.
    """

    values: Mapping[str, Any]
    parts: Mapping[str, Drawing | Grid | Controls | Rows]


# The blocks of a lesson, as the page shows them. A plain string is HTML; so are captions, titles of columns and tasks.


class Formula(NamedTuple):
    """A formula on a line of its own.

    Attributes:
        latex: matplotlib's mathtext, without dollar signs; mathtext supports no LaTeX environments.
        words: the same in words, shown below and read out.
    """

    latex: str
    words: str


class Figure(NamedTuple):
    """A plot; consecutive plots are shown side by side where there is room.

    Attributes:
        name: of its file, without the ending.
        caption: what to look at.
        alt: a description for those who cannot see the plot.
        drawing: made by `new_plot`.
    """

    name: str
    caption: str
    alt: str
    drawing: Drawing


class Pictures(NamedTuple):
    """A table of small pictures: `name`, `caption` and `alt` as in `Figure`, `columns` and `rows` as in `Grid`."""

    name: str
    caption: str
    alt: str
    columns: Mapping[str, Sequence[np.ndarray]]
    rows: Sequence[str] = ()


class Table(NamedTuple):
    """Numbers in rows."""

    caption: str
    header: Sequence[str]
    rows: Rows


class Source(NamedTuple):
    """The source of a function, which the reader can unfold."""

    function: Callable[..., Any]


class Widget(NamedTuple):
    """A box with controls: `web/NAME.js` computes what Python would compute, draws it and describes it in words.

    Attributes:
        name: of the script in `web`.
        title: of the box.
        task: what to try.
        controls, data, play: as in `Controls`.
    """

    name: str
    title: str
    task: str
    controls: Sequence[Slider | Choice]
    data: Mapping[str, Any] = {}
    play: str | None = None


Block = str | Formula | Figure | Pictures | Table | Source | Widget


class Lesson(NamedTuple):
    """A lesson that has been run.

    Attributes:
        name: of its module.
        title, question: the lesson's title and the question that it answers.
        homes: the functions of the package that the lesson is about.
        numbers: what `measure` returned.
        claims: the lesson's statements about these numbers.
        blocks: what the page shows.
    """

    name: str
    title: str
    question: str
    homes: Sequence[Callable[..., Any]]
    numbers: Numbers
    claims: Sequence[Claim]
    blocks: Sequence[Block]

"""What a lesson is made of: data, no behaviour. `page.py` turns it into HTML."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure as Drawing

Numbers = dict[str, Any]
"""What an experiment measured: numbers, texts, lists, arrays and dicts of them. Arrays of uint8 are pictures."""


class Claim(NamedTuple):
    """A sentence that the lesson says, and the number that bears it out.

    Attributes:
        text: the sentence.
        value: what was measured.
        relation: how it has to compare with `bound`.
        bound: a number, often another measured one.
        within: the largest distance that "=" allows.
    """

    text: str
    value: float
    relation: Literal["<", ">", "="]
    bound: float
    within: float = 0.0


def holds(claim: Claim) -> bool:
    """Whether the number is what the sentence says."""
    if claim.relation == "=":
        return abs(claim.value - claim.bound) <= claim.within
    return claim.value < claim.bound if claim.relation == "<" else claim.value > claim.bound


# The blocks of a lesson's text. A plain string is Markdown.


class Formula(NamedTuple):
    """A formula on a line of its own.

    Attributes:
        latex: what is shown, without dollars: matplotlib's mathtext, which knows no environments.
        words: the same in words, shown below and read out.
    """

    latex: str
    words: str


class Figure(NamedTuple):
    """One plot; several in a row stand side by side where there is room.

    Attributes:
        name: of its file, without the ending.
        caption: what to look at; Markdown.
        alt: what it shows, for those who cannot see it.
        drawing: made by `plots.new_plot`.
    """

    name: str
    caption: str
    alt: str
    drawing: Drawing


class Pictures(NamedTuple):
    """A table of small pictures.

    Attributes:
        name: of its file, without the ending.
        caption: what to look at; Markdown.
        alt: what it shows, for those who cannot see it.
        columns: title to pictures, uint8 (h, w, 1) or (h, w, 3), one for each row.
        rows: titles of the rows, or nothing.
    """

    name: str
    caption: str
    alt: str
    columns: Mapping[str, Sequence[np.ndarray]]
    rows: Sequence[str] = ()


class Table(NamedTuple):
    """Numbers in rows; the first column heads each row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Source(NamedTuple):
    """The source of a function, unfolded on request."""

    function: Callable[..., Any]


class Slider(NamedTuple):
    """A number that the reader moves from `low` to `high`; with `power`, those and `step` are of its power of ten."""

    name: str
    label: str
    low: float
    high: float
    step: float
    value: float
    power: bool = False


class Choice(NamedTuple):
    """One of several, (value, label) each; the first is chosen at the start."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]


class Widget(NamedTuple):
    """Something to move: `web/NAME.js` computes from the controls what Python would compute, draws and says it.

    Attributes:
        name: of the file in `web`.
        title: of the box.
        task: what to try; Markdown.
        controls: sliders and choices.
        data: further constants that the script is given.
        play: the name of a slider that a button moves by itself, or None.
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
        title, question: what it is called and what it answers.
        homes: the functions of the package that the idea lives in.
        numbers: what `measure` returned.
        claims: what is said of them.
        blocks: how it is told.
    """

    name: str
    title: str
    question: str
    homes: Sequence[Callable[..., Any]]
    numbers: Numbers
    claims: Sequence[Claim]
    blocks: Sequence[Block]

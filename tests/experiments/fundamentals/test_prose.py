"""Values and blocks in the Markdown of the lessons."""

import numpy as np
import pytest
from matplotlib.figure import Figure as Drawing

from experiments.fundamentals.lesson import Controls, Figure, Formula, Grid, Pictures, Slider, Source, Table, Told, Widget
from experiments.fundamentals.prose import compose, render, render_inline, show_number
from p2p_jax import ops

GREY = np.full((8, 8, 3), 128, np.uint8)
EVERYTHING = r"""
Some **text** with {value}.

```formula
latex: y = \dfrac{1}{x}
words: y is 1 divided by x
```

```figure line
caption: A *line* of {count:,} points.
alt: A line that rises to {value:.2f},
  slowly.
```

```pictures grey
caption: Grey.
alt: A grey picture.
```

```table numbers
caption: A table
columns: | `one` | two
```

```widget best_guess
title: A box
task: Move *it*.
```

```source p2p_jax.ops.relu
```

The end.
"""


def everything(**changed) -> Told:
    drawing = Drawing()
    parts = {"line": drawing, "grey": Grid({"a": [GREY]}, ["row"]), "numbers": [("first", 1, 2)]}
    parts["best_guess"] = Controls([Slider("guess", "Guess:", 0, 10, 0.1, 6)], {"prices": [1, 2]})
    return Told({"value": np.float32(-0.5), "count": 1234}, {**parts, **changed})


def test_every_kind_of_block():
    told = everything()
    text, formula, figure, pictures, table, widget, source, end = compose(EVERYTHING, told)
    assert text == "<p>Some <strong>text</strong> with −0.5.</p>\n"
    assert formula == Formula(r"y = \dfrac{1}{x}", "y is 1 divided by x")
    line = told.parts["line"]
    assert figure == Figure("line", "A <em>line</em> of 1,234 points.", "A line that rises to −0.50, slowly.", line)
    assert pictures == Pictures("grey", "Grey.", "A grey picture.", {"a": [GREY]}, ["row"])
    assert table == Table("A table", ["", "<code>one</code>", "two"], [("first", 1, 2)])
    assert widget == Widget("best_guess", "A box", "<p>Move <em>it</em>.</p>\n", *told.parts["best_guess"])
    assert source == Source(ops.relu)
    assert end == "<p>The end.</p>\n"


@pytest.mark.parametrize("value", [1, "1", "- a", "# a", "*a*", "<b>", "1)", "    a", "> a", "```"])
def test_a_value_cannot_change_what_the_text_is(value):
    made = render("so the limit is\n{limit}. With 0.99 times that", {"limit": value})
    shown = str(value).replace("<", "&lt;").replace(">", "&gt;")
    assert made == f"<p>so the limit is\n{shown}. With 0.99 times that</p>\n"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("{number}", "1235"),
        ("{number:.1f}", "1234.6"),
        ("{part:.0%}", "25%"),
        ("{negative:.2f}", "−0.13"),
        ("{whole:,}", "12,288"),
        ("{text}", "a &lt; b"),
        ("`{number}` stays", "<code>{number}</code> stays"),
    ],
)
def test_formats(markdown, expected):
    values = {"number": np.array(1234.5678), "part": np.float32(0.25), "negative": -0.125001, "whole": np.int64(12288)}
    assert render_inline(markdown, {**values, "text": "a < b"}) == expected


def test_code_stays_text():
    (block,) = compose("```python\nf({x})\n```\n", Told({}, {}))
    assert block == '<pre><code class="language-python">f({x})\n</code></pre>\n'


@pytest.mark.parametrize(
    ("markdown", "values", "parts", "message"),
    [
        ("{a} and {b}", {"a": 1}, {}, "values that are not given: b"),
        ("{a}", {"a": 1, "b": 2, "c": 3}, {}, "does not use these values: b, c"),
        ("```table t\ncaption: {a}\ncolumns: x\n```", {}, {"t": []}, "values that are not given: a"),
        ("```table t\ncaption: A\ncolumns: x\n```", {}, {}, "parts that are not given: t"),
        ("Text", {}, {"t": []}, "does not use these parts: t"),
        ("```poem p\n```", {}, {"p": []}, "of the kind 'poem'"),
        ("```table t\ncaption: A\n```", {}, {"t": []}, "needs the fields"),
        ("```table t\ncolumns: x\ncaption: A\n```", {}, {"t": []}, "needs the fields"),
        ("```table t\nA\ncaption: A\ncolumns: x\n```", {}, {"t": []}, "needs the fields"),
        ("```figure f\ncaption: A\nalt: B\n```", {}, {"f": []}, "cannot show a part of the type list"),
    ],
)
def test_what_does_not_fit_is_an_error(markdown, values, parts, message):
    with pytest.raises(ValueError, match=message):
        compose(markdown, Told(values, parts))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, "0.5"),
        (-3, "−3"),
        (12288, "12,288"),
        (1.25e-7, "1.25 × 10⁻⁷"),
        (0.123456, "0.1235"),
        (float("nan"), "no number"),
        (float("-inf"), "minus infinite"),
    ],
)
def test_show_number(value, expected):
    assert show_number(value) == expected

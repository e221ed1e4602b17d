"""Lessons are run, written, kept and joined into a page; tried with a lesson of a few numbers."""

import importlib
import itertools
import json
import re
import sys
from html.parser import HTMLParser
from types import ModuleType

import numpy as np
import pytest
from py_mini_racer import MiniRacer

from experiments.fundamentals import LESSONS, course, page
from experiments.fundamentals.lesson import Claim, Controls, Grid, Numbers, Slider, Told, holds
from experiments.fundamentals.prose import read_text
from experiments.plotting import draw_lines, new_plot
from p2p_jax import ops

GREY = np.full((8, 8, 3), 128, np.uint8)


TEXT = r"""
Some **text** with {value}.

```formula
latex: y = \dfrac{1}{x}
words: y is 1 divided by x
```

```figure line
caption: A *line*.
alt: A line that says "rises" & falls.
```

```pictures grey
caption: Grey.
alt: A grey picture.
```

```table numbers
caption: A `table`
columns: name | number
```

```source p2p_jax.ops.relu
```

```widget best_guess
title: A box
task: Move it.
```
"""


def tell(numbers: Numbers) -> Told:
    figure, axes = new_plot("x", "y", title="A line")
    draw_lines(axes, {"a": ([0, 1], [0, numbers["value"]]), "b": ([0, 1], [1, 0])})
    parts = {
        "line": figure,
        "grey": Grid({"grey": [numbers["picture"]], "again": [GREY[..., :1]]}, ["row"]),
        "numbers": [("first", 1234.5678), ("second", "text")],
        "best_guess": Controls([Slider("guess", "Guess:", 0, 10, 0.1, 6)], {"prices": [1, 2]}),
    }
    return Told({"value": numbers["value"]}, parts)


def small_lesson(value: float = 1.0) -> ModuleType:
    module = ModuleType("experiments.fundamentals.small")
    module.TITLE, module.QUESTION, module.HOMES = "A small <lesson>", "What for?", (ops.relu, ops.tanh)
    module.calls = 0

    def measure() -> Numbers:
        module.calls += 1
        return {"value": value, "curve": np.arange(3.0), "picture": GREY}

    module.measure = measure
    module.claims = lambda numbers: [Claim("It is above zero.", numbers["value"], ">", 0)]
    return module


def install(monkeypatch, module: ModuleType) -> None:
    text = ModuleType("experiments.fundamentals.text.small")
    text.tell = tell
    monkeypatch.setitem(sys.modules, "experiments.fundamentals.small", module)
    monkeypatch.setitem(sys.modules, "experiments.fundamentals.text.small", text)
    monkeypatch.setattr(course, "LESSONS", ("small",))
    monkeypatch.setattr(course, "read_text", {"small": TEXT}.__getitem__)


@pytest.fixture
def lesson(monkeypatch):
    module = small_lesson()
    install(monkeypatch, module)
    return module


def run(monkeypatch, *argv: str) -> int:
    monkeypatch.setattr(sys, "argv", ["course", *argv])
    with pytest.raises(SystemExit) as stopped:
        course.run_lessons(["small"])
    return stopped.value.code


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))


def test_what_a_lesson_writes(lesson, monkeypatch, tmp_path):
    assert run(monkeypatch, "--workdir", str(tmp_path)) == 0
    folder = tmp_path / "small"
    assert sorted(p.name for p in folder.iterdir()) == ["grey.png", "index.html", "lesson.json", "line.png", "numbers.json"]
    record = json.loads((folder / "numbers.json").read_text())
    assert record["numbers"] == {"value": 1.0, "curve": [0, 1, 2]}
    assert record["claims"][0] | {"text": ""} == {
        "text": "", "value": 1.0, "relation": ">", "bound": 0, "within": 0.0, "holds": True,
    }  # fmt: skip


def test_the_page_is_self_contained(lesson, monkeypatch, tmp_path):
    run(monkeypatch, "--workdir", str(tmp_path))
    text = (tmp_path / "small" / "index.html").read_text()
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text
    parsed = Elements()
    parsed.feed(text)
    for tag, attributes in parsed.found:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("data:", "#")), (tag, attributes)


def test_the_page_can_be_read_out(lesson, monkeypatch, tmp_path):
    run(monkeypatch, "--workdir", str(tmp_path))
    text = (tmp_path / "small" / "index.html").read_text()
    parsed = Elements()
    parsed.feed(text)
    alts = [attributes.get("alt") for tag, attributes in parsed.found if tag == "img"]
    assert alts == ["y is 1 divided by x", 'A line that says "rises" & falls.', "", ""]
    assert '<p class="alt">A grey picture.</p>' in text  # describes both pictures
    assert parsed.found[0] == ("html", {"lang": "en"})
    headings = [int(tag[1]) for tag, _ in parsed.found if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))
    assert "A small &lt;lesson&gt;" in text
    assert "1,235" in text or "1235" in text
    assert "p2p_jax/ops/activations.py: relu" in text
    assert "The gradient at zero is 0" in text


@pytest.mark.slow
def test_kept_until_the_code_changes(lesson, monkeypatch, tmp_path, capsys):
    run(monkeypatch, "--workdir", str(tmp_path))
    assert run(monkeypatch, "--workdir", str(tmp_path)) == 0
    assert lesson.calls == 1
    assert "kept" in capsys.readouterr().out
    run(monkeypatch, "--workdir", str(tmp_path), "--overwrite")
    assert lesson.calls == 2
    monkeypatch.setattr(course, "hash_code", lambda: "another")
    run(monkeypatch, "--workdir", str(tmp_path))
    assert lesson.calls == 3
    for calls, damaged in enumerate(("{", "[]", '{"code": "another"}'), start=4):
        (tmp_path / "small" / "lesson.json").write_text(damaged)
        assert run(monkeypatch, "--workdir", str(tmp_path)) == 0
        assert lesson.calls == calls


@pytest.mark.parametrize("name", ["small/index.html", "small/thesis.tex", "small/numbers.json"])
def test_files_of_others_are_replaced_only_with_overwrite(lesson, monkeypatch, tmp_path, capsys, name):
    (tmp_path / "small").mkdir()
    (tmp_path / name).write_text("{}")
    assert run(monkeypatch, "--workdir", str(tmp_path)) == 2
    assert f"{tmp_path / name} exists already" in capsys.readouterr().err
    assert (lesson.calls, (tmp_path / name).read_text()) == (0, "{}")
    assert run(monkeypatch, "--workdir", str(tmp_path), "--overwrite") == 0
    assert run(monkeypatch, "--workdir", str(tmp_path)) == 0


def test_a_broken_claim_is_reported(monkeypatch, tmp_path, capsys):
    install(monkeypatch, small_lesson(-1.0))
    for _ in range(2):  # measured, then kept
        assert run(monkeypatch, "--workdir", str(tmp_path)) == 1
        assert "It is above zero. −1 is above 0." in capsys.readouterr().out
    assert "This does not hold here." in (tmp_path / "small" / "index.html").read_text()


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "no number"), (float("inf"), "infinite")])
def test_a_number_that_is_not_finite_is_reported(monkeypatch, tmp_path, capsys, value, shown):
    module = small_lesson(value)
    module.claims = lambda numbers: [Claim("It is one.", numbers["value"], "=", 1)]
    install(monkeypatch, module)
    assert run(monkeypatch, "--workdir", str(tmp_path)) == 1
    assert f"It is one. {shown} is 1." in capsys.readouterr().out
    assert json.loads((tmp_path / "small" / "numbers.json").read_text())["numbers"]["value"] == str(value)


def test_wrong_input_is_one_sentence(lesson, monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, "--work-dir", str(tmp_path)) == 2
    assert "did you mean --workdir?" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert run(monkeypatch, "--workdir", str(tmp_path / "file")) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "cannot be written" in message
    assert lesson.calls == 0


@pytest.mark.parametrize("name", LESSONS)
def test_every_lesson_has_its_parts(name):
    module = importlib.import_module(f"experiments.fundamentals.{name}")
    assert module.TITLE
    assert module.QUESTION.endswith("?")
    assert all(home.__module__.startswith("p2p_jax") for home in module.HOMES)


@pytest.mark.parametrize("path", sorted(page.WEB.glob("*.js")), ids=lambda path: path.stem)
def test_every_script_is_used(path):
    used = any(f"```widget {path.stem}\n" in read_text(name) for name in LESSONS)
    assert path.stem in ("plot", "run") or used


@pytest.mark.parametrize(
    ("relation", "bound", "within", "expected"),
    [
        ("<", 2, 0, True),
        ("<", 1, 0, False),
        (">", 0, 0, True),
        (">", 1, 0, False),
        ("=", 1.1, 0.2, True),
        ("=", 1.3, 0.2, False),
    ],
)
def test_holds(relation, bound, within, expected):
    assert holds(Claim("", 1.0, relation, bound, within)) is expected


def test_numbers_and_ticks_of_the_scripts():
    engine = MiniRacer()
    engine.eval((page.WEB / "plot.js").read_text() + "\nnull;")
    assert [engine.eval(f"show({value})") for value in (0.25, -3, 1.25e-7, 0)] == ["0.25", "−3", "1.25 × 10⁻⁷", "0"]
    assert list(engine.call("ticks", [0, 10])) == [0, 2, 4, 6, 8, 10]
    assert list(engine.call("ticks", [-1, 1])) == [-1, -0.5, 0, 0.5, 1]
    assert list(engine.call("range", 0, 1, 3)) == [0, 0.5, 1]

"""Shared by the tests of the course."""

import importlib
import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import jax
from py_mini_racer import MiniRacer

from experiments.fundamentals.course import to_host, to_json
from experiments.fundamentals.lesson import Block, Slider, Widget, holds
from experiments.fundamentals.page import WEB
from experiments.fundamentals.prose import compose, read_text


def assert_claims_hold(lesson: ModuleType, numbers: dict[str, Any]) -> None:
    """Checks that every claim of the lesson holds and has a finite number."""
    claims = lesson.claims(numbers)
    assert claims
    for claim in claims:
        assert math.isfinite(claim.value), claim
        assert holds(claim), claim


def broken_claims(lesson: ModuleType, numbers: dict[str, Any], **parts: Callable[[], Any]) -> str:
    """The claims that fail when these parts of the numbers are measured again, one on a line."""
    jax.clear_caches()  # drops what was compiled before the test broke the idea
    try:
        again = to_host({name: measure() for name, measure in parts.items()})
    finally:
        jax.clear_caches()
    return "\n".join(claim.text for claim in lesson.claims({**numbers, **again}) if not holds(claim))


def compose_lesson(name: str, numbers: dict[str, Any]) -> list[Block]:
    """The blocks of a lesson from its numbers; fails where the Markdown and `tell` do not name the same things."""
    return compose(read_text(name), importlib.import_module(f"experiments.fundamentals.text.{name}").tell(numbers))


def assert_told(name: str, numbers: dict[str, Any]) -> None:
    """Fills the lesson's Markdown, and tries its widgets at both ends of every slider and with every choice."""
    for block in compose_lesson(name, numbers):
        if isinstance(block, Widget):
            for values in _settings(block):
                run_widget(block.name, values, to_json(dict(block.data)))


def _settings(widget: Widget) -> Iterator[dict[str, Any]]:
    start: dict[str, Any] = {}
    others: list[tuple[str, Any]] = []
    for control in widget.controls:
        if isinstance(control, Slider):
            low, start[control.name], high = (
                10**value if control.power else value for value in (control.low, control.value, control.high)
            )
            others += [(control.name, low), (control.name, high)]
        else:
            start[control.name] = control.options[0][0]
            others += [(control.name, value) for value, _ in control.options[1:]]
    yield start
    for name, value in others:
        yield {**start, name: value}


def run_widget(name: str, values: dict[str, Any], data: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the script of a widget computes. Checks that it also draws and says something."""
    engine = MiniRacer()
    for script in ("plot", name):
        engine.eval((WEB / f"{script}.js").read_text() + "\nnull;")
    engine.eval("const run = (name, values, data) => { const w = widgets[name], r = w.compute(values, data);"
                " return {result: r, drawn: w.draw(r, values, data), said: w.say(r, values, data)}; }; null;")  # fmt: skip
    made = engine.call("run", name, values, data or {})
    assert made["drawn"].startswith("<svg")
    for bad in ("NaN", "undefined", "Infinity"):
        assert bad not in made["drawn"]
        assert bad not in made["said"]
    return made["result"]

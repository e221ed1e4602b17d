"""The Markdown of the lessons is parsed as intended: lists, headings, blocks, formulas and functions."""

import itertools
import pkgutil
import re

import pytest
from matplotlib.mathtext import MathTextParser

from experiments.fundamentals import LESSONS
from experiments.fundamentals.prose import TEXT, fields_of, parse, place_of, read_text

NAMES = ("introduction", *LESSONS)
LIST_ITEMS = {"backpropagation": 4, "pix2pix": 2}
"""How many items the lists of a lesson have; the other lessons have no list."""
STRUCTURE = {"paragraph", "heading", "bullet_list", "list_item", "inline", "fence"}


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


def test_every_text_belongs_to_a_lesson():
    assert {path.stem for path in TEXT.glob("*.md")} == set(NAMES)


def test_only_intended_lists(name):
    items = [token for token in parse(read_text(name)) if token.type == "list_item_open"]
    assert len(items) == LIST_ITEMS.get(name, 0)
    lines = read_text(name).splitlines()
    begins = [index for index, line in enumerate(lines) if re.match(r" *([-*+]|\d+[.)]) ", line)]
    assert begins == [token.map[0] for token in items]  # no item is part of another one


def test_only_intended_headings(name):
    tokens = parse(read_text(name))
    lines = read_text(name).splitlines()
    for heading, content in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            assert lines[heading.map[0]] == f"### {content.content}"
            assert content.content[0].isupper()
            assert not content.content.endswith(".")


def test_nothing_but_paragraphs_headings_lists_and_blocks(name):
    tokens = parse(read_text(name))
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in tokens} <= STRUCTURE
    assert all(token.info == "python" or token.level == 0 for token in tokens if token.type == "fence")


def test_paragraphs_begin_as_sentences(name):
    tokens = parse(read_text(name))
    for before, token in itertools.pairwise(tokens):
        if before.type == "paragraph_open":
            assert re.match(r"pix2pix|[A-Z(*`]", token.content), token.content
            assert re.search(r"[.:?)]\**$", token.content), token.content


def test_formulas_and_functions(name):
    for token in filter(place_of, parse(read_text(name))):
        if token.info == "formula":
            MathTextParser("path").parse(f"${fields_of(token)['latex']}$")
        elif token.info.startswith("source "):
            assert callable(pkgutil.resolve_name(token.info.removeprefix("source ")))
        else:
            assert fields_of(token)

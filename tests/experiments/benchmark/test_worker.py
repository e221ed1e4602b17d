"""The process of a contestant."""

import importlib

import pytest
from helpers.benchmark import TINY, answers_of

from experiments.benchmark import worker
from experiments.benchmark.options import Contestant


def test_a_request_that_fails_is_answered_in_one_line():
    broken = Contestant("broken", "jax", "float31")
    answers = answers_of({"do": "prepare", "case": TINY, "contestant": broken}, {"do": "nothing"})
    assert [answer["error"].split(":")[0] for answer in answers] == ["TypeError", "KeyError"]
    assert all("\n" not in answer["error"] for answer in answers)


@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_each_framework_has_a_module_that_prepares_it(framework):
    assert callable(importlib.import_module(worker.SIDES[framework]).prepare)

"""Choosing the cases that every run tries, and their random values."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest


def mostly_slow(cases: Iterable[Any], keep: int = 1, *, several: bool = False) -> list[Any]:
    """Marks most of the cases of a test as slow.

    Args:
        cases: values of an argument, or with `several` tuples of the values of several arguments.
        keep: number of cases that always run, evenly spaced from the first one; the others run with `pytest -m slow`.
        several: whether each case is a tuple of the values of several arguments.
    """
    cases = list(cases)
    kept = {index * len(cases) // keep for index in range(keep)}
    slow = [pytest.param(*(case if several else (case,)), marks=pytest.mark.slow) for case in cases]
    return [case if index in kept else slow[index] for index, case in enumerate(cases)]


def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Values from N(0, 1), which depend only on the shape and the seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)

"""Choosing the cases that every run tries, and their random values."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest


def mostly_slow(cases: Iterable[Any], keep: int = 1) -> list[Any]:
    """All cases; `keep` of them, evenly spaced from the first one, always run, the others only with `pytest -m slow`."""
    cases = list(cases)
    kept = {index * len(cases) // keep for index in range(keep)}
    return [case if index in kept else pytest.param(case, marks=pytest.mark.slow) for index, case in enumerate(cases)]


def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Values from N(0, 1), which depend only on the shape and the seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)

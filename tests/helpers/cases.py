"""Which cases of a test every run tries, and what they are tried with."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest


def mostly_slow(cases: Iterable[Any], keep: int = 1) -> list[Any]:
    """All cases, of which all but a few, evenly spread from the first one on, are left to `pytest -m slow`."""
    cases = list(cases)
    kept = {index * len(cases) // keep for index in range(keep)}
    return [case if index in kept else pytest.param(case, marks=pytest.mark.slow) for index, case in enumerate(cases)]


def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Values from N(0, 1), the same for the same shape and seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)

"""Choosing the cases that every run tries, and their random values."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest


def tiers(cases: Iterable[Any], fast: int = 1, slow: int = 0, *, several: bool = False) -> list[Any]:
    """Distributes the cases of a test: few run always, some are marked as slow, and the others as exhaustive.

    Args:
        cases: values of an argument, or with `several` tuples of the values of several arguments.
        fast: number of cases without a mark, evenly spaced from the first one.
        slow: number of slow cases, evenly spaced among the others.
        several: whether each case is a tuple of the values of several arguments.
    """
    cases = list(cases)
    unmarked = _evenly_spaced(range(len(cases)), fast)
    marked_slow = _evenly_spaced([index for index in range(len(cases)) if index not in unmarked], slow)

    def mark(index: int) -> Any:
        values = cases[index] if several else (cases[index],)
        return pytest.param(*values, marks=pytest.mark.slow if index in marked_slow else pytest.mark.exhaustive)

    return [case if index in unmarked else mark(index) for index, case in enumerate(cases)]


def _evenly_spaced(indices: Sequence[int], count: int) -> set[int]:
    count = min(count, len(indices))
    return {indices[index * len(indices) // count] for index in range(count)}


def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Values from N(0, 1), which depend only on the shape and the seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)

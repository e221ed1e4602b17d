"""Which cases of a test every run tries."""

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_slow(cases: Iterable[Any], keep: int = 1) -> list[Any]:
    """All cases, of which all but a few, evenly spread from the first one on, are left to `pytest -m slow`."""
    cases = list(cases)
    kept = {index * len(cases) // keep for index in range(keep)}
    return [case if index in kept else pytest.param(case, marks=pytest.mark.slow) for index, case in enumerate(cases)]

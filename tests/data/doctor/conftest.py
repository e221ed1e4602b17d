"""A good set of pairs, which the tests of the check damage."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.checked_sets import draw_pairs, write_good_set


@pytest.fixture(scope="session")
def drawn() -> list[tuple[np.ndarray, np.ndarray]]:
    """(labels, photo) of drawn facades."""
    return draw_pairs()


@pytest.fixture(scope="session")
def original(drawn, tmp_path_factory) -> Path:
    return write_good_set(tmp_path_factory.mktemp("original"), drawn)


@pytest.fixture
def good(original, tmp_path) -> Path:
    """A folder with trainA, trainB, testA and testB, in which nothing is wrong."""
    return shutil.copytree(original, tmp_path / "pairs")

"""Shared by all tests: two simulated CPU devices, a home folder of its own, and small pictures."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test does reaches the user's own files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def side_by_side(tmp_path: Path) -> Path:
    """A folder of 6 side-by-side pairs of 32 x 32 pixels: A a random picture, B its negative."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(6):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        a = np.asarray(coarse.resize((32, 32), Image.Resampling.BICUBIC))
        Image.fromarray(np.concatenate([a, 255 - a], axis=1)).save(folder / f"{i}.png")
    return folder

"""Folders of pairs as people lay them out, and the configs that name them."""

from pathlib import Path
from typing import Any

from PIL import Image

from p2p_jax.config import Config, Data
from p2p_jax.data.layout import find_pairs


def picture(path: Path) -> Path:
    """Writes a small picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (10, 20, 30)).save(path)
    return path


def files_of(path: Path) -> dict[str, list[dict[str, Path]]]:
    """The files of each pair by split, without names."""
    return {split: [files for _, files in pairs] for split, pairs in find_pairs(path).items()}


def config_of(path: Path, seed: int = 0, **data: Any) -> Config:
    """A config for pairs of 16 x 16 pixels without a crop."""
    return Config(image_size=16, seed=seed, data=Data(path=str(path), load_size=16, **data))

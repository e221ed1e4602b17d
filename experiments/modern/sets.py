"""The sets of pictures on which pieces are tried: drawn facades, their edges, and the facades of the paper."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from experiments.paper.settings import base_config
from p2p_jax.config import Config
from p2p_jax.config.tree import with_fields
from p2p_jax.data.layout import find_pairs
from p2p_jax.data.procedural import facade
from p2p_jax.data.tools.edges import draw_lines, find_edges
from p2p_jax.experiment import find_installed

DRAWN = 400
"""Training pairs of the sets that the program draws; their tests have an eighth as many."""


class Pictures(NamedTuple):
    """A set of pictures.

    Attributes:
        name: of its folder.
        config: the default's.
        segmenter: the config of the run that finds labels in the pictures, or None.
        seeds: runs of each setting.
        pairs: number of training pairs, if they are not all.
    """

    name: str
    config: Config
    segmenter: Config | None
    seeds: int
    pairs: int | None = None

    @property
    def title(self) -> str:
        """The name with the number of pairs, for folders and results."""
        return self.name if self.pairs is None else f"{self.name}_{self.pairs}"


def built_in(steps: int | None = None) -> Pictures:
    """The facades that the program draws, labels to photo, at 64 pixels."""
    return Pictures("built_in", base_config(None, steps), find_installed("segmenter").config, 5)


def edges(folder: Path, steps: int | None = None) -> Pictures:
    """Edges of such facades to their photos, drawn into a folder if they are not there."""
    if not folder.is_dir():
        for split, first, number in (("train", 0, DRAWN), ("test", DRAWN, DRAWN // 8)):
            (folder / split).mkdir(parents=True)
            for index in range(first, first + number):
                _draw_edges(index).save(folder / split / f"{index}.png")
    config = with_fields(base_config(None, steps), {"data.source": "folder", "data.path": str(folder)})
    return Pictures("edges", config, None, 5)


def _draw_edges(index: int) -> Image.Image:
    """Edges and photo side by side, 64 pixels each; other buildings than those of the built-in facades."""
    photo, _ = facade(1000, index)
    lines = draw_lines(find_edges(photo, sigma=0.7, low=12, high=30, shortest=4), 1)
    return Image.fromarray(np.concatenate([np.repeat(lines, 3, -1), photo], 1))


def facades(path: Path, steps: int | None = None) -> Pictures:
    """The facades of the paper at 128 pixels with half of its features: 4,000 steps are 10 epochs."""
    steps = steps or 4000
    size = {"image_size": 128, "epochs": None, "steps": steps, "sample_every": steps, "checkpoint_every": steps}
    data = {"data.source": "folder", "data.path": str(path), "data.tfds": None}
    config = replace(find_installed("facades").config, **size)
    config = with_fields(config, {**data, "generator.width": 32, "discriminator.width": 32})
    segmenter = replace(find_installed("segmenter").config, image_size=128)
    segmenter = with_fields(segmenter, {**data, "data.direction": "AtoB", "data.load_size": 143, "augment.flip": True})
    return Pictures("facades", config, segmenter, 3)


def with_fewer(pictures: Pictures, pairs: int, folder: Path) -> Pictures:
    """The same set with only its first training pairs, and all its test pairs.

    Args:
        pictures: the set.
        pairs: number of training pairs.
        folder: of the list that is written for a set that lies in a folder.
    """
    data = pictures.config.data
    if data.source == "procedural":
        return pictures._replace(pairs=pairs, config=with_fields(pictures.config, {"data.count": pairs}))
    assert data.path is not None
    splits = find_pairs(Path(data.path))
    rows = [("train", files) for _, files in splits["train"][:pairs]] + [("test", files) for _, files in splits["test"]]
    path = folder / f"{pairs}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", *rows[0][1]])
        writer.writerows([split, *(each.resolve() for each in files.values())] for split, files in rows)
    return pictures._replace(pairs=pairs, config=with_fields(pictures.config, {"data.path": str(path)}))

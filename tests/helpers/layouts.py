"""Sets of pairs as people lay them out, with pictures that can be told apart: drawn facades and their labels."""

from pathlib import Path

import numpy as np

from p2p_jax.data.pictures import write_picture
from p2p_jax.data.procedural import facade

SIZE = (64, 64)


def photo(index: int) -> np.ndarray:
    return facade(0, index, size=SIZE)[0]


def labels(index: int) -> np.ndarray:
    return facade(0, index, size=SIZE)[1]


def pair(index: int) -> np.ndarray:
    return np.concatenate([labels(index), photo(index)], axis=1)


def write(root: Path, *names: str, count: int = 4) -> Path:
    """Writes pictures: a {} in a name is the number of the pair, and a word in front of : says what is drawn."""
    draw = {"photo": photo, "labels": labels, "pair": pair}
    for template in names:
        kind, _, name = template.partition(":")
        for index in range(count):
            write_picture(root / name.format(index), draw[kind](index))
    return root

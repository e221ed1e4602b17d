"""Tests by a sample whether pictures are side-by-side pairs: a pair has a seam in the middle, where one picture continues.

A picture votes only if its columns differ clearly from far columns and little from their neighbours, as in photos, label
maps and drawings. Noise, and pictures whose middle is blank, do not vote.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from p2p_jax.data.pictures import decode, of_file
from p2p_jax.errors import UserError

SAMPLE = 16  # pictures in a sample
ROWS = 256  # rows of a picture that are compared
SMOOTH = 0.6  # neighbouring columns differ by less than this fraction of the difference of far columns
TEXTURE = 0.25  # the middle columns vary by at least this fraction of the picture's variation
JUMP = 2.5  # a seam differs from its neighbours by this factor
MIXED = 0.15  # a folder is mixed from this fraction on; at most 1 in 100 pairs votes single, and 1 in 50 photos pair
SEAM, USUAL = 0.97, 0.85  # quantiles of the differences between neighbouring columns


class Seams(NamedTuple):
    """The votes of a sample of pictures.

    Attributes:
        pairs: pictures with a seam in the middle.
        single: pictures that continue across the middle.
        looked: pictures in the sample.
        example: a picture that continues across the middle, if there is one.
    """

    pairs: int
    single: int
    looked: int
    example: Path | None

    @property
    def are_pairs(self) -> bool:
        """Whether the pictures surely are side-by-side pairs."""
        return self.pairs > self.single and 2 * self.pairs >= self.looked

    @property
    def are_mixed(self) -> bool:
        """Whether there are both pairs and single pictures, too many of each for a coincidence."""
        return min(self.pairs, self.single) >= max(2, MIXED * self.looked)

    @property
    def are_single(self) -> bool:
        """Whether the pictures surely are no side-by-side pairs."""
        return self.single > self.pairs


def look_for_seams(files: Sequence[Path]) -> Seams:
    """Looks at a sample of pictures. Unreadable ones do not vote: they are named where they are read."""
    places = np.unique(np.linspace(0, len(files) - 1, min(len(files), SAMPLE)).astype(int)) if files else []
    votes, example = [], None
    for place in places:
        try:
            votes.append(vote(decode(of_file(files[place])).pixels))
        except (UserError, MemoryError):
            votes.append(0)
        if votes[-1] < 0 and example is None:
            example = files[place]
    return Seams(votes.count(1), votes.count(-1), len(votes), example)


def vote(pixels: np.ndarray) -> int:
    """1 if a picture has a seam in the middle, -1 if it continues there, 0 if neither is clear.

    Args:
        pixels: (h, w, c) of any dtype.
    """
    height, width, _ = pixels.shape
    if width < 16:
        return 0
    rows = pixels[:: -(-height // ROWS)].astype(np.float32)
    steps = np.abs(np.diff(rows, axis=1)).mean(axis=(0, 2))
    middle = width // 2 if width % 2 == 0 else 0
    if not middle:
        return -1 if _continues(rows, steps, width // 2) else 0
    others = np.delete(steps, middle - 1)
    far = np.abs(rows[:, width // 8 :] - rows[:, : width - width // 8]).mean()
    usual = float(np.median(others))
    if far == 0 or usual > SMOOTH * far:
        return 0
    step = steps[middle - 1]
    if step > np.quantile(others, SEAM) and step > JUMP * max(usual, 0.01 * far):
        return 1
    return -1 if _continues(rows, steps, middle) and step <= max(np.quantile(others, USUAL), 0.02 * far) else 0


def _continues(rows: np.ndarray, steps: np.ndarray, middle: int) -> bool:
    """Whether the columns left and right of the middle have the same texture."""
    left, right = rows[:, middle - 1], rows[:, middle]
    variation = min(float(left.std(axis=0).mean()), float(right.std(axis=0).mean()))
    return variation > TEXTURE * float(rows.std()) and float(steps[middle - 1]) < SMOOTH * variation

"""Whether A and B belong together, as far as edges and kinds of pictures tell: strong evidence only.

A similarity is measured in standard deviations of those of pictures that do not belong together. The thresholds come from
400 and 106 photos with label maps (CMP facades), where true pairs have 4.7 on average, from the same photos with blurred,
noisy, dark, moved and partly covered copies of themselves (1 to 12), and from drawn facades of 32 and 64 pixels (4 to 4.6);
each in order, where nothing may be said, and with files exchanged, which is noticed in about 19 of 20 cases.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE, KEPT = 64, 32  # pixels a side: edges are found at the first size and kept at the second
AT_ONCE = 2048  # pairs that are compared with each other; in sets with more, those that are near in the order of names
FEWEST = 12  # pairs; with fewer there is no telling what is usual
UNRELATED = 0.5  # mean similarity of pairs below which they hardly differ from shuffled ones
RELATED = 3.0  # and from which on single pairs can be judged
MARGIN, SUM = 1.5, 5.5  # the worst of all pairs in order had 2.1 and 4.9, misplaced ones 4 and 9 as their medians
STRANGER = 2.5  # what is paired with the wrong one is hardly ever more similar to it
CLEAR = 0.7  # share of pairs that fit each other best, of the CMP facades 0.9, below which the others are not judged
LAGS = (1, -1, 2, -2, 3, -3)
SEPARATION = 4.0  # how far apart A and B must be, in standard deviations, before a swapped pair can be named
FEWEST_TO_SWAP = 20


def find_edges(levels: np.ndarray) -> np.ndarray:
    """Where brightness changes across and down, at a small size, relative to what is around: (2 * KEPT**2,) int8.

    Args:
        levels: (h, w) brightness on the scale 0 to 255.
    """
    from scipy import ndimage

    shrunk = Image.fromarray(levels.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX)
    small = np.asarray(shrunk)
    slopes = np.stack([ndimage.sobel(small, axis) for axis in (0, 1)])
    power = np.square(slopes).sum(axis=0)
    # Divided by the contrast around, or a few strong edges would outweigh all others; the mean keeps noise small.
    around = np.sqrt(ndimage.gaussian_filter(power, SIDE / 8)) + 0.3 * np.sqrt(power).mean() + 1e-3
    strength = ndimage.gaussian_filter(np.sqrt(np.abs(slopes / around)), (0, 0.7, 0.7))
    half = SIDE // KEPT
    kept = strength.reshape(2, KEPT, half, KEPT, half).mean(axis=(2, 4))
    kept -= kept.mean(axis=(1, 2), keepdims=True)
    return np.clip(np.round(kept.ravel() * 64), -127, 127).astype(np.int8)


class Matches(NamedTuple):
    """What edges say.

    Attributes:
        similarity: mean of the pairs, in standard deviations of shuffled ones; None if there are too few pairs.
        lag: B of the pair so many places further on belongs to A, for all; 0 if they are in order.
        misplaced: {number of a pair: number of the pair whose B fits its A}.
    """

    similarity: float | None
    lag: int
    misplaced: dict[int, int]


def match(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Matches:
    """Compares every pair with others of its split.

    Args:
        a, b: `find_edges` of both halves, in the order of names.
    """
    if len(a) < FEWEST:
        return Matches(None, 0, {})
    own, lagged, misplaced = [], {lag: [] for lag in LAGS}, {}
    bounds = np.linspace(0, len(a), -(-len(a) // AT_ONCE) + 1).astype(int)
    for start, stop in pairwise(bounds.tolist()):
        similar = _similarities(np.stack(a[start:stop]), np.stack(b[start:stop]))
        own.append(np.diag(similar))
        for lag in LAGS:
            lagged[lag].append(np.diag(similar, lag))
        misplaced |= {start + i: start + j for i, j in _misplaced(similar).items()}
    mean = float(np.concatenate(own).mean())
    at = {lag: float(np.concatenate(values).mean()) for lag, values in lagged.items()}
    lag = max(at, key=lambda lag: at[lag])
    shifted = at[lag] >= RELATED and at[lag] > mean + 1
    return Matches(mean, lag if shifted else 0, {} if shifted else misplaced)


def _similarities(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, n): of A in the row and B in the column, mean 0 in every row and column and spread 1 off the diagonal."""

    def centred(edges: np.ndarray) -> np.ndarray:
        floats = edges.astype(np.float32)
        floats -= floats.mean(axis=0)
        return floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-6)

    raw = centred(a) @ centred(b).T
    # Some pictures are a little similar to all: that says nothing about what belongs together.
    raw = raw - raw.mean(axis=0) - raw.mean(axis=1, keepdims=True) + raw.mean()
    off = raw[~np.eye(len(raw), dtype=bool)]
    return raw / max(float(off.std()), 1e-6)


def _misplaced(similar: np.ndarray) -> dict[int, int]:
    """A whose B is in another pair: they fit each other best and much better than what they are paired with.

    None where edges say too little: where most pairs, or near ones, do not fit each other best.
    """
    own = np.diag(similar)
    best, rows = similar.argmax(axis=1), np.arange(len(similar))
    value = similar[rows, best]
    margin = np.minimum(value - own, value - own[best])
    total = 2 * value - own - own[best]
    strangers = np.maximum(own, own[best]) <= STRANGER
    mutual = similar.argmax(axis=0)[best] == rows
    found = (margin >= MARGIN) & (total >= SUM) & strangers & mutual & (best != rows)
    near = np.abs(best - rows) <= max(LAGS)  # where a part of the files is shifted, no B is at its place
    if (found | (mutual & near)).mean() < CLEAR or np.where(near, value, own).mean() < RELATED:
        return {}
    return {int(i): int(best[i]) for i in rows[found]}


def find_swapped(a: np.ndarray, b: np.ndarray) -> list[int]:
    """Pairs whose A looks like all the others' B and the reverse, such as a label map among photos.

    Args:
        a, b: (n, traits) of both halves.

    Returns:
        their numbers; none where A and B do not differ clearly in kind.
    """
    if len(a) < FEWEST_TO_SWAP:
        return []
    difference = a - b
    spread = np.maximum(1.4826 * np.median(np.abs(difference - np.median(difference, axis=0)), axis=0), 0.02)
    usual = difference @ (np.median(difference, axis=0) / spread**2) > 0
    if usual.mean() < 0.9:
        return []
    # Fitted to the usual ones only, as swapped ones would hide themselves in the spread.
    kept = difference[usual]
    mean = kept.mean(axis=0)
    inverse = np.linalg.inv(np.cov(kept.T) + np.diag(np.full(len(mean), 0.02**2)))
    if np.sqrt(mean @ inverse @ mean) < SEPARATION:
        return []

    def distance(d: np.ndarray) -> np.ndarray:
        return np.sqrt(np.einsum("ni,ij,nj->n", d - mean, inverse, d - mean))

    farthest = distance(kept).max()
    found = (distance(-difference) <= 1.2 * farthest) & (distance(difference) > 2 * distance(-difference))
    found &= distance(difference) > SEPARATION
    return np.flatnonzero(found & ~usual).tolist()

"""Finding pairs whose A and B do not belong together, from edges and from kinds of pictures. Only strong evidence counts.

The unit of similarity is the standard deviation of the similarities of pictures that do not belong together. The thresholds
were chosen on 400 and 106 photos with label maps (CMP facades), where true pairs have a similarity of 4.7 on average, on
the same photos with blurred, noisy, dark, shifted and partly covered copies of themselves (1 to 12), and on drawn facades
of 32 and 64 pixels (4 to 4.6). With all files in order nothing is reported; of exchanged files about 19 in 20 are found.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image

SIZE, KEPT_SIZE = 64, 32  # pixels a side: edges are computed at the first size and kept at the second
BLOCK = 2048  # pairs that are compared with each other; larger sets are compared block by block, in the order of names
MIN_PAIRS = 12  # with fewer pairs the usual similarity is unknown
UNRELATED = 0.5  # mean similarity below which pairs hardly differ from shuffled ones
RELATED = 3.0  # mean similarity from which on single pairs can be judged
MARGIN, SUM = 1.5, 5.5  # pairs in order had at most 2.1 and 4.9; exchanged ones have medians of 4 and 9
STRANGER = 2.5  # pictures that do not belong together are hardly ever more similar than this
CLEAR = 0.7  # fraction of pairs that must fit each other best before the others are judged; 0.9 for the CMP facades
LAGS = (1, -1, 2, -2, 3, -3)
SEPARATION = 4.0  # standard deviations between A and B from which on a swapped pair can be recognised
MIN_PAIRS_TO_SWAP = 20
MIN_TO_EXCHANGE = 2  # pairs of a split that is compared as a whole


def find_edges(levels: np.ndarray) -> np.ndarray:
    """Finds where brightness changes across and down, at a small size and relative to the local contrast.

    Args:
        levels: (h, w) brightness on the scale 0 to 255.

    Returns:
        (2 * KEPT_SIZE**2,) int8.
    """
    from scipy import ndimage

    shrunk = Image.fromarray(levels.astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.BOX)
    small = np.asarray(shrunk)
    slopes = np.stack([ndimage.sobel(small, axis) for axis in (0, 1)])
    power = np.square(slopes).sum(axis=0)
    # Without dividing by the local contrast, a few strong edges would outweigh all others; the mean keeps noise small.
    contrast = np.sqrt(ndimage.gaussian_filter(power, SIZE / 8)) + 0.3 * np.sqrt(power).mean() + 1e-3
    strength = ndimage.gaussian_filter(np.sqrt(np.abs(slopes / contrast)), (0, 0.7, 0.7))
    half = SIZE // KEPT_SIZE
    kept = strength.reshape(2, KEPT_SIZE, half, KEPT_SIZE, half).mean(axis=(2, 4))
    kept -= kept.mean(axis=(1, 2), keepdims=True)
    return np.clip(np.round(kept.ravel() * 64), -127, 127).astype(np.int8)


class Matches(NamedTuple):
    """The result of comparing edges.

    Attributes:
        similarity: mean of the pairs, in standard deviations of shuffled ones; None if there are too few pairs.
        lag: the A of every pair belongs to the B of the pair this many places later; 0 if they are in order.
        misplaced: {index of a pair: index of the pair whose B fits its A}.
    """

    similarity: float | None
    lag: int
    misplaced: dict[int, int]


def match(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Matches:
    """Compares every pair with the others of its split.

    Args:
        a, b: `find_edges` of both halves, in the order of names.
    """
    if len(a) < MIN_PAIRS:
        return Matches(None, 0, {})
    own, lagged, misplaced = [], {lag: [] for lag in LAGS}, {}
    bounds = np.linspace(0, len(a), -(-len(a) // BLOCK) + 1).astype(int)
    for start, stop in pairwise(bounds.tolist()):
        similar = _compare_all(np.stack(a[start:stop]), np.stack(b[start:stop]))
        own.append(np.diag(similar))
        for lag in LAGS:
            lagged[lag].append(np.diag(similar, lag))
        misplaced |= {start + i: start + j for i, j in _find_misplaced(similar).items()}
    mean = float(np.concatenate(own).mean())
    at = {lag: float(np.concatenate(values).mean()) for lag, values in lagged.items()}
    lag = max(at, key=lambda lag: at[lag])
    shifted = at[lag] >= RELATED and at[lag] > mean + 1
    return Matches(mean, lag if shifted else 0, {} if shifted else misplaced)


def _compare_all(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Similarities (n, n) of all A (rows) and all B (columns): mean 0 per row and column, std 1 off the diagonal."""

    def normalise(edges: np.ndarray) -> np.ndarray:
        floats = edges.astype(np.float32)
        floats -= floats.mean(axis=0)
        return floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-6)

    raw = normalise(a) @ normalise(b).T
    # Some pictures are slightly similar to all others, which is no evidence for a pair.
    raw = raw - raw.mean(axis=0) - raw.mean(axis=1, keepdims=True) + raw.mean()
    off = raw[~np.eye(len(raw), dtype=bool)]
    return raw / max(float(off.std()), 1e-6)


def _find_misplaced(similar: np.ndarray) -> dict[int, int]:
    """{index: index of the pair whose B fits its A}, where both fit each other best and much better than their partners.

    Empty where edges are no evidence, that is where most pairs, or pairs near each other, do not fit each other best.
    """
    own = np.diag(similar)
    best, rows = similar.argmax(axis=1), np.arange(len(similar))
    value = similar[rows, best]
    margin = np.minimum(value - own, value - own[best])
    total = 2 * value - own - own[best]
    strangers = np.maximum(own, own[best]) <= STRANGER
    mutual = similar.argmax(axis=0)[best] == rows
    found = (margin >= MARGIN) & (total >= SUM) & strangers & mutual & (best != rows)
    near = np.abs(best - rows) <= max(LAGS)  # if some of the files are shifted, every B after them is in a wrong place
    if (found | (mutual & near)).mean() < CLEAR or np.where(near, value, own).mean() < RELATED:
        return {}
    return {int(i): int(best[i]) for i in rows[found]}


def find_swapped(a: np.ndarray, b: np.ndarray) -> list[int]:
    """Finds pairs whose A resembles the B of all others and the reverse, such as a label map among photos.

    Args:
        a, b: (n, traits) of both halves.

    Returns:
        Their indices; empty where A and B do not differ clearly in kind.
    """
    if len(a) < MIN_PAIRS_TO_SWAP:
        return []
    difference = a - b
    spread = np.maximum(1.4826 * np.median(np.abs(difference - np.median(difference, axis=0)), axis=0), 0.02)
    usual = difference @ (np.median(difference, axis=0) / spread**2) > 0
    if usual.mean() < 0.9:
        return []
    # Estimated from the usual pairs only, as swapped ones would enlarge the variance.
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


def are_exchanged(train: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Whether A and B of another split are exchanged, compared with the training split.

    Args:
        train, other: (A, B), each the (n, traits) of the pictures of a split.
    """
    if min(len(train[0]), len(other[0])) < MIN_TO_EXCHANGE:
        return False
    middles = [np.median(traits, axis=0) for traits in train]
    spread = np.max([np.median(np.abs(traits - middle), axis=0) for traits, middle in zip(train, middles, strict=True)], 0)
    unit = np.maximum(1.4826 * spread, 0.05)

    def distance(traits: np.ndarray, letter: int) -> np.ndarray:
        return np.linalg.norm((traits - middles[letter]) / unit, axis=1)

    if float(distance(middles[0][None], 1)[0]) < SEPARATION:
        return False
    nearer = [distance(traits, 1 - letter) < distance(traits, letter) / 2 for letter, traits in enumerate(other)]
    usual = [distance(traits, letter) < distance(traits, 1 - letter) for letter, traits in enumerate(train)]
    return all(float(flags.mean()) >= 0.8 for flags in (*nearer, *usual))

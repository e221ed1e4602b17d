"""Pairs of pictures and label maps on which `tests/reference/record_metrics.py` records results of other libraries."""

from pathlib import Path

import numpy as np

RECORDED = Path(__file__).parents[1] / "reference" / "metrics.npz"

SIZES = {
    "colour": (176, 208, 3), "grey": (192, 176, 1), "odd": (161, 161, 3), "odd_height": (177, 208, 3),
    "odd_grey": (163, 163, 1), "large": (256, 256, 3),
}  # fmt: skip
CHANGES = ("equal", "nearly_equal", "noisy", "blurred", "different")
SMALL = ((16, 16, 3), (33, 47, 3), (40, 23, 1))
"""Sizes at which HaarPSI is recorded too."""


def pictures(shape: tuple[int, int, int], change: str) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its target, (h, w, c) uint8: rectangles and a gradient, changed in one way."""
    random = np.random.RandomState(sum(shape))
    target = draw(shape, random)
    changed = {
        "equal": lambda: target,
        "nearly_equal": lambda: target + (random.uniform(size=shape) < 0.01),
        "noisy": lambda: target + random.normal(0, 25, shape),
        "blurred": lambda: sum(np.roll(target, (i, j), (0, 1)) for i in range(3) for j in range(3)) / 9,
        "different": lambda: draw(shape, random)[::-1],
    }[change]()
    return np.clip(changed, 0, 255).astype(np.uint8), target.astype(np.uint8)


def draw(shape: tuple[int, int, int], random: np.random.RandomState) -> np.ndarray:
    """Twenty rectangles of random grey levels or colours on a gradient, as floats from 0 to 255."""
    h, w, c = shape
    picture = np.linspace(40, 200, h)[:, None, None] + np.linspace(-30, 30, w)[:, None] + np.zeros(c)
    for _ in range(20):
        top, left = random.randint(h - 4), random.randint(w - 4)
        picture[top : top + random.randint(3, h // 2), left : left + random.randint(3, w // 2)] = random.randint(0, 256, c)
    return np.clip(picture, 0, 255)


def labels(classes: int, used: int) -> tuple[np.ndarray, np.ndarray]:
    """Given and true classes, (37, 29) integers; only the first `used` of the classes occur in the true ones."""
    random = np.random.RandomState(classes)
    true = random.randint(0, used, (37, 29))
    given = np.where(random.uniform(size=true.shape) < 0.7, true, random.randint(0, classes, true.shape))
    return given, true


LABELS = {"all": (5, 5), "absent": (7, 4), "two": (2, 2), "one": (3, 1)}
"""{name: (classes, classes that occur in the targets)}."""


def all_colours() -> np.ndarray:
    """Colours over the whole cube, with black, white, greys and the darkest shades: (n, 3) uint8."""
    levels = np.array([0, 1, 2, 5, 10, 11, 60, 128, 200, 254, 255], np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)

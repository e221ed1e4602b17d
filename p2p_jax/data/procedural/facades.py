"""Facades that the program draws: a label map in twelve colours, and a shaded 'photo' of the same building.

Both come from one plan. The label map shows it in flat colours, the photo with materials and light, so that a network can
learn to translate the label map to the photo.
"""

import numpy as np

from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.procedural.buildings import plan_building
from p2p_jax.data.procedural.painting import draw_appearance, paint_photo
from p2p_jax.errors import UserError


def facade(seed: int, index: int, *, size: int | tuple[int, int] = 64) -> tuple[np.ndarray, np.ndarray]:
    """Draws one building; a pure function of its arguments, the same building at every size.

    Args:
        seed: of the data set; an integer, 0 or more.
        index: of the building in the data set; an integer, 0 or more.
        size: side, or (height, width), of the pictures in pixels, each in [16, 1024].

    Returns:
        (photo, labels), both uint8 (height, width, 3) in [0, 255]; labels contain only colours of `cmp.COLOURS`.

    Raises:
        UserError: a side is not an integer in [16, 1024], or seed or index is not an integer of 0 or more.
    """
    shape = size if isinstance(size, tuple) else (size, size)
    valid = len(shape) == 2 and all(isinstance(v, (int, np.integer)) for v in (seed, index, *shape))
    if not valid or min(seed, index) < 0 or min(shape) < 16 or max(shape) > 1024:
        raise UserError(
            f"seed {seed!r}, index {index!r} and size {size!r} were given, but integers were expected: give sides in [16, "
            "1024], and a seed and an index of 0 or more."
        )
    rng = np.random.default_rng((seed, index))
    appearance, parts = draw_appearance(rng), plan_building(rng)
    edges = np.floor(np.array([(p.y0, p.x0, p.y1, p.x1) for p in parts]) * (*shape, *shape) + 0.5).astype(int)
    low = edges[:, :2].clip(0, np.array(shape) - 1)
    boxes = np.concatenate((low, edges[:, 2:].clip(low + 1, shape)), 1)
    kinds = np.zeros(shape, np.uint8)
    for part, (y0, x0, y1, x1) in zip(parts, boxes.tolist(), strict=True):
        kinds[y0:y1, x0:x1] = part.kind
    photo = paint_photo(parts, boxes, appearance, *shape, 2 if max(shape) <= 128 else 1)
    # The grain has its own generator, so that the building does not depend on the size.
    grain = np.random.default_rng((seed, index, 1)).standard_normal((*shape, 1), np.float32)
    photo = (photo * appearance.exposure + 0.012 * grain) * 255 + 0.5
    return np.clip(photo, 0, 255).astype(np.uint8), COLOURS[kinds]

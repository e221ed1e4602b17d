"""Painting a planned building as a 'photo': materials, light from the upper left, shadows."""

from collections import namedtuple

import numpy as np
from numpy.random import Generator

from p2p_jax.data.cmp import BALCONY, CORNICE, DECO, FACADE, MOLDING, PILLAR, SILL, WINDOW
from p2p_jax.data.procedural.buildings import Part

# shadow of a class: reach as a fraction of the picture's height, and depth
_CAST = {
    CORNICE: (0.035, 0.45),
    BALCONY: (0.03, 0.4),
    SILL: (0.014, 0.35),
    MOLDING: (0.012, 0.3),
    PILLAR: (0.008, 0.3),
    DECO: (0.01, 0.3),
}


_WHITE, _IRON, _SLATE = np.array([(0.93, 0.91, 0.86), (0.13, 0.13, 0.15), (0.30, 0.29, 0.33)], np.float32)


# the appearance that the label map does not show: colours (float32, (3,), [0, 1]), noise knots, exposure, brick or plaster
Appearance = namedtuple("Appearance", "wall trim wood slat awning sky cloud stain exposure brick")


def _mix(a: np.ndarray | tuple, b: np.ndarray | tuple, t: np.ndarray | float) -> np.ndarray:
    """Blends in float32: a where t is 0, b where t is 1; broadcasts."""
    return np.add(a, np.subtract(b, a) * t).astype(np.float32)


def draw_appearance(rng: Generator) -> Appearance:
    """Draws a building's colours and noise knots, always with the same number of random draws."""
    t = rng.random(9)
    wall = _mix(_mix((0.83, 0.70, 0.50), (0.70, 0.47, 0.36), t[0]), (0.86, 0.80, 0.70), 0.7 * t[1])
    slat = _mix(_mix((0.33, 0.46, 0.36), (0.36, 0.44, 0.50), t[2]), (0.55, 0.52, 0.42), 0.5 * t[3])
    wood = _mix((0.45, 0.27, 0.14), (0.34, 0.16, 0.10), t[5])
    awning = _mix((0.72, 0.20, 0.16), (0.62, 0.30, 0.14), t[6])
    sky, trim = _mix((0.40, 0.60, 0.86), (0.55, 0.70, 0.86), t[7]), _mix(_WHITE, wall, 0.1 + 0.2 * t[4])
    cloud, stain = rng.random((2, 8, 10)).astype(np.float32)
    return Appearance(wall, trim, wood, slat, awning, sky, cloud, stain, float(0.92 + 0.14 * t[8]), bool(t[0] > 0.5))


def _soft(knots: np.ndarray, *shape: int) -> np.ndarray:
    """Stretches knots (h, w) over a picture and interpolates smoothly: float32 (height, width)."""
    away = (np.abs(np.linspace(0, k - 1, n)[:, None] - np.arange(k)) for n, k in zip(shape, knots.shape, strict=True))
    near = (np.clip(1 - d, 0, 1).astype(np.float32) for d in away)
    rows, cols = (v * v * (3 - 2 * v) for v in near)
    return rows @ knots @ cols.T


def _ramp(n: int, a: float, b: float, axis: int = 0) -> np.ndarray:
    """Float32 values from a to b, n of them, along the given axis of a (h, w, 3) picture."""
    return np.linspace(a, b, n, dtype=np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))


def _bevel(view: np.ndarray, u: int, lift: float) -> None:
    """Lightens the upper and left edges (u pixels) of a raised view, and darkens the others."""
    for edge, gain in ((view[:u], lift), (view[u:, :u], lift), (view[-u:], -lift), (view[:-u, -u:], -lift)):
        edge *= 1 + gain


def _backdrop(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints sky with clouds and a distant hedge, or (style 1) the pavement, dark at the foot of the house."""
    h, w = view.shape[:2]
    if part.style:
        view[:] = _ramp(h, 0.52, 0.42)
        view[:, :: max(8 * u, w // 9)] *= 0.88
        view[: max(1, h // 6)] *= 0.62
        return
    cloud, rise = 0.7 * _soft(appearance.cloud[:4, :5], h, w) + 0.3 * _soft(appearance.cloud, h, w), np.linspace(-6, 1, h)
    view[:] = _mix(appearance.sky * _ramp(h, 0.9, 1.25), _WHITE, np.clip(2 * cloud - 0.8, 0, 0.5)[..., None])
    view[rise[:, None] > 0.8 * _soft(appearance.cloud, 1, w)] = (0.30, 0.40, 0.24)


def _wall(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints plaster or brick; the ground floor (style 1) is grooved stone over a plinth."""
    h, w = view.shape[:2]
    view[:] = _mix(appearance.wall, appearance.trim, 0.45) * 0.92 if part.style else appearance.wall
    view *= (0.94 + 0.12 * _soft(appearance.stain, h, w))[..., None]
    if part.style:
        view[:: max(4, 8 * u)] *= 0.86
        view[-max(2, h // 9) :] *= 0.78
    elif appearance.brick:
        row, course = np.arange(h)[:, None], 3 * u
        joint = ((np.arange(w) + row // course % 2 * course) % (2 * course) < u) | (row % course < u)
        view[joint] *= 0.91


def _window(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints a dark pane that reflects the sky at its upper left, under the shadow of its reveal, in a light frame."""
    h, w = view.shape[:2]
    f, frame = u * (1 if w < 24 * u else 2), part.kind == WINDOW and min(h, w) > 3 * u
    view[:] = _WHITE * _ramp(h, 0.95, 0.8)
    pane = view[f : h - f, f : w - f] if frame else view
    t = 0.5 * (_ramp(len(pane), 1, 0) + _ramp(pane.shape[1], 1, 0, 1))
    pane[:] = _mix((0.13, 0.17, 0.23), 0.8 * appearance.sky, (0.35 + 0.35 * part.style) * t * t)
    pane[: 2 * u] *= 0.6
    pane[:, :u] *= 0.7
    if frame and w >= 9 * u:
        view[:, w // 2 - (f + 1) // 2 : w // 2 + f // 2] = _WHITE * 0.86
        view[h // 3 : h // 3 + u] = _WHITE * 0.8


def _blind(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints slats, each light on its upper edge: shutters (style 1), or a roller blind under its reveal."""
    view[:] = appearance.slat * (1.0 if part.style else 1.12)
    view[:: 3 * u] *= 1.25
    view[2 * u :: 3 * u] *= 0.72
    view[:u] *= 1.0 if part.style else 0.6


def _door(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints a wooden door of six sunk panels under a fanlight, inside a stone surround with a lintel."""
    h, w = view.shape[:2]
    f, head = max(u, w // 9), max(u, h // 9)
    cut = head + h // 6
    view[:] = appearance.trim
    _bevel(view, u, 0.14)
    view[head:, f : w - f] = appearance.wood
    _window(view[head:cut, f : w - f], part, appearance, u)
    view[cut - u : cut, f : w - f] = appearance.trim * 0.9
    rows, cols = np.linspace(cut, h, 4).astype(int), (f, w // 2, w - f)
    for i, j in np.ndindex(3, 2):
        _bevel(view[rows[i] + u : rows[i + 1] - u, cols[j] + u : cols[j + 1] - u], u, -0.3)


def _shop(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints a shop window under a striped awning, which shades the upper part of the pane."""
    h, w = view.shape[:2]
    f, cut = max(u, w // 16), max(1, int(0.36 * h))
    view[:] = appearance.wood * 0.7
    _window(view[cut : h - f, f : w - f], part, appearance, u)
    view[cut : cut + h // 8] *= 0.6
    stripe = np.arange(w) * (5 if w < 40 * u else 9) // w % 2 == 0
    view[:cut] = np.where(stripe[:, None], appearance.awning, _WHITE) * _ramp(cut, 1.08, 0.8)


def _balcony(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints iron railings, through which the wall shows, on a light slab."""
    slab = max(u, len(view) // 5)
    view[:] = _mix(view, _IRON, 0.3)
    view[:, :: 3 * u] = view[:u] = _IRON
    view[-slab:] = appearance.trim * _ramp(slab, 1.08, 0.85)


def _stone(view: np.ndarray, part: Part, appearance: Appearance, u: int) -> None:
    """Paints light dressed stone: bands and sills, cornices with dentils, reliefs, round pillars."""
    h, w = view.shape[:2]
    x, y = _ramp(w, 0, 1, 1), _ramp(h, 0, 1)
    view[:] = appearance.trim * (1.1 - 0.24 * y)
    if part.kind == PILLAR:
        view[:] = appearance.trim * (1.08 - 0.8 * (x - 0.3) ** 2)
        view[: max(2 * u, w // 2)] = view[-max(2 * u, w // 2) :] = appearance.trim * 1.05
    elif part.kind == DECO:  # a garland, or (style 1) a pediment
        arch = y - 0.75 + 0.5 * (4 * np.abs(x - 0.5) - 1) ** 2
        raised = y > 0.1 + 1.2 * np.abs(x - 0.5) if part.style else np.abs(arch) < 0.2
        view[:] = _mix(appearance.trim, (0.80, 0.66, 0.46), 0.45) * np.where(raised, 1.12, 0.84)
    elif part.kind == CORNICE and h >= 6 * u:
        view[h // 2 : h // 2 + h // 4, np.arange(w) // (h // 4) % 2 == 0] *= 0.72
    _bevel(view, u, 0.16)


_PAINT = (_backdrop, _wall, _window, _door, _stone, _stone, _balcony, _blind, _stone, _stone, _stone, _shop)


def paint_photo(parts: list[Part], boxes: np.ndarray, appearance: Appearance, h: int, w: int, fine: int) -> np.ndarray:
    """Paints the parts: (h, w, 3) float32 near [0, 1]; boxes (n, 4) are painted `fine` times larger, then averaged."""
    img = np.empty((h * fine, w * fine, 3), np.float32)
    u = max(1, round(min(img.shape[:2]) / 256))  # width of the finest stroke
    edge = fine * int(boxes[[part.kind for part in parts].index(FACADE), 3])  # no shadow falls on the sky
    appearance = appearance._replace(brick=appearance.brick and fine == 1)  # bricks are too fine for a small picture
    for part, (y0, x0, y1, x1) in zip(parts, (boxes * fine).tolist(), strict=True):
        tall = int(0.33 * y0) if part.kind == CORNICE else 0
        for i, row in enumerate(img[y0 - tall : y0]):  # a slate roof, as tall as the sky allows
            inset = int(0.6 * (tall - i))
            row[x0 + inset * (x0 > 0) : x1 - inset * (x1 < len(row))] = _SLATE * (1.2 - i / tall / 3)
        _PAINT[part.kind](img[y0:y1, x0:x1], part, appearance, u)
        if part.kind in _CAST:  # the light comes from the upper left, so shadows lie below and to the right
            reach, depth = max(2, round(_CAST[part.kind][0] * len(img))), _CAST[part.kind][1]
            side, right = reach // 2, min(x1 + reach // 2, edge)
            below = img[y1 : y1 + reach, x0 + side * (x0 > 0) : right]
            below *= _ramp(reach, 1 - depth, 1 - 0.2 * depth)[: len(below)]
            img[y0 + side : y1, x1:right] *= 1 - 0.5 * depth
    return img.reshape(h, fine, w, fine, 3).mean((1, 3)) if fine > 1 else img

"""Facades drawn by the program: a label map in twelve colours and a lit 'photo' of the same building.

A grammar plans a building in relative coordinates; the plan is painted flat for the labels, and with
materials, light from the upper left and shadows for the photo, so that the second follows from the first.

Source:
    classes: R. Tylecek and R. Sara, Spatial Pattern Templates for Recognition of Objects with Regular
    Structure, GCPR 2013 (the CMP facades). The colours are those of the label maps that pix2pix is trained on: twelve
    even steps of the jet colour map.
"""

from collections import namedtuple

import numpy as np
from numpy.random import Generator

CLASSES = (
    "background",
    "facade",
    "window",
    "door",
    "cornice",
    "sill",
    "balcony",
    "blind",
    "deco",
    "molding",
    "pillar",
    "shop",
)
COLOURS = np.array(
    [
        (0, 0, 222),
        (0, 48, 255),
        (0, 128, 255),
        (0, 208, 255),
        (32, 255, 224),
        (112, 255, 144),
        (192, 255, 63),
        (255, 240, 0),
        (255, 160, 0),
        (255, 80, 0),
        (255, 0, 0),
        (174, 0, 0),
    ],
    np.uint8,
)
COLOURS.setflags(write=False)
BACKGROUND, FACADE, WINDOW, DOOR, CORNICE, SILL, BALCONY, BLIND, DECO, MOLDING, PILLAR, SHOP = range(12)
# what stands out is painted after what it shades
_ORDER = (BACKGROUND, FACADE, PILLAR, MOLDING, WINDOW, BLIND, DOOR, SHOP, DECO, SILL, BALCONY, CORNICE)
# shadow of a class: reach as a part of the picture's height, depth
_CAST = {
    CORNICE: (0.035, 0.45),
    BALCONY: (0.03, 0.4),
    SILL: (0.014, 0.35),
    MOLDING: (0.012, 0.3),
    PILLAR: (0.008, 0.3),
    DECO: (0.01, 0.3),
}
_WHITE, _IRON, _SLATE = np.array([(0.93, 0.91, 0.86), (0.13, 0.13, 0.15), (0.30, 0.29, 0.33)], np.float32)
# what the labels do not say: colours (float32, (3,), [0, 1]), noise knots, exposure, brick or plaster
Look = namedtuple("Look", "wall trim wood slat awning sky cloud stain exposure brick")
# the habits of one building: which blinds; sills or not; width of glass; windows in pairs; which reliefs
Taste = namedtuple("Taste", "blind sill glass twin relief")
# a rectangle of the plan: class, edges in [0, 1], and a style in [0, 1] that each class reads its own way
Part = namedtuple("Part", "kind x0 y0 x1 y1 style", defaults=(0.0,))


def _mix(a: np.ndarray | tuple, b: np.ndarray | tuple, t: np.ndarray | float) -> np.ndarray:
    """float32 blend: a where t is 0, b where t is 1; broadcasts."""
    return np.add(a, np.subtract(b, a) * t).astype(np.float32)


def _look(rng: Generator) -> Look:
    """Draws a building's colours and noise knots, always with the same number of draws."""
    t = rng.random(9)
    wall = _mix(_mix((0.83, 0.70, 0.50), (0.70, 0.47, 0.36), t[0]), (0.86, 0.80, 0.70), 0.7 * t[1])
    slat = _mix(_mix((0.33, 0.46, 0.36), (0.36, 0.44, 0.50), t[2]), (0.55, 0.52, 0.42), 0.5 * t[3])
    wood = _mix((0.45, 0.27, 0.14), (0.34, 0.16, 0.10), t[5])
    awning = _mix((0.72, 0.20, 0.16), (0.62, 0.30, 0.14), t[6])
    sky, trim = _mix((0.40, 0.60, 0.86), (0.55, 0.70, 0.86), t[7]), _mix(_WHITE, wall, 0.1 + 0.2 * t[4])
    cloud, stain = rng.random((2, 8, 10)).astype(np.float32)
    return Look(wall, trim, wood, slat, awning, sky, cloud, stain, float(0.92 + 0.14 * t[8]), bool(t[0] > 0.5))


def _opening(rng: Generator, taste: Taste, box: tuple[float, ...]) -> list[Part]:
    """A window filling box (x0, y0, x1, y1), with its blind and sill as is the building's taste."""
    x0, y0, x1, y1 = box
    tone, drop, chance = rng.random(3)
    parts, side = [Part(WINDOW, x0, y0, x1, y1, tone)], 0.0
    if taste.blind == "shutters":
        side = 0.24 * (x1 - x0)
        parts += [Part(BLIND, x0 - side, y0, x0, y1, 1.0), Part(BLIND, x1, y0, x1 + side, y1, 1.0)]
    elif taste.blind == "roller" and chance < 0.55:
        parts.append(Part(BLIND, x0, y0, x1, y0 + (0.3 + 0.5 * drop) * (y1 - y0)))
    over = 0.12 * (x1 - x0) + 0.5 * side
    return parts + [Part(SILL, x0 - over, y1, x1 + over, y1 + 0.019)] * taste.sill


def _storey(rng: Generator, taste: Taste, bays: np.ndarray, y0: float, y1: float, level: int) -> list[Part]:
    """One floor from y0 to y1, level 0 on the ground and -1 at the top; bays (count, 2) holds their edges."""
    deco, balcony, band, wide, shops, middle = (rng.random(6) < (0.5, 0.4, 0.6, 0.4, 0.55, 0.6)).tolist()
    door = len(bays) // 2 if middle else rng.integers(len(bays))
    high, ground = y1 - y0, level == 0
    deco, balcony = deco > ground, balcony > ground
    top, bottom = y0 + (0.3 if deco else 0.23) * high, y0 + (0.75 if ground else 0.82) * high
    # no moulding fits right under the cornice
    parts = [Part(MOLDING, bays[0, 0], y0 - 0.01, bays[-1, 1], y0 + 0.01)] * (band and level >= 0)
    taste = taste._replace(sill=taste.sill and not balcony)
    rails = [(bays[0, 0] + 0.03, bays[-1, 1] - 0.03)] * (balcony and wide)
    for i, (left, right) in enumerate(bays):
        bay, mid = right - left, 0.5 * (left + right)
        half = 0.5 * min(taste.glass * bay, 1.2 * (bottom - top))
        if ground and i == door:
            half = min(0.32 * bay, 0.28 * high)
            parts.append(Part(DOOR, mid - half, y0 + 0.24 * high, mid + half, y1))
        elif ground and shops:
            parts.append(Part(SHOP, mid - 0.43 * bay, y0 + 0.2 * high, mid + 0.43 * bay, y1 - 0.08 * high))
        else:
            for a, b in ((-1.2, -0.15), (0.15, 1.2)) if taste.twin else ((-1, 1),):
                parts += _opening(rng, taste, (mid + a * half, top, mid + b * half, bottom))
            a, b = mid - 1.4 * half, mid + 1.4 * half
            parts += [Part(DECO, a, y0 + 0.11 * high, b, y0 + 0.28 * high, taste.relief)] * deco
            rails += [(a, b)] * (balcony and not wide)
    return parts + [Part(BALCONY, a, bottom - 0.2 * high, b, bottom + 0.06 * high) for a, b in rails]


def _plan(rng: Generator) -> list[Part]:
    """The grammar: sky and street, body, cornice, pillars, then the floors; parts in painting order."""
    floors = rng.integers(2, 6)
    count = max(rng.integers(2, 7), floors - 2)  # a tall house of two bays would be all wall
    t = rng.random(12)
    left, right = (0.0 if u < 0.3 else 0.02 + 0.02 * (6 - count) + 0.1 * u for u in t[:2])
    right, top, bottom = 1 - right, 0.06 + 0.1 * t[2] + 0.05 * (5 - floors), 0.92 + 0.04 * t[3]
    eaves = top + 0.035 + 0.02 * t[4]
    step = (bottom - eaves) / (floors + 0.1 + 0.25 * t[5])
    street = eaves + (floors - 1) * step  # where the ground floor starts
    blind = "none" if t[6] < 0.3 else "shutters" if t[6] < 0.6 else "roller"
    twin = bool(count <= 3 and t[9] > 0.4 and blind != "shutters")
    taste = Taste(blind, bool(t[7] < 0.75), 0.46 + 0.14 * t[8], twin, float(t[9] > 0.7))
    column, edges = 0.032 + 0.015 * t[10], np.linspace(left, right, count + 1)
    parts = [
        Part(BACKGROUND, 0, 0, 1, bottom),
        Part(BACKGROUND, 0, bottom, 1, 1, 1.0),
        Part(FACADE, left, top, right, street),
        Part(FACADE, left, street, right, bottom, 1.0),
        Part(CORNICE, left - 0.014, top, right + 0.014, eaves),
    ]
    gap = 0.5 * column if t[11] < 0.25 and count <= 4 else 0.0
    if t[11] < 0.5:
        parts += [Part(PILLAR, x, eaves, x + column, bottom) for x in (left, right - column)]
        edges = np.linspace(left + column - gap, right - column + gap, count + 1)
    parts += [Part(PILLAR, x - gap, eaves, x + gap, bottom) for x in edges[1:-1] if gap]
    bays = np.stack((edges[:-1] + gap, edges[1:] - gap), 1)
    for i, y in enumerate((eaves + step * np.arange(floors)).tolist()):
        level = 0 if i == floors - 1 else i or -1
        parts += _storey(rng, taste, bays, y, y + step if level else bottom, level)
    return sorted(parts, key=lambda part: _ORDER.index(part.kind))


def _soft(knots: np.ndarray, *shape: int) -> np.ndarray:
    """float32 of the given (height, width): knots (h, w) stretched over the picture, smooth between them."""
    away = (np.abs(np.linspace(0, k - 1, n)[:, None] - np.arange(k)) for n, k in zip(shape, knots.shape, strict=True))
    near = (np.clip(1 - d, 0, 1).astype(np.float32) for d in away)
    rows, cols = (v * v * (3 - 2 * v) for v in near)
    return rows @ knots @ cols.T


def _ramp(n: int, a: float, b: float, axis: int = 0) -> np.ndarray:
    """N float32 values from a to b along the given axis of a (h, w, 3) picture."""
    return np.linspace(a, b, n, dtype=np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))


def _bevel(view: np.ndarray, u: int, lift: float) -> None:
    """Lights the upper and left edges (u pixels) of a raised view, darkens the others."""
    for edge, gain in ((view[:u], lift), (view[u:, :u], lift), (view[-u:], -lift), (view[:-u, -u:], -lift)):
        edge *= 1 + gain


def _backdrop(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """Sky with clouds and a far hedge, or (style 1) the pavement, dark at the foot of the house."""
    h, w = view.shape[:2]
    if part.style:
        view[:] = _ramp(h, 0.52, 0.42)
        view[:, :: max(8 * u, w // 9)] *= 0.88
        view[: max(1, h // 6)] *= 0.62
        return
    cloud, rise = 0.7 * _soft(look.cloud[:4, :5], h, w) + 0.3 * _soft(look.cloud, h, w), np.linspace(-6, 1, h)
    view[:] = _mix(look.sky * _ramp(h, 0.9, 1.25), _WHITE, np.clip(2 * cloud - 0.8, 0, 0.5)[..., None])
    view[rise[:, None] > 0.8 * _soft(look.cloud, 1, w)] = (0.30, 0.40, 0.24)


def _wall(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """Plaster or brick; the ground floor (style 1) is of grooved stone over a plinth."""
    h, w = view.shape[:2]
    view[:] = _mix(look.wall, look.trim, 0.45) * 0.92 if part.style else look.wall
    view *= (0.94 + 0.12 * _soft(look.stain, h, w))[..., None]
    if part.style:
        view[:: max(4, 8 * u)] *= 0.86
        view[-max(2, h // 9) :] *= 0.78
    elif look.brick:
        row, course = np.arange(h)[:, None], 3 * u
        joint = ((np.arange(w) + row // course % 2 * course) % (2 * course) < u) | (row % course < u)
        view[joint] *= 0.91


def _window(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """A dark pane that mirrors the sky at its upper left, under the shadow of its reveal; a light frame."""
    h, w = view.shape[:2]
    f, frame = u * (1 if w < 24 * u else 2), part.kind == WINDOW and min(h, w) > 3 * u
    view[:] = _WHITE * _ramp(h, 0.95, 0.8)
    pane = view[f : h - f, f : w - f] if frame else view
    t = 0.5 * (_ramp(len(pane), 1, 0) + _ramp(pane.shape[1], 1, 0, 1))
    pane[:] = _mix((0.13, 0.17, 0.23), 0.8 * look.sky, (0.35 + 0.35 * part.style) * t * t)
    pane[: 2 * u] *= 0.6
    pane[:, :u] *= 0.7
    if frame and w >= 9 * u:
        view[:, w // 2 - (f + 1) // 2 : w // 2 + f // 2] = _WHITE * 0.86
        view[h // 3 : h // 3 + u] = _WHITE * 0.8


def _blind(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """slats, each lit on its upper edge: shutters (style 1), or a roller blind under its reveal."""
    view[:] = look.slat * (1.0 if part.style else 1.12)
    view[:: 3 * u] *= 1.25
    view[2 * u :: 3 * u] *= 0.72
    view[:u] *= 1.0 if part.style else 0.6


def _door(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """A wooden door of six sunk panels under a fanlight, inside a stone surround with a lintel."""
    h, w = view.shape[:2]
    f, head = max(u, w // 9), max(u, h // 9)
    cut = head + h // 6
    view[:] = look.trim
    _bevel(view, u, 0.14)
    view[head:, f : w - f] = look.wood
    _window(view[head:cut, f : w - f], part, look, u)
    view[cut - u : cut, f : w - f] = look.trim * 0.9
    rows, cols = np.linspace(cut, h, 4).astype(int), (f, w // 2, w - f)
    for i, j in np.ndindex(3, 2):
        _bevel(view[rows[i] + u : rows[i + 1] - u, cols[j] + u : cols[j + 1] - u], u, -0.3)


def _shop(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """A shop window under a striped awning, which shades the upper part of the pane."""
    h, w = view.shape[:2]
    f, cut = max(u, w // 16), max(1, int(0.36 * h))
    view[:] = look.wood * 0.7
    _window(view[cut : h - f, f : w - f], part, look, u)
    view[cut : cut + h // 8] *= 0.6
    stripe = np.arange(w) * (5 if w < 40 * u else 9) // w % 2 == 0
    view[:cut] = np.where(stripe[:, None], look.awning, _WHITE) * _ramp(cut, 1.08, 0.8)


def _balcony(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """Iron railings, through which the wall shows, on a light slab."""
    slab = max(u, len(view) // 5)
    view[:] = _mix(view, _IRON, 0.3)
    view[:, :: 3 * u] = view[:u] = _IRON
    view[-slab:] = look.trim * _ramp(slab, 1.08, 0.85)


def _stone(view: np.ndarray, part: Part, look: Look, u: int) -> None:
    """Light dressed stone: bands and sills, cornices with dentils, reliefs, round pillars."""
    h, w = view.shape[:2]
    x, y = _ramp(w, 0, 1, 1), _ramp(h, 0, 1)
    view[:] = look.trim * (1.1 - 0.24 * y)
    if part.kind == PILLAR:
        view[:] = look.trim * (1.08 - 0.8 * (x - 0.3) ** 2)
        view[: max(2 * u, w // 2)] = view[-max(2 * u, w // 2) :] = look.trim * 1.05
    elif part.kind == DECO:  # a garland, or (style 1) a pediment
        arch = y - 0.75 + 0.5 * (4 * np.abs(x - 0.5) - 1) ** 2
        raised = y > 0.1 + 1.2 * np.abs(x - 0.5) if part.style else np.abs(arch) < 0.2
        view[:] = _mix(look.trim, (0.80, 0.66, 0.46), 0.45) * np.where(raised, 1.12, 0.84)
    elif part.kind == CORNICE and h >= 6 * u:
        view[h // 2 : h // 2 + h // 4, np.arange(w) // (h // 4) % 2 == 0] *= 0.72
    _bevel(view, u, 0.16)


_PAINT = (_backdrop, _wall, _window, _door, _stone, _stone, _balcony, _blind, _stone, _stone, _stone, _shop)


def _photo(parts: list[Part], boxes: np.ndarray, look: Look, h: int, w: int, fine: int) -> np.ndarray:
    """(h, w, 3) float32 near [0, 1]; boxes (n, 4) are painted fine times larger, then averaged."""
    img = np.empty((h * fine, w * fine, 3), np.float32)
    u = max(1, round(min(img.shape[:2]) / 256))  # the finest stroke
    edge = fine * int(boxes[[part.kind for part in parts].index(FACADE), 3])  # no shadow on the sky
    look = look._replace(brick=look.brick and fine == 1)  # too fine to show in a small picture
    for part, (y0, x0, y1, x1) in zip(parts, (boxes * fine).tolist(), strict=True):
        tall = int(0.33 * y0) if part.kind == CORNICE else 0
        for i, row in enumerate(img[y0 - tall : y0]):  # a slate roof, as tall as the sky allows
            inset = int(0.6 * (tall - i))
            row[x0 + inset * (x0 > 0) : x1 - inset * (x1 < len(row))] = _SLATE * (1.2 - i / tall / 3)
        _PAINT[part.kind](img[y0:y1, x0:x1], part, look, u)
        if part.kind in _CAST:  # the light comes from the upper left, so shadows lie below and to the right
            reach, depth = max(2, round(_CAST[part.kind][0] * len(img))), _CAST[part.kind][1]
            side, right = reach // 2, min(x1 + reach // 2, edge)
            below = img[y1 : y1 + reach, x0 + side * (x0 > 0) : right]
            below *= _ramp(reach, 1 - depth, 1 - 0.2 * depth)[: len(below)]
            img[y0 + side : y1, x1:right] *= 1 - 0.5 * depth
    return img.reshape(h, fine, w, fine, 3).mean((1, 3)) if fine > 1 else img


def facade(seed: int, index: int, *, size: int | tuple[int, int] = 64) -> tuple[np.ndarray, np.ndarray]:
    """Draws one building; a pure function of its arguments, the same building at every size.

    Args:
        seed: names the data set; a whole number, 0 or more.
        index: names the building in it; a whole number, 0 or more.
        size: side, or (height, width), of the pictures in pixels, each in [16, 1024].

    Returns:
        (photo, labels), both uint8 (height, width, 3) in [0, 255]; labels hold rows of COLOURS only.

    Raises:
        ValueError: if a side is not a whole number in [16, 1024], or seed or index not one of 0 or more.
    """
    shape = size if isinstance(size, tuple) else (size, size)
    whole = len(shape) == 2 and all(isinstance(v, (int, np.integer)) for v in (seed, index, *shape))
    if not whole or min(seed, index) < 0 or min(shape) < 16 or max(shape) > 1024:
        raise ValueError(
            f"seed {seed!r}, index {index!r} and size {size!r} were given, but whole numbers "
            "were expected, sides in [16, 1024] and the others not negative; pass such numbers"
        )
    rng = np.random.default_rng((seed, index))
    look, parts = _look(rng), _plan(rng)
    edges = np.floor(np.array([(p.y0, p.x0, p.y1, p.x1) for p in parts]) * (*shape, *shape) + 0.5).astype(int)
    low = edges[:, :2].clip(0, np.array(shape) - 1)
    boxes = np.concatenate((low, edges[:, 2:].clip(low + 1, shape)), 1)
    kinds = np.zeros(shape, np.uint8)
    for part, (y0, x0, y1, x1) in zip(parts, boxes.tolist(), strict=True):
        kinds[y0:y1, x0:x1] = part.kind
    photo = _photo(parts, boxes, look, *shape, 2 if max(shape) <= 128 else 1)
    # the grain has a generator of its own, so that the building does not depend on the size
    grain = np.random.default_rng((seed, index, 1)).standard_normal((*shape, 1), np.float32)
    photo = (photo * look.exposure + 0.012 * grain) * 255 + 0.5
    return np.clip(photo, 0, 255).astype(np.uint8), COLOURS[kinds]

"""The plan of a building: rectangles in relative coordinates, made by a grammar."""

from collections import namedtuple

import numpy as np
from numpy.random import Generator

from p2p_jax.data.cmp import BACKGROUND, BALCONY, BLIND, CORNICE, DECO, DOOR, FACADE, MOLDING, PILLAR, SHOP, SILL, WINDOW

# painting order: parts that protrude come after those that they shade
_ORDER = (BACKGROUND, FACADE, PILLAR, MOLDING, WINDOW, BLIND, DOOR, SHOP, DECO, SILL, BALCONY, CORNICE)


# the style of a building: kind of blinds; whether it has sills; width of windows; whether they come in pairs; reliefs
Taste = namedtuple("Taste", "blind sill glass twin relief")


# a rectangle of the plan: class, edges in [0, 1], and a style in [0, 1], whose meaning depends on the class
Part = namedtuple("Part", "kind x0 y0 x1 y1 style", defaults=(0.0,))


def _opening(rng: Generator, taste: Taste, box: tuple[float, ...]) -> list[Part]:
    """A window that fills the box (x0, y0, x1, y1), with blind and sill in the building's style."""
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
    """One floor from y0 to y1; level is 0 on the ground and -1 at the top; bays (count, 2) holds the edges of the bays."""
    deco, balcony, band, wide, shops, middle = (rng.random(6) < (0.5, 0.4, 0.6, 0.4, 0.55, 0.6)).tolist()
    door = len(bays) // 2 if middle else rng.integers(len(bays))
    high, ground = y1 - y0, level == 0
    deco, balcony = deco > ground, balcony > ground
    top, bottom = y0 + (0.3 if deco else 0.23) * high, y0 + (0.75 if ground else 0.82) * high
    # There is no room for a moulding directly under the cornice.
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


def plan_building(rng: Generator) -> list[Part]:
    """Plans a building: sky and street, body, cornice, pillars, then the floors. Returns the parts in painting order."""
    floors = rng.integers(2, 6)
    count = max(rng.integers(2, 7), floors - 2)  # a tall house of two bays would be mostly wall
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

"""What makes pairs of pictures: pure functions on arrays (height, width, c). The commands are in `commands.py`."""

from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from p2p_jax.data.pictures import Picture
from p2p_jax.data.resizing import resize, to_grey
from p2p_jax.errors import UserError

Shape = Literal["rectangle", "random-rectangle", "strokes"]
EIGHT = np.ones((3, 3), bool)  # pixels that touch at a corner belong together
WHOLE = (np.dtype(np.uint8), np.dtype(np.uint16))


def join(a: Picture, b: Picture) -> np.ndarray:
    """Puts two pictures side by side, A left, changing no value more than it must.

    A grey one becomes RGB beside RGB, an opaque one gets an alpha channel beside one that has it, and 8 bits become 16
    (times 257) beside 16.

    Args:
        a: (h, w, c).
        b: (h, w, c'), of the same height and width.

    Returns:
        (h, 2 w, c''), uint8, uint16 or float32.

    Raises:
        UserError: they differ in size, or in channels or kinds of numbers that cannot be brought together.
    """
    if a.pixels.shape[:2] != b.pixels.shape[:2]:
        raise UserError(
            f"the halves have {_size(a.pixels)} and {_size(b.pixels)} pixels: both pictures of a pair have the same size."
        )
    halves = _same_channels(a, b)
    dtypes = {half.dtype for half in halves}
    if dtypes == set(WHOLE):
        halves = [half if half.dtype == np.uint16 else half.astype(np.uint16) * np.uint16(257) for half in halves]
    elif len(dtypes) > 1:
        raise UserError("one half holds real numbers and the other whole ones: save both as the same kind.")
    return np.concatenate(halves, axis=1)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


def _same_channels(a: Picture, b: Picture) -> list[np.ndarray]:
    counts = [picture.pixels.shape[-1] for picture in (a, b)]
    if counts[0] == counts[1]:
        return [a.pixels, b.pixels]
    colours = [count - picture.has_alpha for count, picture in zip(counts, (a, b), strict=True)]
    if not set(colours) <= {1, 3}:
        raise UserError(f"the halves have {counts[0]} and {counts[1]} channels: both must have as many.")
    halves = []
    for picture in (a, b):
        pixels = to_colour(picture) if max(colours) == 3 else picture.pixels
        if (a.has_alpha or b.has_alpha) and not picture.has_alpha:
            opaque = np.full_like(pixels[..., :1], level(255, pixels.dtype))
            pixels = np.concatenate([pixels, opaque], axis=-1)
        halves.append(pixels)
    return halves


def to_colour(picture: Picture) -> np.ndarray:
    """A picture with its grey, if it is grey, as red, green and blue: (h, w, 3), or (h, w, 4) with its alpha."""
    pixels = picture.pixels
    colours = pixels.shape[-1] - picture.has_alpha
    return pixels if colours > 1 else np.concatenate([pixels[..., :1]] * 3 + [pixels[..., 1:]], axis=-1)


def cut(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two halves (h, w, c) of a side-by-side picture (h, 2 w, c): the reverse of `join`.

    Raises:
        UserError: the width is odd.
    """
    width = pixels.shape[1]
    if width % 2:
        raise UserError(f"it is {width} pixels wide, so it has no two halves of the same size: pairs lie side by side.")
    return pixels[:, : width // 2], pixels[:, width // 2 :]


def level(value: int, dtype: Any) -> Any:
    """A brightness from 0 to 255 as a value of the dtype: the same in uint8, times 257 in uint16, over 255 in float32."""
    return {np.uint8: np.uint8(value), np.uint16: np.uint16(value * 257)}.get(np.dtype(dtype).type, np.float32(value / 255))


def resize_whole(picture: Picture, size: tuple[int, int], method: str, fill: int | Literal["mirror"]) -> np.ndarray:
    """Resizes a picture to fit into `size` with its ratio kept, in the middle, and fills up what is left.

    Args:
        picture: (h, w, c).
        size: (height, width) in pixels.
        method: as for `resizing.resize`.
        fill: the brightness of what is left, from 0 to 255 (opaque), or "mirror" for the picture mirrored at its edges.

    Returns:
        (height, width, c) of the same dtype.
    """
    height, width = picture.pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    resized = resize(picture.pixels, inner, method)
    (top, bottom), (left, right) = (((new - old) // 2, (new - old + 1) // 2) for new, old in zip(size, inner, strict=True))
    if fill == "mirror":
        return np.pad(resized, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    filled = np.full((*size, resized.shape[-1]), level(fill, resized.dtype))
    if picture.has_alpha:
        filled[..., -1] = level(255, resized.dtype)
    filled[top : top + inner[0], left : left + inner[1]] = resized
    return filled


def on_white(picture: Picture) -> np.ndarray:
    """A picture as it looks on white paper, without its alpha channel: (h, w, c) of the same dtype."""
    if not picture.has_alpha:
        return picture.pixels
    colours, alpha = picture.pixels[..., :-1].astype(np.float32), picture.pixels[..., -1:].astype(np.float32)
    white = np.float32(level(255, picture.pixels.dtype))
    mixed = white + (colours - white) * (alpha / white)
    whole = picture.pixels.dtype in WHOLE
    return (np.round(mixed) if whole else mixed).astype(picture.pixels.dtype)


def find_edges(pixels: np.ndarray, *, sigma: float, low: float, high: float, shortest: int) -> np.ndarray:
    """Finds edges, as lines of one pixel: Canny's method, on the channel that changes most.

    Both thresholds are in levels of 255: an edge between two even areas counts by the difference of their brightness, at
    any sigma, where it is straight and nothing else is near.

    Args:
        pixels: (h, w, c) without alpha, uint8, uint16, or float32 in [0, 1].
        sigma: of the Gaussian blur, in pixels; 0 for none.
        low: what a line may fall to.
        high: what a line must reach somewhere.
        shortest: pixels that a line must have.

    Returns:
        (h, w) bool.

    Source:
        J. Canny, A Computational Approach to Edge Detection, IEEE PAMI 8(6), 1986. That short lines are dropped is from
        the edges of pix2pix: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017.
    """
    from scipy import ndimage

    levels = pixels.astype(np.float32) * (255 / np.float32(level(255, pixels.dtype)))
    blurred = ndimage.gaussian_filter(levels, (sigma, sigma, 0), mode="nearest") if sigma else levels
    slopes = np.stack([_sobel(blurred, axis) for axis in (0, 1)])
    channel = np.square(slopes).sum(axis=0).argmax(axis=-1)
    down, across = np.take_along_axis(slopes, channel[None, ..., None], axis=-1)[..., 0]
    strength = np.hypot(down, across)
    lines = _thin(strength, down, across)
    strength = strength / _slope_of_step(sigma)
    labelled: Any = ndimage.label(lines & (strength >= low), EIGHT)  # its stated type allows for other outputs
    numbers, count = labelled
    lengths = np.bincount(numbers.ravel(), minlength=count + 1)
    kept = lengths >= shortest
    kept &= np.isin(np.arange(count + 1), numbers[lines & (strength >= high)])
    kept[0] = False
    return kept[numbers]


def _sobel(pixels: np.ndarray, axis: int) -> np.ndarray:
    """The slope of each channel along height or width, per pixel; scipy's own would mix the channels."""
    from scipy import ndimage

    differences = ndimage.correlate1d(pixels, [-0.5, 0, 0.5], axis, mode="nearest")
    return ndimage.correlate1d(differences, [0.25, 0.5, 0.25], 1 - axis, mode="nearest")


def _thin(strength: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Whether the strength is the largest along its slope, of two equal neighbours the one further up: (h, w) bool."""
    from scipy import ndimage

    length = np.maximum(strength, np.finfo(np.float32).tiny)
    place, step = np.indices(strength.shape, np.float32), np.stack([down / length, across / length])
    behind, ahead = (ndimage.map_coordinates(strength, place + sign * step, order=1, mode="nearest") for sign in (-1, 1))
    return (strength > 0) & (strength >= behind) & (strength > ahead)


def _slope_of_step(sigma: float) -> float:
    """The steepest slope, per pixel, of a step from 0 to 1 after the same blur and difference."""
    from scipy import ndimage

    step = np.repeat([0.0, 1.0], int(4 * sigma) + 4)
    blurred = ndimage.gaussian_filter1d(step, sigma, mode="nearest") if sigma else step
    return float(np.gradient(blurred).max())


def draw_lines(lines: np.ndarray, thickness: int, *, invert: bool = False) -> np.ndarray:
    """Draws lines of one pixel as lines of `thickness` pixels, black on white, or with `invert` white on black.

    Args:
        lines: (h, w) bool.
        thickness: in pixels, from 1 on.
        invert: white on black.

    Returns:
        (h, w, 1) uint8, 0 and 255.
    """
    from scipy import ndimage

    offsets = np.arange(thickness) - (thickness - 1) / 2
    pen = np.hypot(offsets[:, None], offsets) <= thickness / 2
    drawn = ndimage.binary_dilation(lines, pen) if thickness > 1 else lines
    return np.where(drawn != invert, 0, 255).astype(np.uint8)[..., None]


def draw_hole(size: tuple[int, int], shape: Shape, share: float, random: np.random.Generator) -> np.ndarray:
    """Draws where a picture is to be blanked.

    Args:
        size: (height, width) in pixels.
        shape: "rectangle", in the middle with the picture's ratio; "random-rectangle", anywhere, up to twice as high as
            wide or the reverse, where the picture has room for it; "strokes", of a thick brush, here and there.
        share: of the picture's area, above 0 and below 1; met to within a row or a column, by strokes within one stroke.
        random: what chance is taken from.

    Returns:
        (h, w) bool, true in the hole.

    Source:
        strokes, in the manner of: Yu et al., Free-Form Image Inpainting with Gated Convolution, 2019, section 3.
    """
    if shape == "strokes":
        return _draw_strokes(size, share, random)
    rows, columns = size
    aspect = rows / columns if shape == "rectangle" else np.exp2(random.uniform(-1, 1))
    area = share * rows * columns
    exact = float(np.clip(np.sqrt(area * aspect), share * rows, rows))
    height = max(1, round(exact))
    width = min(columns, max(1, round(area / height)))
    top, left = (rows - height) // 2, (columns - width) // 2
    if shape == "random-rectangle":
        top, left = int(random.integers(rows - height + 1)), int(random.integers(columns - width + 1))
    hole = np.zeros(size, bool)
    hole[top : top + height, left : left + width] = True
    return hole


def _draw_strokes(size: tuple[int, int], share: float, random: np.random.Generator) -> np.ndarray:
    canvas = Image.new("1", (size[1], size[0]))
    brush = ImageDraw.Draw(canvas)
    side, end = min(size), np.array(size[::-1]) - 1
    while True:
        place, angle = random.uniform(0, end), random.uniform(0, 2 * np.pi)
        width = max(2, round(side * random.uniform(0.05, 0.12)))
        for _ in range(random.integers(3, 10)):
            angle += random.normal(0, 0.7)
            there = np.clip(place + side * random.uniform(0.05, 0.15) * np.array([np.cos(angle), np.sin(angle)]), 0, end)
            brush.line([*place, *there], fill=1, width=width)
            brush.ellipse([*(there - width / 2), *(there + width / 2)], fill=1)  # rounds the corner to the next line
            place = there
            hole = np.asarray(canvas)
            if np.count_nonzero(hole) >= share * hole.size:
                return hole


def blank(picture: Picture, hole: np.ndarray, fill: int) -> np.ndarray:
    """A picture with its colours set to `fill` (0 to 255) where `hole` (h, w) is true; alpha stays: (h, w, c)."""
    pixels = picture.pixels.copy()
    colours = pixels[..., :-1] if picture.has_alpha else pixels
    colours[hole] = level(fill, pixels.dtype)
    return pixels


def grey_of(picture: Picture) -> np.ndarray:
    """A picture without its colours: (h, w, 1), or (h, w, 2) with its alpha.

    Raises:
        UserError: it is neither grey nor RGB.
    """
    pixels = picture.pixels
    colours = pixels[..., :-1] if picture.has_alpha else pixels
    if colours.shape[-1] not in (1, 3):
        raise UserError(f"it has {colours.shape[-1]} channels: colours are needed, red, green and blue.")
    grey = to_grey(np.ascontiguousarray(colours)) if colours.shape[-1] == 3 else colours
    return np.concatenate([grey, pixels[..., -1:]], axis=-1) if picture.has_alpha else grey

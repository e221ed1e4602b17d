"""Augmentation of a batch inside the jitted step: pure functions of a key and arrays."""

from collections.abc import Callable
from itertools import accumulate

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.ndimage import map_coordinates

from p2p_jax.config import Augment, Side
from p2p_jax.data.values import encode

# Each random choice folds its own number into the key of a pair, so that a new one changes none of the others.
VERTICAL, QUARTER_TURN, WARP, INPUT_COLOUR, TARGET_COLOUR = range(3, 8)


def to_float(batch: dict[str, Array], *, input: Side = Side(), target: Side = Side()) -> dict[str, Array]:
    """Converts stored values to the inputs of the training step.

    Args:
        batch: {"input", "target"[, "weight", "known"]}, stored values (any leading axes, h, w, c); the last two are uint8.
        input, target: depth, range and classes of the values.

    Returns:
        The same names, float32 in [-1, 1]; "weight" and "known" in [0, 1].
    """
    sides = {"input": input, "target": target}
    return {name: encode(sides[name], x) if name in sides else x.astype(jnp.float32) / 255 for name, x in batch.items()}


def augment(
    key: Array,
    batch: dict[str, Array],
    *,
    size: int | tuple[int, int] | None,
    options: Augment = Augment(),
    input: Side = Side(),
    target: Side = Side(),
) -> dict[str, Array]:
    """Augments a batch as in the paper, with a random crop and mirroring, and with what `options` add.

    Both sides of a pair are cropped, mirrored and warped alike.

    Args:
        key: of this batch; the pair at index i of the global batch uses `fold_in(key, i)`, so that the number of
            devices changes nothing.
        batch: {"input": (n, h, w, c), "target": (n, h, w, c')[, "weight": (n, h, w, 1), "known": (n, h, w, 1)]}, stored
            values (see `data.sides`); h and w at least `size`.
        size: pixels a side after the crop, or (height, width); every offset is equally likely. None means no crop.
        options: further augmentation.
        input, target: kind, depth, range and classes of both sides; warps never mix the values of labels.

    Returns:
        The same names, (n, height, width, c), float32 in [-1, 1]; "weight" and "known" in [0, 1].

    Source: Isola et al. 2017, appendix 6.2.
    """
    count, height, width, _ = batch["input"].shape
    wanted = (height, width) if size is None else (size, size) if isinstance(size, int) else size
    sides = {"input": input, "target": target, "weight": Side(kind="labels"), "known": Side(kind="labels")}

    def one(index: Array, pair: dict[str, Array]) -> dict[str, Array]:
        key_of_pair = jax.random.fold_in(key, index)
        move = _geometry(key_of_pair, (height, width), wanted, options)
        pair = {name: move(picture, sides[name].kind == "labels") for name, picture in pair.items()}
        pair = to_float(pair, input=input, target=target)
        for name, number in (("input", INPUT_COLOUR), ("target", TARGET_COLOUR)):
            if sides[name].colour_jitter:
                colour_key = jax.random.fold_in(key_of_pair, number)
                pair[name] = _jitter_side(colour_key, pair[name], sides[name])
        return pair

    return jax.vmap(one)(jnp.arange(count), batch)


def _geometry(
    key: Array, size: tuple[int, int], wanted: tuple[int, int], options: Augment
) -> Callable[[Array, bool], Array]:
    """Draws one random movement, and returns it as a function `(picture, whether it holds labels) -> picture`."""
    row_key, column_key, flip_key = jax.random.split(key, 3)
    row = jax.random.randint(row_key, (), 0, size[0] - wanted[0] + 1)
    column = jax.random.randint(column_key, (), 0, size[1] - wanted[1] + 1)
    mirrored = options.flip & jax.random.bernoulli(flip_key)
    upside_down = jax.random.bernoulli(jax.random.fold_in(key, VERTICAL))
    turns = jax.random.randint(jax.random.fold_in(key, QUARTER_TURN), (), 0, 4)
    warps = bool(options.rotate or options.zoom or options.shift)

    def move(picture: Array, labels: bool) -> Array:
        if warps:
            picture = warp(jax.random.fold_in(key, WARP), picture, options, (row, column), wanted, labels=labels)
        else:
            picture = lax.dynamic_slice(picture, (row, column, 0), (*wanted, picture.shape[-1]))
        picture = jnp.where(mirrored, picture[:, ::-1], picture)
        if options.vertical_flip:
            picture = jnp.where(upside_down, picture[::-1], picture)
        if options.quarter_turns:
            picture = lax.switch(turns, [lambda x, k=k: jnp.rot90(x, k) for k in range(4)], picture)
        return picture

    return move


def warp(
    key: Array,
    picture: Array,
    options: Augment,
    corner: tuple[Array, Array],
    wanted: tuple[int, int],
    *,
    labels: bool,
) -> Array:
    """Rotates, zooms and shifts a picture about the middle of a window, and crops to the window; resamples once.

    Args:
        key: for angle, zoom and shift; the same key moves every picture alike.
        picture: (h, w, c), stored values; mirrored beyond its edges.
        options: the largest angle in degrees, and the largest zoom and shift as fractions.
        corner: row and column of the window.
        wanted: (height, width) of the window.
        labels: whether to use the nearest value instead of interpolating.

    Returns:
        (height, width, c) of the same dtype.
    """
    angle, zoom, down, across = jax.random.uniform(key, (4,), minval=-1, maxval=1)
    angle = jnp.deg2rad(options.rotate * angle)
    scale = 1 / (1 + options.zoom * zoom)
    middle = [start + (length - 1) / 2 for start, length in zip(corner, wanted, strict=True)]
    y, x = jnp.meshgrid(
        jnp.arange(wanted[0]) - (wanted[0] - 1) / 2, jnp.arange(wanted[1]) - (wanted[1] - 1) / 2, indexing="ij"
    )
    rows = middle[0] + options.shift * down * wanted[0] + scale * (jnp.cos(angle) * y + jnp.sin(angle) * x)
    columns = middle[1] + options.shift * across * wanted[1] + scale * (jnp.cos(angle) * x - jnp.sin(angle) * y)
    values = picture.astype(jnp.float32)
    found = jax.vmap(
        lambda channel: map_coordinates(channel, [rows, columns], order=0 if labels else 1, mode="mirror"), -1, -1
    )(values)
    return (jnp.round(found) if jnp.issubdtype(picture.dtype, jnp.integer) else found).astype(picture.dtype)


def _jitter_side(key: Array, stacked: Array, side: Side) -> Array:
    """Applies colour jitter to each picture of the side separately; alpha stays."""
    pictures = jnp.split(stacked, list(accumulate(side.channels))[:-1], axis=-1)
    changed = []
    for index, picture in enumerate(pictures):
        colours = picture.shape[-1] - (picture.shape[-1] in (2, 4))
        jittered = jitter_colour(jax.random.fold_in(key, index), picture[..., :colours], side.colour_jitter)
        changed.append(jnp.concatenate([jittered, picture[..., colours:]], axis=-1))
    return jnp.concatenate(changed, axis=-1)


def jitter_colour(key: Array, picture: Array, amount: float) -> Array:
    """Multiplies brightness, contrast and saturation by factors drawn from [1 - amount, 1 + amount].

    Args:
        key: for the three factors.
        picture: (h, w, c) float in [-1, 1]; saturation is the distance from the mean of the channels.
        amount: in [0, 1).

    Returns:
        (h, w, c) in [-1, 1].
    """
    brightness, contrast, saturation = jax.random.uniform(key, (3,), minval=1 - amount, maxval=1 + amount)
    light = (picture + 1) / 2 * brightness
    light = (light - light.mean()) * contrast + light.mean()
    grey = light.mean(-1, keepdims=True)
    return jnp.clip((light - grey) * saturation + grey, 0, 1) * 2 - 1

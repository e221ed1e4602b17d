"""The kernels that the first layer of a U-Net learns, split into parts."""

from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
import optax

from experiments.fundamentals.facades import (
    draw_facades,
    draw_photo,
    jit_once,
    to_grey,
    to_pictures,
    to_values,
    train_on_l1,
)
from experiments.fundamentals.lesson import Numbers
from p2p_jax import generators, layers, ops
from p2p_jax.network import network


def measure_learned(size: int, steps: int, widths: Sequence[int]) -> Numbers:
    """The first layer of a U-Net, before and after it learns to turn photos of facades into plans, and its losses."""
    plans, photos = (to_values(pictures) for pictures in draw_facades(64, size=size))
    unet = network(generators.unet, widths=widths, norm=layers.batch_norm)
    training = train_on_l1(unet, photos, plans, optax.adam(2e-3), batch=4, steps=steps)
    before, after = (np.asarray(params["down0"]["kernel"]) for params in (training.start, training.params))
    values = np.asarray(training.losses)
    chosen: list[int] = []
    shown = []
    for kind, part in list(split_kernels(after).items())[:3]:
        fractions = np.square(part).sum((0, 1, 2)) / np.square(after).sum((0, 1, 2))
        most = [int(index) for index in np.argsort(-fractions) if index not in chosen][:2]
        chosen += most
        shown += [(kind, fractions[index]) for index in most]
    kernels = np.concatenate([before[..., chosen], after[..., chosen]], axis=-1)
    first_layer = jit_once(partial(ops.conv2d, stride=2, padding=1))
    maps = np.asarray(first_layer(jnp.asarray(draw_photo()), jnp.asarray(kernels)))[0]
    enlarged = np.moveaxis(kernels / np.abs(kernels).max((0, 1, 2)), -1, 0).repeat(8, axis=1).repeat(8, axis=2)
    return {
        "l1": [values[:5].mean(), values[-20:].mean()],
        "steps": steps,
        "fractions": [
            {name: np.square(part).sum() / np.square(k).sum() for name, part in split_kernels(k).items()}
            for k in (before, after)
        ],
        "shown": shown,
        "kernels": to_pictures(enlarged),
        "maps": to_grey(np.moveaxis(maps / np.abs(maps).max((0, 1)), -1, 0)),
    }


def split_kernels(kernels: np.ndarray) -> dict[str, np.ndarray]:
    """Splits kernels (kh, kw, in, out) into parts that add up to them: uniform colour, stripes of both kinds, the rest."""
    mean = kernels.mean((0, 1), keepdims=True)
    rows, columns = kernels.mean(1, keepdims=True) - mean, kernels.mean(0, keepdims=True) - mean
    parts = {"colour": mean, "rows": rows, "columns": columns, "rest": kernels - mean - rows - columns}
    return {name: np.broadcast_to(part, kernels.shape) for name, part in parts.items()}

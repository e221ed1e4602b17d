"""Predictors without a network, which a translator has to beat."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from p2p_jax.config import Config, Side, count_channels
from p2p_jax.data.arriving import expect
from p2p_jax.data.fit import Fit, fit_of_evaluation
from p2p_jax.data.pairs import Pairs
from p2p_jax.data.resizing import resize
from p2p_jax.data.sides import show
from p2p_jax.data.values import to_255
from p2p_jax.devices import processes
from p2p_jax.evaluation.scoring import Predictor

INPUT, MEAN, NEAREST = "input itself", "mean training target", "nearest input's target"
"""The names of the baselines."""

PAIRS_READ = 1000
"""Training pairs from which the mean and the nearest input are taken: the first ones of the split."""

THUMBNAIL = (16, 16)  # pixels to which inputs are reduced for the search of the nearest


class Training(NamedTuple):
    """What the baselines know of the training pairs.

    Attributes:
        mean: the rounded mean of the targets on the scale 0 to 255, float32 (height, width, c').
        thumbnails: the inputs as they are shown, reduced to 16 x 16 pixels: float32 (pairs, numbers).
    """

    mean: np.ndarray
    thumbnails: np.ndarray


def read_training(pairs: Pairs, fit: Fit, source: Side, target: Side, *, count: int = PAIRS_READ) -> Training:
    """Reads the first `count` training pairs; with several processes each of them reads some of these."""
    number = min(count, pairs.count())
    total: Any = 0.0
    thumbnails: Any = None
    indices = processes.own_indices(number)
    expect(pairs, indices)
    for index in indices or (0,):  # a process without a pair reads one for its shape, and adds 0
        pair = pairs.read(index, fit)
        picture = np.asarray(to_255(target, jnp.asarray(pair["target"])))
        picture = picture if fit.fixed else resize(picture, fit.size, "bilinear")
        total = total + (index in indices) * picture.astype(np.float64)
        reduced = _thumbnail(source, pair["input"])
        thumbnails = np.zeros((number, reduced.size)) if thumbnails is None else thumbnails
        thumbnails[index] = (index in indices) * reduced
    mean = np.round(processes.sum_over_processes(total) / number).astype(np.float32)
    return Training(mean, processes.sum_over_processes(thumbnails).astype(np.float32))


def baselines(train: Pairs, config: Config, *, other: bool = False) -> dict[str, Predictor]:
    """Three predictors that a translator has to beat.

    They are the input itself; the mean target of training, which is the best constant picture; and the target of the
    training input that is nearest to the given one, which is as good as a network that only remembers. Inputs are compared
    as they are shown, reduced to 16 x 16 pixels, by the mean squared difference.

    Args:
        train: the training pairs.
        config: of the experiment.
        other: the pictures to predict are the training pairs themselves, so that the nearest input must be another one.
    """
    fit, source, target = fit_of_evaluation(config), config.data.input, config.data.target
    training = read_training(train, fit, source, target)
    channels = training.mean.shape[-1]

    def input_itself(pictures: np.ndarray) -> Any:
        if count_channels(source) == channels:
            return to_255(source, jnp.asarray(pictures))
        seen = np.stack([show(source, picture)[0] for picture in pictures])
        grey = np.round(seen.mean(-1, keepdims=True)).astype(np.uint8)
        return np.repeat(grey, channels, axis=-1)

    def mean_of_training(pictures: np.ndarray) -> np.ndarray:
        fitting = resize(training.mean, pictures.shape[1:3], "bilinear")
        return np.broadcast_to(fitting, (len(pictures), *fitting.shape))

    def of_nearest_input(pictures: np.ndarray) -> np.ndarray:
        wanted = np.stack([_thumbnail(source, picture) for picture in pictures])
        chosen = nearest(wanted, training.thumbnails, other=other)
        found = [np.asarray(to_255(target, jnp.asarray(train.read(int(index), fit)["target"]))) for index in chosen]
        return np.stack([resize(picture, pictures.shape[1:3], "nearest") for picture in found])

    return {INPUT: input_itself, MEAN: mean_of_training, NEAREST: of_nearest_input}


def nearest(wanted: np.ndarray, among: np.ndarray, *, other: bool = False) -> np.ndarray:
    """The indices (n,) of the rows of `among` (m, d) that are nearest to each row of `wanted` (n, d).

    Args:
        wanted: rows to which the nearest ones are sought.
        among: rows to choose from.
        other: equal rows do not count, unless all are equal.
    """
    distances = np.square(wanted[:, None] - among).sum(-1)
    if other:
        distances = np.where((distances == 0) & (distances > 0).any(1, keepdims=True), np.inf, distances)
    return distances.argmin(1)


def _thumbnail(source: Side, stored: np.ndarray) -> np.ndarray:
    pictures = [resize(picture.astype(np.float32), THUMBNAIL, "area") for picture in show(source, stored)]
    return np.concatenate([picture.ravel() for picture in pictures])

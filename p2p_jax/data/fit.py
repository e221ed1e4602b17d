"""Bringing a picture to the size that the networks see: it is resized, then cropped or padded."""

from typing import NamedTuple

import numpy as np

from p2p_jax.config import Config, as_size, load_size
from p2p_jax.errors import UserError

MIN_SIDE = 16  # pixels


class Fit(NamedTuple):
    """How the pictures of a pair are brought to size on the host.

    Attributes:
        preprocess: as `config.Data.preprocess`.
        size: (height, width) that the networks see, if it is the same for all pictures.
        load: (height, width) to resize to; for scale_width and scale_width_and_crop only the width counts.
        uncropped: whether to omit the crop in the modes crop and scale_width_and_crop.
    """

    preprocess: str
    size: tuple[int, int]
    load: tuple[int, int]
    uncropped: bool = False

    @property
    def fixed(self) -> bool:
        """Whether all pictures come out with the same size."""
        return self.preprocess in ("resize_and_crop", "pad") or (self.crops and not self.uncropped)

    @property
    def crops(self) -> bool:
        """Whether the host crops; resize_and_crop leaves that to the jitted step."""
        return self.preprocess in ("crop", "scale_width_and_crop")


class Plan(NamedTuple):
    """Sizes as (height, width) in pixels: resize to `resized`, then crop or pad to `canvas`."""

    resized: tuple[int, int]
    canvas: tuple[int, int]


def fit_of_training(config: Config) -> Fit:
    """How training reads pictures: at the load size, before the random crop."""
    size, load = as_size(config.image_size), load_size(config)
    if config.data.preprocess == "scale_width" and config.data.load_size is None:
        load = size  # no crop follows
    return Fit(config.data.preprocess, size, load)


def fit_of_evaluation(config: Config) -> Fit:
    """How evaluation reads pictures: resized directly to the size that the networks see; crops are from the middle."""
    fit = fit_of_training(config)
    return fit._replace(load=fit.size) if fit.preprocess == "resize_and_crop" else fit


def fit_of_translation(config: Config) -> Fit:
    """How translation reads pictures: as evaluation does, but without cropping."""
    return fit_of_evaluation(config)._replace(uncropped=True)


def plan(fit: Fit, own: tuple[int, int], name: str) -> Plan:
    """The sizes to which a picture is resized, then cropped or padded.

    Args:
        fit: of the run.
        own: (height, width) of the picture.
        name: of the picture, for messages.

    Raises:
        UserError: the picture is smaller than the crop, or would reach the networks with under `MIN_SIDE` pixels a side.
    """
    height, width = own
    if fit.preprocess == "resize_and_crop":
        return Plan(fit.load, fit.load)
    if fit.preprocess == "none":
        _refuse_tiny(fit, own, name)
        return Plan(own, own)
    if fit.preprocess == "pad":
        scale = min(fit.size[0] / height, fit.size[1] / width, 1)
        return Plan((max(round(height * scale), 1), max(round(width * scale), 1)), fit.size)
    if fit.preprocess == "crop":
        resized = own
    else:
        scaled = max(round(height * fit.load[1] / width), 1)
        if fit.preprocess == "scale_width":
            _refuse_tiny(fit, (scaled, fit.load[1]), name)
            return Plan((scaled, fit.load[1]), (scaled, fit.load[1]))
        # Source: the PyTorch original stretches pictures that are lower than the crop to its height.
        resized = (max(scaled, fit.size[0]), fit.load[1])
    if fit.uncropped:
        return Plan(resized, resized)
    if resized[0] < fit.size[0] or resized[1] < fit.size[1]:
        raise UserError(
            f"{name} has {resized[1]} x {resized[0]} pixels, less than the crop of {fit.size[1]} x {fit.size[0]}: give a "
            "smaller --image-size, or --data.preprocess pad or resize_and_crop."
        )
    return Plan(resized, fit.size)


def _refuse_tiny(fit: Fit, size: tuple[int, int], name: str) -> None:
    if min(size) < MIN_SIDE and not fit.uncropped:
        raise UserError(
            f"{name} reaches the networks with {size[1]} x {size[0]} pixels, but training needs at least {MIN_SIDE} a "
            "side: remove it, or give another --data.preprocess."
        )


def to_canvas(pixels: np.ndarray, canvas: tuple[int, int], position: tuple[float, float]) -> np.ndarray:
    """Crops (h, w, c) to (height, width, c), or pads it below and at the right by mirroring.

    Args:
        pixels: the picture.
        canvas: (height, width) in pixels.
        position: of the crop, down and across, each in [0, 1): 0 is the top or left edge.
    """
    free = [have - want for have, want in zip(pixels.shape[:2], canvas, strict=True)]
    if free == [0, 0]:
        return pixels
    top, left = (int(part * (max(room, 0) + 1)) for part, room in zip(position, free, strict=True))
    pixels = pixels[top : top + canvas[0], left : left + canvas[1]]
    padding = [(0, want - have) for have, want in zip(pixels.shape[:2], canvas, strict=True)]
    return np.pad(pixels, (*padding, (0, 0)), mode="symmetric")

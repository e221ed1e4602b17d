"""How a picture is brought to the size that the networks see: resized, then cropped or filled up."""

from typing import NamedTuple

import numpy as np

from p2p_jax.config import Config, as_size, load_size
from p2p_jax.errors import UserError

SMALLEST = 16  # pixels a side


class Fit(NamedTuple):
    """What happens to the pictures of a pair on the host.

    Attributes:
        preprocess: as `config.Data.preprocess`.
        size: (height, width) that the networks see, where it is the same for all.
        load: (height, width) to resize to; for scale_width and scale_width_and_crop only the width counts.
        whole: leave out the crop of crop and scale_width_and_crop.
    """

    preprocess: str
    size: tuple[int, int]
    load: tuple[int, int]
    whole: bool = False

    @property
    def fixed(self) -> bool:
        """Whether all pictures come out with the same size."""
        return self.preprocess in ("resize_and_crop", "pad") or (self.crops and not self.whole)

    @property
    def crops(self) -> bool:
        """Whether a window is cut out here; resize_and_crop leaves that to the jitted step."""
        return self.preprocess in ("crop", "scale_width_and_crop")


class Plan(NamedTuple):
    """Sizes as (height, width) in pixels: resize to `resized`, then cut or fill up to `canvas`."""

    resized: tuple[int, int]
    canvas: tuple[int, int]


def fit_of_training(config: Config) -> Fit:
    """How training reads: at the load size, of which a random crop is taken later."""
    size, load = as_size(config.image_size), load_size(config)
    if config.data.preprocess == "scale_width" and config.data.load_size is None:
        load = size  # no crop follows
    return Fit(config.data.preprocess, size, load)


def fit_of_evaluation(config: Config) -> Fit:
    """How pictures are read outside training: resized straight to what the networks see, crops from the middle."""
    fit = fit_of_training(config)
    return fit._replace(load=fit.size) if fit.preprocess == "resize_and_crop" else fit


def fit_of_translation(config: Config) -> Fit:
    """How whole pictures are translated: as evaluation reads them, but what it would crop is kept."""
    return fit_of_evaluation(config)._replace(whole=True)


def plan(fit: Fit, own: tuple[int, int], name: str) -> Plan:
    """What to do with a picture of a size.

    Args:
        fit: of the run.
        own: (height, width) of the picture.
        name: what to call the picture in messages.

    Raises:
        UserError: it is smaller than the crop.
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
        # Source: the PyTorch original makes flat pictures as high as the crop.
        resized = (max(scaled, fit.size[0]), fit.load[1])
    if fit.whole:
        return Plan(resized, resized)
    if resized[0] < fit.size[0] or resized[1] < fit.size[1]:
        raise UserError(
            f"{name} has {resized[1]} x {resized[0]} pixels, less than the crop of {fit.size[1]} x {fit.size[0]}: give a "
            "smaller --image-size, or --data.preprocess pad or resize_and_crop."
        )
    return Plan(resized, fit.size)


def _refuse_tiny(fit: Fit, size: tuple[int, int], name: str) -> None:
    if min(size) < SMALLEST and not fit.whole:
        raise UserError(
            f"{name} reaches the networks with {size[1]} x {size[0]} pixels, but training needs {SMALLEST} a side: "
            "leave it out, or give another --data.preprocess."
        )


def to_canvas(pixels: np.ndarray, canvas: tuple[int, int], share: tuple[float, float]) -> np.ndarray:
    """Cuts a window out of (h, w, c), or fills it up below and at the right by mirroring, to (height, width, c).

    Args:
        pixels: the picture.
        canvas: (height, width).
        share: where the window lies in the room that there is for it, down and across, each in [0, 1).
    """
    room = [have - want for have, want in zip(pixels.shape[:2], canvas, strict=True)]
    if room == [0, 0]:
        return pixels
    top, left = (int(part * (max(free, 0) + 1)) for part, free in zip(share, room, strict=True))
    pixels = pixels[top : top + canvas[0], left : left + canvas[1]]
    fill = [(0, want - have) for have, want in zip(pixels.shape[:2], canvas, strict=True)]
    return np.pad(pixels, (*fill, (0, 0)), mode="symmetric")

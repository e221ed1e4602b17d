"""Convolutions of many sizes, and a way to compute them by a chosen formulation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from p2p_jax import ops
from p2p_jax.ops import convolution

# height, width, kernel height, kernel width, channels in, channels out, stride, padding
CONVOLUTIONS = [
    (8, 8, 4, 4, 3, 2, 2, 1),  # the U-Net's
    (9, 7, 4, 4, 2, 3, 2, 1),  # odd sizes: the last row is under no position of the kernel
    (6, 5, 4, 4, 2, 1, 1, 1),  # the discriminator's last two
    (7, 8, 3, 3, 2, 3, 2, 1),  # the ResNet's
    (8, 9, 7, 7, 1, 2, 1, 0),  # the ResNet's stem
    (4, 3, 1, 1, 3, 4, 1, 0),
    (9, 8, 2, 3, 2, 2, 3, 0),  # a stride above the kernel's size: no position covers some of the pixels
    (4, 4, 3, 2, 1, 2, 1, 3),  # some positions cover padding only
]
# height, width, kernel height, kernel width, channels in, channels out, stride, padding, output padding
TRANSPOSED = [
    (4, 3, 4, 4, 3, 2, 2, 1, 0),  # the U-Net's
    (1, 1, 4, 4, 2, 3, 2, 1, 0),  # the U-Net's innermost
    (3, 4, 3, 3, 2, 3, 2, 1, 1),  # the ResNet's
    (5, 4, 3, 3, 2, 2, 1, 1, 0),
    (3, 2, 5, 4, 1, 2, 3, 2, 2),
    (3, 3, 2, 2, 2, 1, 3, 0, 1),  # a stride above the kernel's size: rows of zeros in between
    (4, 4, 3, 3, 1, 2, 2, 3, 1),  # padding above kernel - 1: whole input pixels are cropped
    (2, 3, 1, 1, 2, 2, 1, 0, 0),
]
# Those that Winograd's formulation can compute, as above; nine numbers are a transposed convolution.
SQUARE = [
    (9, 8, 4, 4, 3, 2, 2, 1),
    (7, 10, 4, 4, 2, 5, 1, 1),
    (8, 7, 3, 3, 3, 4, 1, 1),
    (7, 7, 2, 2, 3, 2, 1, 0),
    (9, 12, 8, 8, 2, 3, 4, 2),
    (11, 8, 4, 4, 2, 3, 2, 0),
    (5, 4, 4, 4, 3, 2, 2, 1, 0),
    (3, 5, 4, 4, 2, 1, 2, 0, 1),
    (4, 3, 3, 3, 2, 3, 1, 1, 0),
    (2, 3, 6, 6, 2, 2, 2, 2, 1),
    (9, 6, 4, 4, 2, 3, 1, 0),
    (6, 7, 4, 4, 3, 2, 1, 2, 0),
]
FORMULATIONS = {
    "im2col": convolution.IM2COL,
    "output im2col": convolution.OUTPUT_IM2COL,
    "winograd 2": convolution.by_winograd(2),
    "winograd 3": convolution.by_winograd(3),
    "polyphase": convolution.POLYPHASE,
}


def computed_by(formulation: convolution.Formulation, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `fn` with all its convolutions computed by one formulation; derivatives must be taken within `fn`."""

    def run(*arrays: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(convolution, "choose", lambda *_: formulation)
            return fn(*arrays)

    return run


def convolution_of(setting: tuple[int, ...]) -> tuple[Callable[..., Any], tuple, list[convolution.Formulation]]:
    """Returns the op as a function of x and kernel, their shapes, and all formulations that can compute it.

    The native formulation comes first.
    """
    h, w, kh, kw, channels, features, stride, padding, *extra = setting
    options = {"stride": stride, "padding": padding}
    if extra:
        convolve = partial(ops.conv2d_transpose, output_padding=extra[0], **options)
        shapes = (2, h, w, channels), (channels, kh, kw, features)
    else:
        convolve, shapes = partial(ops.conv2d, **options), ((2, h, w, channels), (kh, kw, channels, features))
    square = kh == kw and kh % stride == 0 and 2 <= kh // stride <= 4
    applies = {
        "im2col": True,
        "output im2col": kh == kw and stride == 1 and padding < kh,
        "winograd 2": square,
        "winograd 3": square,
        "polyphase": kh == kw == 4 and stride == 1,
    }
    return convolve, shapes, [convolution.NATIVE, *(FORMULATIONS[name] for name in FORMULATIONS if applies[name])]

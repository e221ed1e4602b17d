"""The networks of the PyTorch original: the names of their layers, by which a network is recognised.

Source: junyanz/pytorch-CycleGAN-and-pix2pix, the order of modules in its networks.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from p2p_jax.config import Discriminator, Generator
from p2p_jax.discriminators import patchgan_widths
from p2p_jax.errors import UserError
from p2p_jax.generators import unet_dropout_rates
from p2p_jax.pytorch.torch_objects import show

Arrays = Mapping[str, np.ndarray]
"""The arrays of a state_dict by their names."""

MAX_LEVELS = 12
"""Limit on the levels of a network. A U-Net of 12 levels halves pictures of 4096 x 4096 pixels to 1 x 1."""


class Layer(NamedTuple):
    """A layer with weights.

    Attributes:
        name: in the params of this package.
        key: in the state_dict, before ".weight".
        kind: of the layer.
    """

    name: str
    key: str
    kind: Literal["conv", "conv_transpose", "norm"]


def layers_of(options: Generator | Discriminator, params: Any) -> list[Layer]:
    """Returns the layers of a network, in the order of the PyTorch original. `params` determine their number."""
    make = {"unet": _unet, "resnet": _resnet, "patchgan": _patchgan, "pixelgan": _pixelgan}[options.architecture]
    return [layer for layer in make(options, params) if layer.kind != "norm" or options.norm == "batch"]


def _depth(params: Any, stem: str) -> int:
    return sum(name.startswith(stem) and name.removeprefix(stem).isdigit() for name in params)


def _unet(_options: Any, params: Any) -> Iterator[Layer]:
    depth = _depth(params, "down")

    def level(i: int, prefix: str) -> Iterator[Layer]:
        if i == 0:
            yield Layer("down0", f"{prefix}.model.0", "conv")
            yield from level(1, f"{prefix}.model.1")
            yield Layer("up0", f"{prefix}.model.3", "conv_transpose")
            return
        innermost = i == depth - 1
        yield Layer(f"down{i}", f"{prefix}.model.1", "conv")
        if not innermost:
            yield Layer(f"down{i}_norm", f"{prefix}.model.2", "norm")
            yield from level(i + 1, f"{prefix}.model.3")
        up, norm = (3, 4) if innermost else (5, 6)
        yield Layer(f"up{i}", f"{prefix}.model.{up}", "conv_transpose")
        yield Layer(f"up{i}_norm", f"{prefix}.model.{norm}", "norm")

    return level(0, "model")


def _resnet(options: Any, _params: Any) -> Iterator[Layer]:
    def pair(name: str, index: int, kind: Literal["conv", "conv_transpose"], prefix: str = "model") -> Iterator[Layer]:
        yield Layer(name, f"{prefix}.{index}", kind)
        yield Layer(f"{name}_norm", f"{prefix}.{index + 1}", "norm")

    second = 6 if options.dropout else 5
    yield from pair("stem", 1, "conv")
    yield from pair("down0", 4, "conv")
    yield from pair("down1", 7, "conv")
    for i in range(options.num_blocks):
        yield from pair(f"block{i}_conv0", 1, "conv", f"model.{10 + i}.conv_block")
        yield from pair(f"block{i}_conv1", second, "conv", f"model.{10 + i}.conv_block")
    end = 10 + options.num_blocks
    yield from pair("up1", end, "conv_transpose")
    yield from pair("up0", end + 3, "conv_transpose")
    yield Layer("head", f"model.{end + 7}", "conv")


def _patchgan(_options: Any, params: Any) -> Iterator[Layer]:
    last = _depth(params, "conv") - 1
    yield Layer("conv0", "model.0", "conv")
    for i in range(1, last):
        yield Layer(f"conv{i}", f"model.{3 * i - 1}", "conv")
        yield Layer(f"conv{i}_norm", f"model.{3 * i}", "norm")
    yield Layer(f"conv{last}", f"model.{3 * last - 1}", "conv")


def _pixelgan(_options: Any, _params: Any) -> Iterator[Layer]:
    yield Layer("conv0", "net.0", "conv")
    yield Layer("conv1", "net.2", "conv")
    yield Layer("conv1_norm", "net.3", "norm")
    yield Layer("conv2", "net.5", "conv")


# --------------------------------------------------------------------------------------------------------------------
# Recognising a network


def without_prefixes(arrays: Arrays) -> dict[str, np.ndarray]:
    """Returns the same arrays without the prefixes that torch.compile and DataParallel add to every name."""
    found = dict(arrays)
    for prefix in ("_orig_mod.", "module.", "_orig_mod."):  # in either order
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): array for name, array in found.items()}
    return found


def recognise(arrays: Arrays, dropout: float) -> tuple[Generator | Discriminator, int, int]:
    """Recognises the network of a state_dict.

    Args:
        arrays: without prefixes.
        dropout: rate of a generator that may have dropout.

    Returns:
        (its options, channels of its input, channels of its output).

    Raises:
        UserError: the names belong to no network of the PyTorch original.
    """
    if "model.model.0.weight" in arrays:
        return _recognise_unet(arrays, dropout)
    if "net.0.weight" in arrays:
        width, channels = _kernel(arrays, "net.0")[:2]
        return Discriminator("pixelgan", width=width, norm=_norm(arrays, "net.2")), channels, 1
    if "model.0.weight" in arrays:
        return _recognise_patchgan(arrays)
    if "model.1.weight" in arrays:
        return _recognise_resnet(arrays, dropout)
    if not arrays:
        raise UserError("the state_dict holds no tensors: give the state_dict of a network.")
    shown = ", ".join(map(show, list(arrays)[:3]))
    raise UserError(
        f"the names ({shown}{', ...' if len(arrays) > 3 else ''}) belong to no network of the PyTorch original: give the "
        "state_dict of a unet, a resnet, a PatchGAN or a PixelGAN."
    )


def _recognise_patchgan(arrays: Arrays) -> tuple[Discriminator, int, int]:
    width, channels = _kernel(arrays, "model.0")[:2]
    widths, index = [width], 2
    while f"model.{index + 3}.weight" in arrays:  # `widths` does not include the last convolution
        widths.append(_kernel(arrays, f"model.{index}")[0])
        index += 3
    _check_depth(len(widths))
    regular = patchgan_widths(len(widths) - 1, width)
    norm = _norm(arrays, "model.2")
    options = Discriminator("patchgan", len(regular) - 1, width, None if regular == tuple(widths) else tuple(widths), norm)
    return options, channels, _kernel(arrays, f"model.{index}")[0]


def _recognise_unet(arrays: Arrays, dropout: float) -> tuple[Generator, int, int]:
    width, in_channels = _kernel(arrays, "model.model.0")[:2]
    widths, prefix = [width], "model.model.1"
    while f"{prefix}.model.1.weight" in arrays:
        widths.append(_kernel(arrays, f"{prefix}.model.1")[0])
        prefix += ".model.3"
    _check_depth(len(widths))
    # If no level has dropout in the PyTorch original, a rate of 0 is equivalent and simpler.
    rate = dropout if any(unet_dropout_rates(widths)) else 0.0
    norm = _norm(arrays, "model.model.1.model.1")
    options = Generator("unet", width=widths[0], widths=tuple(widths), norm=norm, dropout=rate)
    return options, in_channels, _kernel(arrays, "model.model.3")[1]


def _recognise_resnet(arrays: Arrays, dropout: float) -> tuple[Generator, int, int]:
    blocks = {name.split(".")[1] for name in arrays if ".conv_block." in name}
    has_dropout = any(name.endswith(".conv_block.6.weight") and array.ndim == 4 for name, array in arrays.items())
    width, in_channels = _kernel(arrays, "model.1")[:2]
    options = Generator(
        "resnet",
        width=width,
        num_blocks=len(blocks),
        norm=_norm(arrays, "model.1"),
        dropout=dropout if has_dropout else 0.0,
    )
    return options, in_channels, _kernel(arrays, f"model.{17 + len(blocks)}")[0]


def _norm(arrays: Arrays, inner: str) -> Literal["batch", "instance", "none"]:
    """Recognises the norm: batch norm has weights of one axis, and convolutions before instance norm have a bias."""
    if any(name.endswith(".weight") and array.ndim == 1 for name, array in arrays.items()):
        return "batch"
    return "instance" if f"{inner}.bias" in arrays else "none"


def _kernel(arrays: Arrays, key: str) -> tuple[int, ...]:
    shape = arrays[f"{key}.weight"].shape if f"{key}.weight" in arrays else ()
    if len(shape) != 4 or 0 in shape:
        raise UserError(f"{key}.weight is not the kernel of a convolution: the file is incomplete, or of another network.")
    return shape


def _check_depth(levels: int) -> None:
    if levels > MAX_LEVELS:
        raise UserError(f"the network halves pictures {levels} times: at most {MAX_LEVELS} times are supported.")

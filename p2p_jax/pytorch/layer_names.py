"""The networks of the PyTorch original: the names of their layers, by which a network is recognised.

Source: junyanz/pytorch-CycleGAN-and-pix2pix, the order of modules in its networks.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from p2p_jax.config import Bias, Discriminator, Generator, Norm
from p2p_jax.discriminators import patchgan_widths
from p2p_jax.errors import UserError
from p2p_jax.generators import unet_dropout_rates
from p2p_jax.pytorch.forks import refuse_changed_resnet, refuse_forks
from p2p_jax.weight_files.torch_objects import Arrays, show

ANTIALIAS: dict[tuple[bool, bool], Literal["none", "down", "up", "both"]] = {
    (False, False): "none",
    (True, False): "down",
    (False, True): "up",
    (True, True): "both",
}
"""The option of a ResNet by whether it halves and whether it doubles with filters."""

MAX_LEVELS = 12
"""Limit on the levels of a network. A U-Net of 12 levels halves pictures of 4096 x 4096 pixels to 1 x 1."""


class Layer(NamedTuple):
    """A layer with weights, or with the fixed filter with which CUT halves and doubles.

    Attributes:
        name: in the params of this package; of a filter, that of the convolution before a halving or after a doubling.
        key: in the state_dict, before ".weight" or ".filt".
        kind: of the layer.
    """

    name: str
    key: str
    kind: Literal["conv", "conv_transpose", "norm", "halving", "doubling"]


def layers_of(options: Generator | Discriminator, params: Any) -> list[Layer]:
    """Returns the layers of a network, in the order of the PyTorch original. `params` determine their number."""
    make = {"unet": _unet, "resnet": _resnet, "patchgan": _patchgan, "pixelgan": _pixelgan}[options.architecture]
    has_scales = options.norm in ("batch", "affine_instance")
    return [layer for layer in make(options, params) if layer.kind != "norm" or has_scales]


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

    second, place = 6 if options.dropout else 5, 4
    yield from pair("stem", 1, "conv")
    for name in ("down0", "down1"):
        yield from pair(name, place, "conv")
        place += 3
        if options.antialias in ("down", "both"):
            yield Layer(name, f"model.{place}", "halving")
            place += 1
    for i in range(options.num_blocks):
        yield from pair(f"block{i}_conv0", 1, "conv", f"model.{place + i}.conv_block")
        yield from pair(f"block{i}_conv1", second, "conv", f"model.{place + i}.conv_block")
    place += options.num_blocks
    for name in ("up1", "up0"):
        smooth = options.antialias in ("up", "both")
        if smooth:
            yield Layer(name, f"model.{place}", "doubling")
            place += 1
        yield from pair(name, place, "conv" if smooth else "conv_transpose")
        place += 3
    yield Layer("head", f"model.{place + 1}", "conv")


def _patchgan(options: Any, params: Any) -> Iterator[Layer]:
    last, place = _depth(params, "conv") - 1, 0
    for i in range(last):
        yield Layer(f"conv{i}", f"model.{place}", "conv")
        if i > 0:
            yield Layer(f"conv{i}_norm", f"model.{place + 1}", "norm")
        place += 3 if i > 0 else 2
        if options.antialias and i < last - 1:
            yield Layer(f"conv{i}", f"model.{place}", "halving")
            place += 1
    yield Layer(f"conv{last}", f"model.{place}", "conv")


def _pixelgan(_options: Any, _params: Any) -> Iterator[Layer]:
    yield Layer("conv0", "net.0", "conv")
    yield Layer("conv1", "net.2", "conv")
    yield Layer("conv1_norm", "net.3", "norm")
    yield Layer("conv2", "net.5", "conv")


# --------------------------------------------------------------------------------------------------------------------
# Recognising a network


def with_regular_places(arrays: Arrays) -> Arrays:
    """Returns the arrays of a PatchGAN that was built without norm layers with the names that it has beside norm layers.

    The arrays of any other network are returned as they are.
    """
    names = [name for name in arrays if re.fullmatch(r"model\.\d{1,3}\.weight", name)]
    places = sorted(int(name.split(".")[1]) for name in names)
    if places != list(range(0, 2 * len(places), 2)) or len(places) < 3 or any(arrays[name].ndim != 4 for name in names):
        return arrays
    return {
        re.sub(r"^model\.(\d+)\.", lambda found: f"model.{max(3 * int(found[1]) // 2 - 1, 0)}.", name): array
        for name, array in arrays.items()
    }


def recognise(arrays: Arrays, dropout: float, *, without_norm: bool = False) -> tuple[Generator | Discriminator, int, int]:
    """Recognises the network of a state_dict.

    Args:
        arrays: without prefixes.
        dropout: rate of a generator that may have dropout.
        without_norm: whether it is a PatchGAN that was built without norm layers.

    Returns:
        (its options, channels of its input, channels of its output).

    Raises:
        UserError: the names belong to no network of the PyTorch original.
    """
    refuse_forks(arrays)
    if "model.model.0.weight" in arrays:
        return _recognise_unet(arrays, dropout)
    if "net.0.weight" in arrays:
        width, channels = _kernel(arrays, "net.0")[:2]
        norm, bias = _norm_and_bias(arrays, "net.2")
        return Discriminator("pixelgan", width=width, norm=norm, bias=bias), channels, 1
    if "model.0.weight" in arrays:
        return _recognise_patchgan(arrays, without_norm)
    if "model.1.weight" in arrays:
        return _recognise_resnet(arrays, dropout)
    if not arrays:
        raise UserError("the state_dict holds no tensors: give the state_dict of a network.")
    shown = ", ".join(map(show, list(arrays)[:3]))
    raise UserError(
        f"the names ({shown}{', ...' if len(arrays) > 3 else ''}) belong to no network of the PyTorch original: give the "
        "state_dict of a unet, a resnet, a PatchGAN or a PixelGAN."
    )


def _recognise_patchgan(arrays: Arrays, without_norm: bool) -> tuple[Discriminator, int, int]:
    width, channels = _kernel(arrays, "model.0")[:2]
    antialias = "model.2.filt" in arrays
    inner, step = ("model.3", 4) if antialias else ("model.2", 3)
    widths, index = [width], step - 1
    while f"model.{index + step}.weight" in arrays:
        widths.append(_kernel(arrays, f"model.{index}")[0])
        index += step
    if antialias:  # the last convolution but one does not halve
        widths.append(_kernel(arrays, f"model.{index}")[0])
        index += 3
    _check_depth(len(widths))
    regular = patchgan_widths(len(widths) - 1, width)
    norm, bias = _norm_and_bias(arrays, inner)
    if without_norm:
        norm, bias = "none", "reference" if norm == "none" else "all"
    options = Discriminator(
        num_layers=len(widths) - 1,
        width=width,
        widths=None if regular == tuple(widths) else tuple(widths),
        norm=norm,
        bias=bias,
        antialias=antialias,
    )
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
    norm, bias = _norm_and_bias(arrays, "model.model.1.model.1")
    options = Generator("unet", width=widths[0], widths=tuple(widths), norm=norm, bias=bias, dropout=rate)
    return options, in_channels, _kernel(arrays, "model.model.3")[1]


def _recognise_resnet(arrays: Arrays, dropout: float) -> tuple[Generator, int, int]:
    refuse_changed_resnet(arrays)
    blocks = {name.split(".")[1] for name in arrays if ".conv_block." in name}
    has_dropout = any(name.endswith(".conv_block.6.weight") and array.ndim == 4 for name, array in arrays.items())
    width, in_channels = _kernel(arrays, "model.1")[:2]
    down = "model.7.filt" in arrays
    end = (12 if down else 10) + len(blocks)
    up = f"model.{end}.filt" in arrays
    norm, bias = _norm_and_bias(arrays, "model.1")
    options = Generator(
        "resnet",
        width=width,
        num_blocks=len(blocks),
        norm=norm,
        bias=bias,
        dropout=dropout if has_dropout else 0.0,
        antialias=ANTIALIAS[down, up],
    )
    return options, in_channels, _kernel(arrays, f"model.{end + (9 if up else 7)}")[0]


def _norm_and_bias(arrays: Arrays, inner: str) -> tuple[Norm, Bias]:
    """Recognises the norm, and which convolutions have a bias.

    Batch norm and affine instance norm have weights of one axis. Of the two, batch norm has running statistics, and affine
    instance norm has convolutions with a bias before it. An affine instance norm that keeps running statistics has both: it
    is read as batch norm, which computes the same from the statistics of one picture, and from the running ones.
    """
    scales = any(name.endswith(".weight") and array.ndim == 1 for name, array in arrays.items())
    running = any(name.endswith(".running_var") for name in arrays)
    if f"{inner}.bias" not in arrays:
        return "batch" if scales else "none", "reference"
    if scales and running:
        return "batch", "all"
    return "affine_instance" if scales else "instance", "reference"


def _kernel(arrays: Arrays, key: str) -> tuple[int, ...]:
    shape = arrays[f"{key}.weight"].shape if f"{key}.weight" in arrays else ()
    if len(shape) != 4 or 0 in shape:
        raise UserError(f"{key}.weight is not the kernel of a convolution: the file is incomplete, or of another network.")
    return shape


def _check_depth(levels: int) -> None:
    if levels > MAX_LEVELS:
        raise UserError(f"the network halves pictures {levels} times: at most {MAX_LEVELS} times are supported.")

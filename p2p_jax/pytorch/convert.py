"""Converts networks of the PyTorch original to networks of this package and back.

A state_dict is a mapping of names to NumPy arrays, see the module `state_dict`. Weights and running statistics keep their
bits; only the axes of kernels change their order:

| | PyTorch | p2p_jax |
|---|---|---|
| convolution | (out, in, h, w) | (h, w, in, out) |
| transposed convolution | (in, out, h, w) | (in, h, w, out) |
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax import pix2pix
from p2p_jax.config import Config, Data, Discriminator, Generator, Side, Statistics
from p2p_jax.config.presets import PRESETS
from p2p_jax.config.tree import get_field
from p2p_jax.errors import UserError
from p2p_jax.network import Network
from p2p_jax.pytorch.layer_names import Layer, layers_of, recognise, with_regular_places
from p2p_jax.pytorch.prefixes import without_prefixes
from p2p_jax.pytorch.reparametrized import fold_spectral_norm, with_plain_names
from p2p_jax.weight_files.torch_objects import Arrays, show

COUNT = "num_batches_tracked"

STATISTICS = ("running_mean", "running_var", COUNT)

FILTERS = {"halving": np.array([1.0, 2.0, 1.0]) / 4, "doubling": np.array([1.0, 3.0, 3.0, 1.0]) / 4}
"""The weights along each axis with which CUT halves and doubles, those of `blur_downsample` and `upsample_bilinear`."""


class Converted(NamedTuple):
    """A converted network of the PyTorch original.

    Attributes:
        network: the same network as a pair of functions.
        params, state: its weights and running statistics, float32.
        options: recognised from names and shapes; the argument `statistics` of `from_torch` changes only `network`.
        in_channels, out_channels: of the network; a discriminator's input has the channels of both pictures.
        counts: batches that each batch norm has seen, by its name in the state_dict; outputs do not depend on them.
    """

    network: Network
    params: Any
    state: Any
    options: Generator | Discriminator
    in_channels: int
    out_channels: int
    counts: dict[str, int]


def from_torch(arrays: Arrays, *, dropout: float = 0.5, statistics: Statistics = "batch") -> Converted:
    """Recognises the network of a state_dict and converts it.

    Args:
        arrays: of a U-Net of any depth, a ResNet of any number of blocks, a PatchGAN of any depth or a PixelGAN, with
            batch, instance, affine instance or no norm; ResNets and PatchGANs also as anti-aliased by CUT. Prefixes that
            all names share are dropped, and so are the running statistics that old files hold for instance norm. Spectral
            norm, weight norm and pruning are folded into the weights. All numbers become float32.
        dropout: rate of a U-Net, whose names do not show whether it has dropout, or of a ResNet whose names show that it
            has dropout.
        statistics: which statistics batch norm uses; "running" uses the same as PyTorch after `net.eval()`.

    Raises:
        UserError: names or shapes belong to no such network.

    Example:
        >>> import p2p_jax
        >>> converted = p2p_jax.from_torch(p2p_jax.read_state_dict("latest_net_G.pth"))
        >>> converted.options.architecture, converted.in_channels, converted.out_channels
        ('resnet', 3, 3)
    """
    named = without_prefixes(with_plain_names(arrays))
    arrays = with_regular_places(named)
    options, in_channels, out_channels = recognise(arrays, dropout, without_norm=arrays is not named)
    if options.norm != "batch":
        arrays = {name: array for name, array in arrays.items() if not name.endswith(STATISTICS)}
    network = _build(replace(options, statistics=statistics), in_channels, out_channels)
    size = _small_size(options)
    picture = jax.ShapeDtypeStruct((1, size, size, in_channels), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), picture)
    layers = layers_of(options, shapes[0])
    arrays = fold_spectral_norm(arrays, [(layer.key, layer.kind == "conv_transpose") for layer in layers])
    _check_same(arrays, jax.eval_shape(partial(_rename, options, counts=0), *shapes), options)
    _check_filters(arrays, layers)
    norms = [layer for layer in layers if layer.kind == "norm"] if options.norm == "batch" else []
    params = {layer.name: _convert_layer(layer, arrays) for layer in layers if layer.kind not in FILTERS}
    running = {
        norm.name: {"mean": _float32(arrays, norm, "running_mean"), "var": _float32(arrays, norm, "running_var")}
        for norm in norms
    }
    counts = {norm.key: int(arrays.get(f"{norm.key}.{COUNT}", 0)) for norm in norms}
    state = {"batch_stats": running} if running else {}
    return Converted(network, params, state, options, in_channels, out_channels, counts)


def _convert_layer(layer: Layer, arrays: Arrays) -> dict[str, jax.Array]:
    """Returns the params of one layer."""
    if layer.kind == "norm":
        return {"scale": _float32(arrays, layer, "weight"), "bias": _float32(arrays, layer, "bias")}
    axes = (2, 3, 1, 0) if layer.kind == "conv" else (0, 2, 3, 1)
    params = {"kernel": _float32(arrays, layer, "weight").transpose(axes)}
    if f"{layer.key}.bias" in arrays:
        params["bias"] = _float32(arrays, layer, "bias")
    return params


def _float32(arrays: Arrays, layer: Layer, name: str) -> jax.Array:
    return jnp.asarray(arrays[f"{layer.key}.{name}"], jnp.float32)


def to_torch(
    options: Generator | Discriminator, params: Any, state: Any, *, counts: int | Mapping[str, int] = 0
) -> dict[str, np.ndarray]:
    """Converts a network to a state_dict of the PyTorch original, with its order of names.

    Args:
        options: of the network; the PyTorch original must have them, too.
        params, state: of the network.
        counts: batches that the batch norms have seen: one number for all, or {name in the state_dict: number}.

    Raises:
        UserError: the PyTorch original has no such network.

    Example:
        >>> import p2p_jax
        >>> converted = p2p_jax.from_torch(p2p_jax.read_state_dict("latest_net_G.pth"))
        >>> arrays = p2p_jax.to_torch(converted.options, converted.params, converted.state)
        >>> arrays["model.1.weight"].shape
        (2, 3, 7, 7)
    """
    _refuse_foreign(options)
    expected = {layer.name for layer in layers_of(options, params)}
    unknown, missing = set(params) - expected, expected - set(params)
    if unknown:
        raise UserError(f"the PyTorch original has no layer for {min(unknown)}: the network cannot be converted.")
    if missing:
        raise UserError(f"the network lacks {min(missing)}, which the PyTorch original has: it cannot be converted.")
    renamed = _rename(options, *jax.tree.map(np.asarray, (params, state)), counts=counts)
    return {name: np.require(array, requirements="C") for name, array in renamed.items()}


def _rename(options: Generator | Discriminator, params: Any, state: Any, counts: int | Mapping[str, int]) -> dict[str, Any]:
    """Returns arrays, or their shapes, with the names and axes of the PyTorch original."""
    result: dict[str, Any] = {}
    for layer in layers_of(options, params):
        own = params[layer.name]
        if layer.kind in FILTERS:
            channels = own["kernel"].shape[3 if layer.kind == "halving" else 2]
            result[f"{layer.key}.filt"] = np.tile(_filter(layer), (channels, 1, 1, 1))
        elif layer.kind == "norm" and options.norm != "batch":
            result |= {f"{layer.key}.weight": own["scale"], f"{layer.key}.bias": own["bias"]}
        elif layer.kind == "norm":
            statistics = state["batch_stats"][layer.name]
            seen = counts if isinstance(counts, int) else counts.get(layer.key, 0)
            values = (own["scale"], own["bias"], statistics["mean"], statistics["var"], np.asarray(seen, np.int64))
            result |= {
                f"{layer.key}.{name}": value for name, value in zip(("weight", "bias", *STATISTICS), values, strict=True)
            }
        else:
            result[f"{layer.key}.weight"] = own["kernel"].transpose((3, 2, 0, 1) if layer.kind == "conv" else (0, 3, 1, 2))
            if "bias" in own:
                result[f"{layer.key}.bias"] = own["bias"]
    return result


def _filter(layer: Layer) -> np.ndarray:
    return np.outer(FILTERS[layer.kind], FILTERS[layer.kind]).astype(np.float32)


def _build(options: Generator | Discriminator, in_channels: int, out_channels: int) -> Network:
    if isinstance(options, Discriminator):
        return pix2pix.build_discriminator(options, "float32")
    data = Data(input=Side(channels=(in_channels,)), target=Side(channels=(out_channels,)))
    return pix2pix.build_generator(Config(image_size=_small_size(options), generator=options, data=data))


def _small_size(options: Generator | Discriminator) -> int:
    """Returns height and width, in pixels, of small pictures that the network can process."""
    levels = options.num_layers + 2 if isinstance(options, Discriminator) else len(options.widths or ())
    return 2 ** max(levels, 4)


def _check_same(found: Arrays, expected: Mapping[str, Any], options: Generator | Discriminator) -> None:
    """Refuses a state_dict whose names and shapes are not exactly those of the recognised network."""
    what = f"a {options.architecture} with {options.norm} norm"
    for name in expected:
        if name not in found and not name.endswith(COUNT):  # the oldest files have no counts
            raise UserError(f"{name} is missing, which {what} has: the file is incomplete, or of another network.")
    for name, array in found.items():
        if name not in expected:
            raise UserError(f"{show(name)} is in the file, but {what} has no such name: the file is of a changed network.")
        if array.shape != expected[name].shape:
            raise UserError(
                f"{name} has the shape {array.shape}, but {what} has {expected[name].shape}: it is of a changed network."
            )
        if not (name.endswith(COUNT) or np.issubdtype(array.dtype, np.floating)):
            raise UserError(
                f"{name} holds {array.dtype}, but weights are floating-point numbers: save the network as float32."
            )


def _check_filters(arrays: Arrays, layers: list[Layer]) -> None:
    """Refuses filters other than those with which CUT halves and doubles."""
    for layer in layers:
        if layer.kind in FILTERS and not (arrays[f"{layer.key}.filt"] == _filter(layer)).all():
            raise UserError(
                f"{layer.key}.filt is not CUT's filter for {layer.kind} pictures: the file is of a changed network."
            )


def _refuse_foreign(options: Generator | Discriminator) -> None:
    """Refuses options that the PyTorch original does not have, even if they change no name and no shape."""
    role = "generator" if isinstance(options, Generator) else "discriminator"
    config = Config(generator=options) if isinstance(options, Generator) else Config(discriminator=options)
    only_training = ("norm_momentum", "norm_stddev")
    required = {name: value for name, value in PRESETS["pytorch"].items() if name.startswith(f"{role}.")}
    if isinstance(options, Generator):
        required["generator.upsample"] = "transpose"
        if options.architecture == "unet":
            required["generator.antialias"] = "none"
        if options.architecture == "encoder_decoder":
            raise UserError("the PyTorch original has no encoder_decoder: only a unet or a resnet can be converted.")
    elif options.architecture == "segmentation":
        raise UserError(
            "the PyTorch original has no segmentation discriminator: only a patchgan or a pixelgan can be converted."
        )
    for name, value in required.items():
        if get_field(config, name) != value and not name.endswith(only_training):
            raise UserError(
                f"the network has {name} {get_field(config, name)}, but the PyTorch original has {value}: it cannot be "
                "converted."
            )

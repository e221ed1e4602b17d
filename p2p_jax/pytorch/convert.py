"""Networks of the PyTorch original to ours and back.

A state_dict is here a mapping of names to numpy arrays, as `torch_files` reads and writes them. Everything that is learned,
and the running statistics, go over bit for bit; kernels change their order of axes only:

| | PyTorch | here |
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
from p2p_jax.pytorch.layer_names import Arrays, layers_of, recognise, without_prefixes
from p2p_jax.pytorch.torch_objects import show

COUNT = "num_batches_tracked"


STATISTICS = ("running_mean", "running_var", COUNT)


class Converted(NamedTuple):
    """A network of the original.

    Attributes:
        network: the same network here.
        params, state: its weights and running statistics, float32.
        options: what the names and shapes tell of it, whichever statistics `network` uses.
        in_channels, out_channels: of the network; a discriminator's input is both pictures stacked.
        counts: batches that each batch norm has seen, by its name in the state_dict; of no use to the numbers.
    """

    network: Network
    params: Any
    state: Any
    options: Generator | Discriminator
    in_channels: int
    out_channels: int
    counts: dict[str, int]


def from_torch(arrays: Arrays, *, dropout: float = 0.5, statistics: Statistics = "batch") -> Converted:
    """Finds out which network a state_dict is of, and converts it.

    Args:
        arrays: of a U-Net of any depth, a ResNet of any number of blocks, a PatchGAN of any depth or a PixelGAN, with
            batch, instance or no norm. Prefixes `module.` and `_orig_mod.`, and the running statistics that old files
            hold for instance norm, are dropped; half precision is widened, double narrowed.
        dropout: rate of a U-Net, which its names do not show; of a ResNet, where they show that it has some.
        statistics: that batch norm is to use: "running" for what PyTorch computes after `net.eval()`.

    Raises:
        UserError: the names or shapes are of no such network.
    """
    arrays = without_prefixes(arrays)
    options, in_channels, out_channels = recognise(arrays, dropout)
    if options.norm != "batch":
        arrays = {name: array for name, array in arrays.items() if not name.endswith(STATISTICS)}
    network = _build(replace(options, statistics=statistics), in_channels, out_channels)
    size = _small_size(options)
    picture = jax.ShapeDtypeStruct((1, size, size, in_channels), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), picture)
    _check_same(arrays, jax.eval_shape(partial(_rename, options, counts=0), *shapes), options)
    params: dict[str, dict[str, jax.Array]] = {}
    running: dict[str, dict[str, jax.Array]] = {}
    counts: dict[str, int] = {}
    for layer in layers_of(options, shapes[0]):

        def take(name: str, key: str = layer.key) -> jax.Array:
            return jnp.asarray(arrays[f"{key}.{name}"], jnp.float32)

        if layer.kind == "norm":
            params[layer.name] = {"scale": take("weight"), "bias": take("bias")}
            running[layer.name] = {"mean": take("running_mean"), "var": take("running_var")}
            counts[layer.key] = int(arrays.get(f"{layer.key}.{COUNT}", 0))
        else:
            params[layer.name] = {
                "kernel": take("weight").transpose((2, 3, 1, 0) if layer.kind == "conv" else (0, 2, 3, 1))
            }
            if f"{layer.key}.bias" in arrays:
                params[layer.name]["bias"] = take("bias")
    state = {"batch_stats": running} if running else {}
    return Converted(network, params, state, options, in_channels, out_channels, counts)


def to_torch(
    options: Generator | Discriminator, params: Any, state: Any, *, counts: int | Mapping[str, int] = 0
) -> dict[str, np.ndarray]:
    """A network as the original's state_dict, in its order of names.

    Args:
        options: of the network; must name nothing that the original cannot do.
        params, state: of the network.
        counts: batches that its batch norms have seen, one number, or one for each name in the state_dict.

    Raises:
        UserError: the original has no such network.
    """
    _refuse_foreign(options)
    ours = {layer.name for layer in layers_of(options, params)}
    unknown, missing = set(params) - ours, ours - set(params)
    if unknown:
        raise UserError(f"the PyTorch original has no layer for {min(unknown)}: the network cannot be converted to it.")
    if missing:
        raise UserError(f"the network lacks {min(missing)}, which the PyTorch original has: it cannot be converted to it.")
    renamed = _rename(options, *jax.tree.map(np.asarray, (params, state)), counts=counts)
    return {name: np.require(array, requirements="C") for name, array in renamed.items()}


def _rename(options: Generator | Discriminator, params: Any, state: Any, counts: int | Mapping[str, int]) -> dict[str, Any]:
    """Arrays, or abstract ones, under the original's names and in its layouts."""
    result: dict[str, Any] = {}
    for layer in layers_of(options, params):
        part = params[layer.name]
        if layer.kind == "norm":
            statistics = state["batch_stats"][layer.name]
            seen = counts if isinstance(counts, int) else counts.get(layer.key, 0)
            values = (part["scale"], part["bias"], statistics["mean"], statistics["var"], np.asarray(seen, np.int64))
            result |= {
                f"{layer.key}.{name}": value for name, value in zip(("weight", "bias", *STATISTICS), values, strict=True)
            }
        else:
            result[f"{layer.key}.weight"] = part["kernel"].transpose((3, 2, 0, 1) if layer.kind == "conv" else (0, 3, 1, 2))
            if "bias" in part:
                result[f"{layer.key}.bias"] = part["bias"]
    return result


def _build(options: Generator | Discriminator, in_channels: int, out_channels: int) -> Network:
    if isinstance(options, Discriminator):
        return pix2pix.build_discriminator(options, "float32")
    data = Data(input=Side(channels=(in_channels,)), target=Side(channels=(out_channels,)))
    return pix2pix.build_generator(Config(image_size=_small_size(options), generator=options, data=data))


def _small_size(options: Generator | Discriminator) -> int:
    """Pixels a side of pictures that the network takes."""
    levels = options.num_layers + 2 if isinstance(options, Discriminator) else len(options.widths or ())
    return 2 ** max(levels, 4)


def _check_same(found: Arrays, expected: Mapping[str, Any], options: Generator | Discriminator) -> None:
    """Refuses a state_dict whose names or shapes are not exactly those of the network it seems to be."""
    what = f"a {options.architecture} with {options.norm} norm"
    for name in expected:
        if name not in found and not name.endswith(COUNT):  # which the oldest files lack
            raise UserError(f"{name} is missing, which {what} has: the file is incomplete, or of another network.")
    for name, array in found.items():
        if name not in expected:
            raise UserError(f"{show(name)} is there, which {what} does not have: the file is of a changed network.")
        if array.shape != expected[name].shape:
            raise UserError(
                f"{name} has the shape {array.shape} where {what} has {expected[name].shape}: it is a changed network."
            )
        if not (name.endswith(COUNT) or np.issubdtype(array.dtype, np.floating)):
            raise UserError(
                f"{name} holds {array.dtype} where weights are floating-point numbers: save the network as float32."
            )


def _refuse_foreign(options: Generator | Discriminator) -> None:
    """Refuses what the original cannot compute, though names and shapes may be the same."""
    part = "generator" if isinstance(options, Generator) else "discriminator"
    whole = Config(generator=options) if isinstance(options, Generator) else Config(discriminator=options)
    trained_only = ("norm_momentum", "norm_stddev")
    originals = {name: value for name, value in PRESETS["pytorch"].items() if name.startswith(f"{part}.")}
    if isinstance(options, Generator):
        originals["generator.upsample"] = "transpose"
        if options.architecture == "encoder_decoder":
            raise UserError("the PyTorch original has no encoder_decoder: only a unet or a resnet can be converted to it.")
    for name, value in originals.items():
        if get_field(whole, name) != value and not name.endswith(trained_only):
            raise UserError(
                f"the network was made with {name} {get_field(whole, name)}, where the PyTorch original has {value}: it "
                "cannot be converted to it."
            )

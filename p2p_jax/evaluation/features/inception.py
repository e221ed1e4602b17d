"""Inception v3 as it is used for FID, with weights from a file that the user gives.

Sources: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015; the weights of TensorFlow's graph
inception-2015-12-05, converted by mseitzer/pytorch-fid, whose poolings differ from torchvision's; Parmar et al., On Aliased
Resizing and Surprising Subtleties in GAN Evaluation, 2021 (clean-fid: how pictures are resized and scaled).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax.data.resizing import resize
from p2p_jax.errors import UserError
from p2p_jax.features.backbones import as_rgb
from p2p_jax.features.layers import Layer, Padding, convolve, fold_norm, max_pool, mean_pool
from p2p_jax.features.packages import hash_file
from p2p_jax.weight_files.state_dict import read_state_dict

SIDE = 299
"""Height and width in pixels of the network's pictures."""

EPSILON = 1e-3
"""Of every batch norm."""

NAME, HASH_START = "pt_inception-2015-12-05-6726825d.pth", "6726825d"
"""The file of mseitzer/pytorch-fid, whose name ends with the start of its sha256."""

InceptionWeights = Mapping[str, Layer]
"""The convolutions by their names in the state_dict; each batch norm is part of its convolution."""


def read_inception_weights(path: str | Path) -> InceptionWeights:
    """Reads the weights from the file of mseitzer/pytorch-fid. Nothing in it is executed.

    Args:
        path: of the file, under any name.

    Raises:
        UserError: the file cannot be read, or its hash is another one.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is not a file: give the path of {NAME}, from the releases of mseitzer/pytorch-fid.")
    digest = hash_file(path)
    if not digest.startswith(HASH_START):
        raise UserError(
            f"{path} has the sha256 {digest[:16]}…, but that of {NAME} starts with {HASH_START}: give that file, because "
            "only its features may be called FID."
        )
    return inception_weights(read_state_dict(path))


def inception_weights(arrays: Mapping[str, np.ndarray]) -> InceptionWeights:
    """Makes the weights from a state_dict, without its classifier."""
    names = [name.removesuffix(".conv.weight") for name in arrays if name.endswith(".conv.weight")]

    def layer(name: str) -> Layer:
        parts = ("weight", "bias", "running_mean", "running_var")
        scale, offset, mean, variance = (arrays[f"{name}.bn.{part}"] for part in parts)
        return fold_norm(arrays[f"{name}.conv.weight"], scale, offset, mean, variance, EPSILON)

    return {name: layer(name) for name in names}


def inception_inputs(pictures: np.ndarray) -> np.ndarray:
    """Resizes pictures as clean-fid does: each channel as floats with PIL, bicubic, antialiased, clipped, not rounded.

    Args:
        pictures: (n, h, w, 3) or, grey, (n, h, w, 1), from 0 to 255, of any dtype.

    Returns:
        (n, 299, 299, 3) float32 from 0 to 255.

    Raises:
        UserError: the pictures have neither 1 nor 3 channels.
    """
    rgb = np.asarray(as_rgb(pictures, 1, "Inception"))
    return np.stack([resize(picture, (SIDE, SIDE), "bicubic") for picture in rgb]).clip(0, 255)


def inception_features(weights: InceptionWeights, inputs: Array | np.ndarray) -> Array:
    """Computes the last features, averaged over all positions.

    Args:
        weights: of the network.
        inputs: (n, h, w, 3) float32 from 0 to 255, from `inception_inputs`; each side has at least 75 pixels.

    Returns:
        (n, d) float32, d = 2048 with the weights of FID.
    """

    def conv(x: Array, name: str, stride: int = 1, padding: Padding = "SAME") -> Array:
        return jax.nn.relu(convolve(x, weights[name], stride, padding))

    x = (jnp.asarray(inputs, jnp.float32) - 128) / 128
    x = conv(conv(x, "Conv2d_1a_3x3", 2, "VALID"), "Conv2d_2a_3x3", 1, "VALID")
    x = max_pool(conv(x, "Conv2d_2b_3x3"), 3, 2)
    x = conv(conv(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3", 1, "VALID")
    x = max_pool(x, 3, 2)
    for block, chains, pool in BLOCKS:
        branches = [_branch(conv, x, f"{block}.", chain) for chain in chains]
        pooled = {"shrink": lambda x: max_pool(x, 3, 2), "max": _max_around, "mean": lambda x: mean_pool(x, 3)}[pool](x)
        branches.append(pooled if pool == "shrink" else conv(pooled, f"{block}.branch_pool"))
        x = jnp.concatenate(branches, axis=-1)
    return x.mean((1, 2))


def _branch(conv: Callable[..., Array], x: Array, block: str, chain: str) -> Array:
    """Computes the convolutions of a branch in turn; "/2" marks stride 2, "a|b" two that share an input."""
    for name in chain.split():
        parts = [block + part.removesuffix("/2") for part in name.split("|")]
        options = (2, "VALID") if name.endswith("/2") else ()
        x = jnp.concatenate([conv(x, part, *options) for part in parts], axis=-1)
    return x


def _max_around(x: Array) -> Array:
    return max_pool(x, 3, 1, ((1, 1), (1, 1)))


_A = ("branch1x1", "branch5x5_1 branch5x5_2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3")
_B = ("branch3x3/2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3/2")
_C = (
    "branch1x1",
    "branch7x7_1 branch7x7_2 branch7x7_3",
    "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5",
)
_D = ("branch3x3_1 branch3x3_2/2", "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4/2")
_E = (
    "branch1x1",
    "branch3x3_1 branch3x3_2a|branch3x3_2b",
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a|branch3x3dbl_3b",
)

BLOCKS = (
    *((f"Mixed_5{letter}", _A, "mean") for letter in "bcd"),
    ("Mixed_6a", _B, "shrink"),
    *((f"Mixed_6{letter}", _C, "mean") for letter in "bcde"),
    ("Mixed_7a", _D, "shrink"),
    ("Mixed_7b", _E, "mean"),
    ("Mixed_7c", _E, "max"),
)
"""For each block its name, the convolutions of its branches, and its pooling branch: as in TensorFlow's graph for FID, the
mean leaves out what is outside of the picture, and the last block takes the largest value."""

"""Generators: scope functions from a picture (n, h, w, c) to another one (n, h, w, out_channels) in [-1, 1]."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax.core import Scope
from jax import Array
from jax.typing import DTypeLike

from p2p_jax import layers, ops
from p2p_jax.errors import UserError

UNET_256 = (64, 128, 256, 512, 512, 512, 512, 512)
UNET_128 = (64, 128, 256, 512, 512, 512, 512)
UNET_64 = (64, 128, 256, 512, 512, 512)


def unet_widths(size: int, width: int = 64) -> tuple[int, ...]:
    """The U-Net's widths for a picture size: one level per halving, at most 8, doubling from `width` to 8 `width`.

    Args:
        size: of the shorter side of the pictures in pixels; 256 gives `UNET_256`, 200 gives 7 levels.
        width: features of the first level.

    Raises:
        UserError: the size cannot be halved at least twice.
    """
    depth = min(size.bit_length() - 1, 8)
    if depth < 2:
        raise UserError(f"a U-Net was asked for pictures of {size} pixels, which cannot be halved twice: use at least 4.")
    return tuple(width * min(2**i, 8) for i in range(depth))


def unet_dropout_rates(widths: Sequence[int], rate: float = 0.5, *, innermost: bool = False) -> tuple[float, ...]:
    """Dropout per level of the decoder, where one of the originals has it.

    Args:
        widths: of the U-Net.
        rate: of the levels that have dropout.
        innermost: the three innermost levels, as in the Torch and TensorFlow originals; else those from the fifth on but
            for the innermost one, as in the PyTorch original.
    """
    depth = len(widths)
    chosen = range(max(depth - 3, 1), depth) if innermost else range(4, depth - 1)
    return tuple(rate if i in chosen else 0.0 for i in range(depth))


def unet(
    scope: Scope,
    x: Array,
    *,
    widths: Sequence[int] = UNET_256,
    out_channels: int = 3,
    dropout_rates: Sequence[float] | None = None,
    norm: layers.Norm = layers.batch_norm,
    merge: layers.Merge = layers.concat,
    blocks: Mapping[int, layers.Block] | None = None,
    upsample: Callable[..., Array] = layers.conv_transpose,
    use_bias: bool | None = None,
    last_bias: bool = True,
    bottleneck_norm: bool = False,
    leaky_slope: float = 0.2,
    post_activation: bool = False,
    remat: bool = False,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array:
    """The U-Net: a tower of halvings down, a tower of doublings up, and a bridge between them at every level.

    Level i goes down by `down{i}` (convolution), `down{i}_norm` and comes up by `up{i}`, `up{i}_norm`. The first and
    the innermost convolution down have no norm, nor has the last one up, which ends in tanh.

    Args:
        scope: holds the parameters.
        x: (n, h, w, c) in [-1, 1]. A side that is odd at some level gets one more row or column of zeros there, which
            is cut off on the way up; multiples of 2 ** len(widths) need none.
        widths: features after each halving.
        out_channels: channels of the picture made.
        dropout_rates: per level, applied after the norm on the way up; None for 0.5 where the reference has it. Acts
            only when `apply` is given a key.
        norm: `(scope, x, *, train) -> y`.
        merge: `(scope, skip, x) -> y`, how a bridge joins the way up.
        blocks: `{level: block}`, each applied to the output of that level on the way down.
        upsample: `(scope, x, features, *, use_bias) -> y`, doubling height and width.
        use_bias: whether all but the last convolution carry a bias; None for only where the norm is instance norm.
        last_bias: whether the last one does.
        bottleneck_norm: a norm on the innermost convolution down, too.
        leaky_slope: of the activations on the way down.
        post_activation: activate what a level gives, so that bridges carry activated features and the way up does not
            activate them again (the TensorFlow tutorial); else activate what a level is given.
        remat: compute activations again in the backward pass instead of keeping them: less memory, more time.
        dtype: compute dtype; None keeps that of `x`.
        train: whether running statistics are updated.

    Returns:
        (n, h, w, out_channels) in [-1, 1], float32 at least.

    Source: Isola et al. 2017, section 3.2.1 and appendix 6.1.1; Ronneberger et al., U-Net, 2015.
    """
    depth = len(widths)
    rates = unet_dropout_rates(widths) if dropout_rates is None else dropout_rates
    blocks = blocks or {}
    use_bias = layers.needs_bias(norm) if use_bias is None else use_bias

    def down(scope: Scope, x: Array, level: int) -> Array:
        x = x if level == 0 or post_activation else ops.leaky_relu(x, leaky_slope)
        x = scope.child(layers.conv, f"down{level}")(x, widths[level], use_bias=use_bias)
        if 0 < level < depth - 1 or (bottleneck_norm and level == depth - 1):
            x = scope.child(norm, f"down{level}_norm")(x, train=train)
        if level in blocks:
            x = scope.child(blocks[level], f"down{level}_block")(x, train=train)
        return ops.leaky_relu(x, leaky_slope) if post_activation else x

    def up(scope: Scope, x: Array, level: int) -> Array:
        x = x if post_activation else ops.relu(x)
        if level == 0:
            return ops.tanh(_widen(scope.child(upsample, "up0")(x, out_channels, use_bias=last_bias)))
        x = scope.child(upsample, f"up{level}")(x, widths[level - 1], use_bias=use_bias)
        x = scope.child(norm, f"up{level}_norm")(x, train=train)
        x = scope.child(layers.dropout, f"up{level}_dropout")(x, rates[level])
        return ops.relu(x) if post_activation else x

    def run(level_fn: Callable[..., Array], level: int, x: Array) -> Array:
        level_fn = partial(level_fn, level=level)
        return (layers.remat(level_fn) if remat else level_fn)(scope, x)

    x = x if dtype is None else x.astype(dtype)
    skips, sizes = [], []
    for level in range(depth):
        sizes.append(x.shape[1:3])
        x = run(down, level, _pad_to_multiple(x, 2))
        skips.append(x)
    x = skips.pop()
    for level in reversed(range(depth)):
        x = _crop(run(up, level, x), sizes[level])
        if level > 0:
            x = scope.child(merge, f"merge{level - 1}")(skips.pop(), x)
    return x


def encoder_decoder(scope: Scope, x: Array, **config: Any) -> Array:
    """The U-Net without its bridges: the paper's comparison. Takes what `unet` takes, but for `merge`."""
    return unet(scope, x, merge=layers.no_skip, **config)


def resnet(
    scope: Scope,
    x: Array,
    *,
    width: int = 64,
    num_blocks: int = 9,
    out_channels: int = 3,
    dropout_rate: float = 0.5,
    norm: layers.Norm = layers.batch_norm,
    use_bias: bool | None = None,
    last_bias: bool = True,
    remat: bool = False,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array:
    """Two halvings, a row of residual blocks at a quarter of the size, two doublings.

    Args:
        scope: holds `stem`, `down0`, `down1`, `block{i}_conv0`, `block{i}_conv1`, `up1`, `up0`, `head` and their norms.
        x: (n, h, w, c) in [-1, 1]; mirrored to multiples of 4, and what was added is cut off again.
        width: features of the first layer; the blocks have 4 `width`.
        num_blocks: residual blocks; the reference has 9 for 256 pixels and 6 for 128.
        out_channels: channels of the picture made.
        dropout_rate: inside each block; acts only when `apply` is given a key.
        norm, use_bias, last_bias, remat, dtype, train: as in `unet`.

    Returns:
        (n, h, w, out_channels) in [-1, 1], float32 at least.

    Source: Johnson et al., Perceptual Losses, 2016, as used by Zhu et al., CycleGAN, 2017, appendix 7.2.
    """
    size = x.shape[1:3]
    x = _pad_to_multiple(x, 4, mode="reflect")
    use_bias = layers.needs_bias(norm) if use_bias is None else use_bias

    def conv(scope: Scope, name: str, x: Array, features: int, *, kernel: int, stride: int = 1, padding: int = 0):
        options = {"kernel": kernel, "stride": stride, "padding": padding, "use_bias": use_bias}
        x = scope.child(layers.conv, name)(x, features, **options)
        return scope.child(norm, f"{name}_norm")(x, train=train)

    def block(scope: Scope, x: Array, index: int) -> Array:
        y = ops.relu(conv(scope, f"block{index}_conv0", ops.reflect_pad(x, 1), x.shape[-1], kernel=3))
        y = scope.child(layers.dropout, f"block{index}_dropout")(y, dropout_rate)
        return x + conv(scope, f"block{index}_conv1", ops.reflect_pad(y, 1), x.shape[-1], kernel=3)

    x = x if dtype is None else x.astype(dtype)
    x = ops.relu(conv(scope, "stem", ops.reflect_pad(x, 3), width, kernel=7))
    for level in (0, 1):
        x = ops.relu(conv(scope, f"down{level}", x, width * 2 ** (level + 1), kernel=3, stride=2, padding=1))
    for index in range(num_blocks):
        fn = partial(block, index=index)
        x = (layers.remat(fn) if remat else fn)(scope, x)
    for level in (1, 0):
        options = {"kernel": 3, "output_padding": 1, "use_bias": use_bias}
        x = scope.child(layers.conv_transpose, f"up{level}")(x, width * 2**level, **options)
        x = ops.relu(scope.child(norm, f"up{level}_norm")(x, train=train))
    x = scope.child(layers.conv, "head")(
        ops.reflect_pad(x, 3), out_channels, kernel=7, stride=1, padding=0, use_bias=last_bias
    )
    return _crop(ops.tanh(_widen(x)), size)


def _pad_to_multiple(x: Array, multiple: int, **options: Any) -> Array:
    """Fills (n, h, w, c) up, below and at the right, until h and w are multiples."""
    fill = [(0, -side % multiple) for side in x.shape[1:3]]
    return jnp.pad(x, ((0, 0), *fill, (0, 0)), **options) if any(sum(side) for side in fill) else x


def _crop(x: Array, size: tuple[int, ...]) -> Array:
    return x if x.shape[1:3] == size else x[:, : size[0], : size[1]]


def _widen(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))

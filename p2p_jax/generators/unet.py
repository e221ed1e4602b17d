"""The U-Net and the encoder-decoder."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from flax.core import Scope
from jax import Array
from jax.typing import DTypeLike

from p2p_jax import layers, ops
from p2p_jax.errors import UserError
from p2p_jax.generators.borders import crop, pad_to_multiple, widen

UNET_256 = (64, 128, 256, 512, 512, 512, 512, 512)
UNET_128 = (64, 128, 256, 512, 512, 512, 512)
UNET_64 = (64, 128, 256, 512, 512, 512)


def unet_widths(size: int, width: int = 64) -> tuple[int, ...]:
    """Returns the U-Net's widths for a picture size: one level per halving, at most 8, from `width` up to 8 `width`.

    Args:
        size: the shorter side of the pictures, in pixels; 256 pixels have the levels of `UNET_256`, 200 pixels have 7.
        width: features of the first level.

    Raises:
        UserError: the size cannot be halved twice.
    """
    depth = min(size.bit_length() - 1, 8)
    if depth < 2:
        raise UserError(f"a U-Net was asked for pictures of {size} pixels, which cannot be halved twice: use at least 4.")
    return tuple(width * min(2**i, 8) for i in range(depth))


def unet_dropout_rates(widths: Sequence[int], rate: float = 0.5, *, innermost: bool = False) -> tuple[float, ...]:
    """Returns the dropout rate of each level of the decoder.

    Args:
        widths: of the U-Net.
        rate: of the levels with dropout, in [0, 1); the others have 0.
        innermost: whether the three innermost levels have dropout, as in the Torch and TensorFlow originals; otherwise all
            levels from the fifth on have it, except the innermost, as in the PyTorch original.
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
    downsample: Callable[[Array], Array] | None = None,
    use_bias: bool | None = None,
    last_bias: bool = True,
    bottleneck_norm: bool = False,
    leaky_slope: float = 0.2,
    post_activation: bool = False,
    remat: bool = False,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array:
    """The U-Net: an encoder of halvings, a decoder of doublings, and a skip connection at every level.

    Level i has the encoder layers `down{i}` (convolution) and `down{i}_norm`, and the decoder layers `up{i}` and
    `up{i}_norm`. There is no norm after the first and the innermost convolution of the encoder, nor after the last one of
    the decoder, which ends in tanh.

    Args:
        scope: holds the parameters.
        x: (n, h, w, c), float in [-1, 1]. A side that is odd at some level is padded there by one row or column of zeros,
            which the decoder crops; multiples of 2 ** len(widths) need no padding.
        widths: features of each level of the encoder.
        out_channels: channels of the output.
        dropout_rates: one per level, applied after the decoder's norm; None for `unet_dropout_rates(widths)`. Dropout acts
            only if `apply` is given a key.
        norm: `(scope, x, *, train) -> y`.
        merge: `(scope, skip, x) -> y`, which merges a skip connection with the decoder.
        blocks: `{level: block}`; each block is applied to the output of that level of the encoder.
        upsample: `(scope, x, features, *, use_bias) -> y`, which doubles height and width.
        downsample: halves height and width after a convolution of 3 x 3 pixels and stride 1, such as `ops.blur_downsample`;
            None for convolutions of 4 x 4 pixels and stride 2.
        use_bias: whether all convolutions but the last have a bias; None for a bias only before instance norm.
        last_bias: whether the last convolution has a bias.
        bottleneck_norm: whether a norm follows the innermost convolution of the encoder too.
        leaky_slope: of the encoder's activations.
        post_activation: activate the output of each level, so that skip connections carry activated features and the
            decoder does not activate them again (the TensorFlow tutorial); otherwise activate the input of each level.
        remat: recompute activations in the backward pass instead of keeping them: less memory, more time.
        dtype: dtype of the computation; None for that of `x`.
        train: whether running statistics are updated.

    Returns:
        (n, h, w, out_channels) in [-1, 1], float32 at least.

    Source: Isola et al. 2017, section 3.2.1 and appendix 6.1.1; Ronneberger et al., U-Net, 2015.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import generators
        >>> from p2p_jax.network import network
        >>> generator = network(generators.unet, widths=(2, 4))
        >>> x = jnp.zeros((1, 16, 16, 3))
        >>> params, state = generator.init(jax.random.key(0), x)
        >>> fake, state = generator.apply(params, state, x, train=False)
        >>> fake.shape
        (1, 16, 16, 3)
    """
    rates = unet_dropout_rates(widths) if dropout_rates is None else dropout_rates
    use_bias = layers.needs_bias(norm) if use_bias is None else use_bias
    shared = {"norm": norm, "use_bias": use_bias, "post_activation": post_activation, "train": train}
    inner = {"blocks": blocks or {}, "downsample": downsample, "bottleneck_norm": bottleneck_norm, "slope": leaky_slope}
    down = partial(_unet_down, widths=widths, **inner, **shared)
    up = partial(_unet_up, widths=(out_channels, *widths), rates=rates, upsample=upsample, last_bias=last_bias, **shared)
    wrap = layers.remat if remat else lambda fn: fn
    x = x if dtype is None else x.astype(dtype)
    skips, sizes = [], []
    for level in range(len(widths)):
        sizes.append(x.shape[1:3])
        x = wrap(partial(down, level=level))(scope, pad_to_multiple(x, 2))
        skips.append(x)
    x = skips.pop()
    for level in reversed(range(len(widths))):
        x = crop(wrap(partial(up, level=level))(scope, x), sizes[level])
        if level > 0:
            x = scope.child(merge, f"merge{level - 1}")(skips.pop(), x)
    return x


def _unet_down(
    scope: Scope,
    x: Array,
    *,
    level: int,
    widths: Sequence[int],
    norm: layers.Norm,
    blocks: Mapping[int, layers.Block],
    downsample: Callable[[Array], Array] | None,
    use_bias: bool,
    bottleneck_norm: bool,
    slope: float,
    post_activation: bool,
    train: bool,
) -> Array:
    """One level of the U-Net's encoder: (n, h, w, c) to (n, h / 2, w / 2, widths[level])."""
    innermost = len(widths) - 1
    x = x if level == 0 or post_activation else ops.leaky_relu(x, slope)
    kernel = {} if downsample is None else {"kernel": 3, "stride": 1}
    x = scope.child(layers.conv, f"down{level}")(x, widths[level], use_bias=use_bias, **kernel)
    x = x if downsample is None else downsample(x)
    if 0 < level < innermost or (bottleneck_norm and level == innermost):
        x = scope.child(norm, f"down{level}_norm")(x, train=train)
    if level in blocks:
        x = scope.child(blocks[level], f"down{level}_block")(x, train=train)
    return ops.leaky_relu(x, slope) if post_activation else x


def _unet_up(
    scope: Scope,
    x: Array,
    *,
    level: int,
    widths: Sequence[int],
    rates: Sequence[float],
    norm: layers.Norm,
    upsample: Callable[..., Array],
    use_bias: bool,
    last_bias: bool,
    post_activation: bool,
    train: bool,
) -> Array:
    """One level of the U-Net's decoder: (n, h, w, c) to (n, 2 h, 2 w, widths[level]); widths[0] is `out_channels`."""
    x = x if post_activation else ops.relu(x)
    if level == 0:
        return ops.tanh(widen(scope.child(upsample, "up0")(x, widths[0], use_bias=last_bias)))
    x = scope.child(upsample, f"up{level}")(x, widths[level], use_bias=use_bias)
    x = scope.child(norm, f"up{level}_norm")(x, train=train)
    x = scope.child(layers.dropout, f"up{level}_dropout")(x, rates[level])
    return ops.relu(x) if post_activation else x


def encoder_decoder(scope: Scope, x: Array, **config: Any) -> Array:
    """The U-Net without skip connections, the paper's baseline. Its arguments are those of `unet` except `merge`.

    Source: Isola et al. 2017, section 4.3.

    Example:
        >>> import jax
        >>> from p2p_jax import generators, summarize
        >>> from p2p_jax.network import network
        >>> picture = jax.ShapeDtypeStruct((1, 64, 64, 3), "float32")
        >>> summarize(network(generators.encoder_decoder, widths=generators.UNET_64), picture)[-1]
        Row(name='up0', shape=(1, 64, 64, 3), parameters=3075)
    """
    return unet(scope, x, merge=layers.no_skip, **config)

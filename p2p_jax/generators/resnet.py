"""The ResNet generator."""

from collections.abc import Callable
from functools import partial

from flax.core import Scope
from jax import Array
from jax.typing import DTypeLike

from p2p_jax import layers, ops
from p2p_jax.generators.borders import crop, pad_to_multiple, widen


def resnet(
    scope: Scope,
    x: Array,
    *,
    width: int = 64,
    num_blocks: int = 9,
    out_channels: int = 3,
    dropout_rate: float = 0.5,
    norm: layers.Norm = layers.batch_norm,
    downsample: Callable[[Array], Array] | None = None,
    upsample: Callable[..., Array] | None = None,
    use_bias: bool | None = None,
    last_bias: bool = True,
    remat: bool = False,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array:
    """The ResNet generator: two halvings, residual blocks at a quarter of the size, two doublings.

    Args:
        scope: holds `stem`, `down0`, `down1`, `block{i}_conv0`, `block{i}_conv1`, `up1`, `up0`, `head` and their norms.
        x: (n, h, w, c), float in [-1, 1]; padded by mirroring to multiples of 4, and cropped at the end.
        width: features of the first layer; the blocks have 4 `width` features.
        num_blocks: residual blocks; the PyTorch original has 9 for 256 pixels and 6 for 128.
        out_channels: channels of the output.
        dropout_rate: inside each block, in [0, 1); acts only if `apply` is given a key.
        downsample: halves height and width after an activation, such as `ops.blur_downsample`; None for convolutions of
            stride 2.
        upsample: `(scope, x, features, *, use_bias) -> y`, which doubles height and width; None for a transposed
            convolution of 3 x 3.
        norm, use_bias, last_bias, remat, dtype, train: as in `unet`.

    Returns:
        (n, h, w, out_channels) in [-1, 1], float32 at least.

    Raises:
        UserError: a side of the picture is too small to mirror.

    Source: Johnson et al., Perceptual Losses, 2016, as used by Zhu et al., CycleGAN, 2017, appendix 7.2; `downsample` and
    `upsample`: Park et al., CUT, 2020.

    Example:
        >>> import jax
        >>> from p2p_jax import generators, summarize
        >>> from p2p_jax.network import network
        >>> picture = jax.ShapeDtypeStruct((1, 128, 128, 3), "float32")
        >>> summarize(network(generators.resnet, num_blocks=6), picture)[-1]
        Row(name='head', shape=(1, 128, 128, 3), parameters=9411)
    """
    size = x.shape[1:3]
    x = pad_to_multiple(x, 4, mode="reflect")
    use_bias = layers.needs_bias(norm) if use_bias is None else use_bias
    conv = partial(_conv_and_norm, norm=norm, use_bias=use_bias, train=train)
    upsample = partial(layers.conv_transpose, kernel=3, output_padding=1) if upsample is None else upsample
    wrap = layers.remat if remat else lambda fn: fn
    x = x if dtype is None else x.astype(dtype)
    x = ops.relu(conv(scope, "stem", ops.reflect_pad(x, 3), width, kernel=7))
    for level in (0, 1):
        stride = 2 if downsample is None else 1
        x = ops.relu(conv(scope, f"down{level}", x, width * 2 ** (level + 1), kernel=3, stride=stride, padding=1))
        x = x if downsample is None else downsample(x)
    for index in range(num_blocks):
        x = wrap(partial(_residual_block, index=index, conv=conv, dropout_rate=dropout_rate))(scope, x)
    for level in (1, 0):
        x = scope.child(upsample, f"up{level}")(x, width * 2**level, use_bias=use_bias)
        x = ops.relu(scope.child(norm, f"up{level}_norm")(x, train=train))
    options = {"kernel": 7, "stride": 1, "padding": 0, "use_bias": last_bias}
    x = scope.child(layers.conv, "head")(ops.reflect_pad(x, 3), out_channels, **options)
    return crop(ops.tanh(widen(x)), size)


def _conv_and_norm(
    scope: Scope,
    name: str,
    x: Array,
    features: int,
    *,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    norm: layers.Norm,
    use_bias: bool,
    train: bool,
) -> Array:
    options = {"kernel": kernel, "stride": stride, "padding": padding, "use_bias": use_bias}
    x = scope.child(layers.conv, name)(x, features, **options)
    return scope.child(norm, f"{name}_norm")(x, train=train)


def _residual_block(scope: Scope, x: Array, *, index: int, conv: Callable[..., Array], dropout_rate: float) -> Array:
    y = ops.relu(conv(scope, f"block{index}_conv0", ops.reflect_pad(x, 1), x.shape[-1], kernel=3))
    y = scope.child(layers.dropout, f"block{index}_dropout")(y, dropout_rate)
    return x + conv(scope, f"block{index}_conv1", ops.reflect_pad(y, 1), x.shape[-1], kernel=3)

"""The discriminators of the paper: PatchGAN and PixelGAN."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from flax.core import Scope
from jax import Array
from jax.typing import DTypeLike

from p2p_jax import layers, losses, ops
from p2p_jax.errors import UserError


def patchgan_widths(num_layers: int = 3, width: int = 64) -> tuple[int, ...]:
    """Returns the widths of a PatchGAN: 1 to 5 halvings (layers) see patches of 16, 34, 70, 142 and 286 pixels."""
    return tuple(width * min(2**i, 8) for i in range(num_layers + 1))


def patchgan(
    scope: Scope,
    x: Array,
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    norm: layers.Norm = layers.batch_norm,
    downsample: Callable[[Array], Array] | None = None,
    use_bias: bool | None = None,
    last_bias: bool = True,
    leaky_slope: float = 0.2,
    features: bool = False,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array | losses.Judged:
    """The PatchGAN, which classifies overlapping patches: convolutions of stride 2, then two of stride 1.

    Args:
        scope: holds `conv0`, `conv1`, ... and their norms `conv1_norm`, ... (the first and the last have none).
        x: (n, h, w, c), input and picture stacked, float in [-1, 1].
        widths: features of all convolutions but the last; the default is the paper's 70-pixel discriminator.
        norm: `(scope, x, *, train) -> y`.
        downsample: halves height and width after an activation, such as `ops.blur_downsample`; None for convolutions of
            stride 2.
        use_bias: whether all convolutions but the last have a bias; None for a bias in the first one, which has no norm,
            and in those before instance norm.
        last_bias: whether the last convolution has a bias.
        leaky_slope: of the activations.
        features: whether the result is `losses.Judged`, with the outputs of all activations.
        dtype: dtype of the computation; None for that of `x`.
        train: whether running statistics are updated.

    Returns:
        logits, (n, h', w', 1), float32 at least; 30 x 30 for 256 pixels with the default widths.

    Raises:
        UserError: the picture is too small for the number of layers.

    Source: Isola et al. 2017, section 3.2.2 and appendix 6.1.2.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators, summarize
        >>> from p2p_jax.network import network
        >>> pair = jax.ShapeDtypeStruct((1, 256, 256, 6), "float32")
        >>> summarize(network(discriminators.patchgan), pair)[-1]
        Row(name='conv4', shape=(1, 30, 30, 1), parameters=8193)
    """
    halvings = len(widths) - 1
    if min(x.shape[1:3]) < 3 * 2**halvings:
        raise UserError(
            f"the patchgan was given pictures of {x.shape[1]} x {x.shape[2]} pixels, but with {halvings} layers it needs "
            f"at least {3 * 2**halvings}: use fewer (--discriminator.num-layers), or larger pictures (--image-size)."
        )
    first_bias, use_bias = biases(norm, use_bias)
    x = x if dtype is None else x.astype(dtype)
    outputs = []
    for i, width in enumerate(widths):
        halved = i < len(widths) - 1
        stride = 2 if halved and downsample is None else 1
        x = scope.child(layers.conv, f"conv{i}")(x, width, stride=stride, use_bias=use_bias if i else first_bias)
        if i > 0:
            x = scope.child(norm, f"conv{i}_norm")(x, train=train)
        x = ops.leaky_relu(x, leaky_slope)
        outputs.append(x)
        x = downsample(x) if halved and downsample is not None else x
    x = scope.child(layers.conv, f"conv{len(widths)}")(x, 1, stride=1, use_bias=last_bias)
    return _judged(x, outputs, features)


def pixelgan(
    scope: Scope,
    x: Array,
    *,
    width: int = 64,
    norm: layers.Norm = layers.batch_norm,
    use_bias: bool | None = None,
    last_bias: bool | None = None,
    leaky_slope: float = 0.2,
    features: bool = False,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array | losses.Judged:
    """The PixelGAN, which classifies every pixel independently: three 1 x 1 convolutions.

    Args:
        scope: holds `conv0`, `conv1`, `conv1_norm` and `conv2`.
        x: (n, h, w, c), input and picture stacked, float in [-1, 1].
        width: features of the first convolution; the second has 2 `width` features.
        norm, use_bias, leaky_slope, features, dtype, train: as in `patchgan`.
        last_bias: whether the last convolution has a bias; None for a bias only with instance norm, as in the PyTorch
            original.

    Returns:
        logits, (n, h, w, 1), float32 at least.

    Source: Isola et al. 2017, section 4.4 and appendix 6.1.2.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators, summarize
        >>> from p2p_jax.network import network
        >>> pair = jax.ShapeDtypeStruct((1, 256, 256, 6), "float32")
        >>> summarize(network(discriminators.pixelgan), pair)[-1]
        Row(name='conv2', shape=(1, 256, 256, 1), parameters=128)
    """
    first_bias, use_bias = biases(norm, use_bias)
    last_bias = layers.needs_bias(norm) if last_bias is None else last_bias
    options = {"kernel": 1, "stride": 1, "padding": 0}
    x = x if dtype is None else x.astype(dtype)
    first = ops.leaky_relu(scope.child(layers.conv, "conv0")(x, width, use_bias=first_bias, **options), leaky_slope)
    x = scope.child(layers.conv, "conv1")(first, 2 * width, use_bias=use_bias, **options)
    second = ops.leaky_relu(scope.child(norm, "conv1_norm")(x, train=train), leaky_slope)
    x = scope.child(layers.conv, "conv2")(second, 1, use_bias=last_bias, **options)
    return _judged(x, [first, second], features)


def biases(norm: layers.Norm, use_bias: bool | None) -> tuple[bool, bool]:
    """Returns whether the first convolution, which has no norm, and those before a norm have a bias."""
    return (True, layers.needs_bias(norm)) if use_bias is None else (use_bias, use_bias)


def _judged(logits: Array, outputs: list[Array], features: bool) -> Array | losses.Judged:
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return losses.Judged(logits, outputs) if features else logits

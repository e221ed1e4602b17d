"""A discriminator that tells the class of every pixel of a picture, or that it is fake: a U-Net, and its labels."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax.core import Scope
from jax import Array
from jax.typing import DTypeLike

from p2p_jax import layers, losses, ops
from p2p_jax.discriminators.patches import biases
from p2p_jax.errors import UserError
from p2p_jax.network import Network, Params, State


def segmentation_unet(
    scope: Scope,
    x: Array,
    *,
    classes: int,
    widths: Sequence[int] = (64, 128, 256),
    norm: layers.Norm = layers.batch_norm,
    use_bias: bool | None = None,
    last_bias: bool = True,
    leaky_slope: float = 0.2,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array:
    """A U-Net from a picture to logits of every pixel: convolutions of stride 2, then nearest upsampling and convolutions.

    Args:
        scope: holds the convolutions `down0`, `down1`, ... of the encoder, `up0`, `up1`, ... of the decoder, and their
            norms `down1_norm`, `up1_norm`, ... (`down0` and `up0`, the first and the last, have none).
        x: (n, h, w, c), the picture alone, float in [-1, 1]. A side that is odd at some level is padded there by one row or
            column of zeros.
        classes: number of classes without 'fake'.
        widths: features of each level; each level halves height and width.
        norm: `(scope, x, *, train) -> y`.
        use_bias: whether all convolutions but the last have a bias; None as in `patchgan`.
        last_bias: whether the last convolution has a bias.
        leaky_slope: of the activations.
        dtype: dtype of the computation; None for that of `x`.
        train: whether running statistics are updated.

    Returns:
        logits, (n, h, w, classes + 1), float32 at least; the last one is that of 'fake'.

    Raises:
        UserError: the picture cannot be halved as often as there are levels.

    Source: Schönfeld et al., You Only Need Adversarial Supervision for Semantic Image Synthesis (OASIS), 2021, section 3.2.
    The paper's network has residual blocks, 6 levels, and spectral norm in place of any other norm. This one has neither
    and 3 levels by default.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators, summarize
        >>> from p2p_jax.network import network
        >>> picture = jax.ShapeDtypeStruct((1, 256, 256, 3), "float32")
        >>> summarize(network(discriminators.segmentation_unet, classes=12), picture)[-1]
        Row(name='up0', shape=(1, 256, 256, 13), parameters=14989)
    """
    if min(x.shape[1:3]) < 2 ** len(widths):
        raise UserError(
            f"the segmentation discriminator was given pictures of {x.shape[1]} x {x.shape[2]} pixels, but with "
            f"{len(widths)} layers it needs at least {2 ** len(widths)}: use fewer (--discriminator.num-layers), or larger "
            "pictures (--image-size)."
        )
    first_bias, use_bias = biases(norm, use_bias)
    x = x if dtype is None else x.astype(dtype)
    skips, sizes = [], []
    for i, width in enumerate(widths):
        sizes.append(x.shape[1:3])
        x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
        x = scope.child(layers.conv, f"down{i}")(x, width, use_bias=use_bias if i else first_bias)
        x = scope.child(norm, f"down{i}_norm")(x, train=train) if i else x
        x = ops.leaky_relu(x, leaky_slope)
        skips.append(x)
    x = skips.pop()
    for i in reversed(range(len(widths))):
        features = widths[i - 1] if i else classes + 1
        x = scope.child(layers.resize_conv, f"up{i}")(x, features, use_bias=use_bias if i else last_bias)
        x = x[:, : sizes[i][0], : sizes[i][1]]
        if i:
            x = ops.leaky_relu(scope.child(norm, f"up{i}_norm")(x, train=train), leaky_slope)
            x = ops.concat_channels(skips.pop(), x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def with_labels(discriminator: Network, classes: int, *, ignored: int | None = None) -> Network:
    """Returns a discriminator of pairs that judges the picture alone, and sets the labels of the input beside its logits.

    Args:
        discriminator: from a picture (n, h, w, c) to logits (n, h, w, classes + 1).
        classes: of the input, the channels (one-hot in {-1, 1}) before those of the picture.
        ignored: the class of pixels of which nothing is known, or None. These have no label, and so no loss.

    Returns:
        a network from pairs (n, h, w, classes + c) to `losses.Segmented`.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators
        >>> from p2p_jax.network import network
        >>> unet = network(discriminators.segmentation_unet, classes=4, widths=(2, 2))
        >>> judge = discriminators.with_labels(unet, 4)
        >>> params, state = judge.init(jax.random.key(0), jax.numpy.zeros((1, 16, 16, 7)))
        >>> judged, _ = judge.apply(params, state, jax.numpy.zeros((1, 16, 16, 7)), train=False)
        >>> judged.logits.shape, judged.labels.shape
        ((1, 16, 16, 5), (1, 16, 16, 4))
    """

    def apply(
        params: Params, state: State, pair: Array, *, train: bool, key: Array | None = None
    ) -> tuple[losses.Segmented, State]:
        logits, state = discriminator.apply(params, state, pair[..., classes:], train=train, key=key)
        labels = (pair[..., :classes] > 0) & (jnp.arange(classes) != (-1 if ignored is None else ignored))
        return losses.Segmented(logits, labels.astype(logits.dtype)), state

    return Network(lambda key, pair: discriminator.init(key, pair[..., classes:]), apply)

"""Discriminators that judge a picture at several scales."""

import jax
from jax import Array

from p2p_jax import ops
from p2p_jax.errors import UserError
from p2p_jax.network import Network, Params, State


def at_scales(discriminator: Network, number: int) -> Network:
    """Returns a discriminator of equal networks, each of which sees a picture of half the size of the one before.

    Args:
        discriminator: from a pair (n, h, w, c) to logits or `losses.Judged`.
        number: of scales, at least 1. Params and state hold a part for each: `scale0`, the full size, `scale1`, ...

    Raises:
        UserError: `init` raises it if a picture is too small for a scale.

    Returns:
        a network whose output is the list of the networks' outputs; losses are means over the scales.

    Source: Wang et al., High-Resolution Image Synthesis with Conditional GANs (pix2pixHD), 2018, section 3.2. Here a blur
    precedes the halving: see `ops.blur_downsample`.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators
        >>> from p2p_jax.network import network
        >>> two = discriminators.at_scales(network(discriminators.pixelgan, width=2), 2)
        >>> params, state = two.init(jax.random.key(0), jax.numpy.zeros((1, 16, 16, 6)))
        >>> [logits.shape for logits in two.apply(params, state, jax.numpy.zeros((1, 16, 16, 6)), train=False)[0]]
        [(1, 16, 16, 1), (1, 8, 8, 1)]
    """
    names = [f"scale{i}" for i in range(number)]

    def views(pair: Array) -> list[Array]:
        pairs = [pair]
        while len(pairs) < number:
            pairs.append(ops.blur_downsample(pairs[-1]))
        return pairs

    def init(key: Array, pair: Array) -> tuple[Params, State]:
        made = []
        for i, (own, view) in enumerate(zip(jax.random.split(key, number), views(pair), strict=True)):
            try:
                made.append(discriminator.init(own, view))
            except UserError as error:
                raise UserError(f"scale {i + 1} of {number} (--discriminator.scales) does not fit: {error}") from None
        params, states = zip(*made, strict=True)
        return dict(zip(names, params, strict=True)), dict(zip(names, states, strict=True))

    def apply(params: Params, state: State, pair: Array, *, train: bool, key: Array | None = None) -> tuple[list, State]:
        outputs, states = [], {}
        for i, (name, view) in enumerate(zip(names, views(pair), strict=True)):
            own = None if key is None else jax.random.fold_in(key, i)
            output, states[name] = discriminator.apply(params[name], state[name], view, train=train, key=own)
            outputs.append(output)
        return outputs, states

    return Network(init, apply)

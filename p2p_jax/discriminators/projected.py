"""A discriminator of features that a trained network computes: small heads, beside another discriminator."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import Scope
from jax import Array
from jax.typing import DTypeLike

from p2p_jax import layers, ops
from p2p_jax.network import Network, Params, State

# Its own number is folded into the key, so that the heads change no other random numbers. Others: `views.NOISE`.
HEADS = 17


class Projections(NamedTuple):
    """Random matrices that mix features; they are never trained.

    Attributes:
        channels: for each level (c, mixed), from its features to mixed ones.
        scales: for each level (mixed, out), after the mixed features of the next coarser level are added.
    """

    channels: Sequence[np.ndarray]
    scales: Sequence[np.ndarray]


def draw_projections(features: Sequence[int], width: int) -> Projections:
    """Draws matrices of normal numbers with the variance 2 / (number of rows), the same ones in every run.

    So heads fit the projections of every run that starts from their weights, whatever its seed.

    Args:
        features: of each level, from fine to coarse.
        width: mixed features of the finest level; they double from level to level.
    """
    random = np.random.RandomState(0)  # its numbers are the same in all versions of NumPy
    mixed = [width * 2**i for i in range(len(features))]

    def draw(rows: int, columns: int) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(np.float32)

    channels = [draw(rows, columns) for rows, columns in zip(features, mixed, strict=True)]
    return Projections(channels, [draw(mixed[i], mixed[max(i - 1, 0)]) for i in range(len(features))])


def mix_levels(projections: Projections, levels: Sequence[Array]) -> list[Array]:
    """Mixes features across channels, and across scales from coarse to fine.

    Args:
        projections: of the levels.
        levels: features (n, h, w, c) from fine to coarse.

    Returns:
        one array for each level, of twice its height and width (of the size of the next finer level, if there is one).

    Source: Sauer et al., Projected GANs Converge Faster, 2021, section 3.2. As in the authors' code, all mixing is by 1 x 1
    convolutions; the paper mixes scales by 3 x 3 ones.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax.discriminators.projected import draw_projections, mix_levels
        >>> levels = [jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 4, 4, 5))]
        >>> [mixed.shape for mixed in mix_levels(draw_projections([3, 5], 2), levels)]
        [(1, 16, 16, 2), (1, 8, 8, 2)]
    """
    results: list[Array] = []
    for i in reversed(range(len(levels))):
        x = _project(levels[i], projections.channels[i])
        x = x + results[-1] if results else x
        height, width = levels[i - 1].shape[1:3] if i else (2 * side for side in x.shape[1:3])
        # Both steps are linear, and the projection is cheaper before the picture grows.
        results.append(ops.resize(_project(x, projections.scales[i]), (height, width), "bilinear"))
    return results[::-1]


def _project(x: Array, matrix: np.ndarray) -> Array:
    return jnp.matmul(x, matrix, precision=jax.lax.Precision.HIGHEST)


def projected_heads(
    scope: Scope,
    levels: Sequence[Array],
    *,
    width: int = 64,
    norm: layers.Norm = layers.batch_norm,
    leaky_slope: float = 0.2,
    dtype: DTypeLike | None = None,
    train: bool,
) -> Array:
    """One head for each level: convolutions of stride 2 until all levels have one size, then a convolution to logits.

    Args:
        scope: holds for the head of the finest level the convolutions `head0_conv0`, `head0_conv1`, ... and their norms
            `head0_conv0_norm`, ..., and so on; the last convolution of each head has no norm.
        levels: from `mix_levels`.
        width: features of the first convolution of the finest level; they double from layer to layer.
        norm: `(scope, x, *, train) -> y`.
        leaky_slope: of the activations.
        dtype: dtype of the computation; None for that of the levels.
        train: whether running statistics are updated.

    Returns:
        the logits of all heads one after another, (n, k, 1, 1), float32 at least.

    Source: Sauer et al. 2021, section 3.2; layers and widths as in the authors' code, except the last convolution, which is
    that of `patchgan`.
    """
    logits = []
    for i, level in enumerate(levels):
        x = level if dtype is None else level.astype(dtype)
        halvings = len(levels) - i
        for j in range(halvings):
            name = f"head{i}_conv{j}"
            x = scope.child(layers.conv, name)(x, width * 2 ** (i + j), use_bias=layers.needs_bias(norm))
            x = ops.leaky_relu(scope.child(norm, f"{name}_norm")(x, train=train), leaky_slope)
        x = scope.child(layers.conv, f"head{i}_conv{halvings}")(x, 1, stride=1, use_bias=False)
        logits.append(x.reshape(len(x), -1, 1, 1))
    joined = jnp.concatenate(logits, axis=1)
    return joined.astype(jnp.promote_types(joined.dtype, jnp.float32))


def with_projected(
    discriminator: Network, heads: Network, features: Callable[[Array], Sequence[Array]], channels: int, *, width: int
) -> Network:
    """Returns a discriminator of pairs together with heads that judge features of the picture alone.

    Args:
        discriminator: of pairs (n, h, w, channels + c).
        heads: from the list of `mix_levels` to logits, such as `projected_heads`.
        features: from pictures (n, h, w, c) in [-1, 1] to features of levels from fine to coarse. It is fixed: it has no
            params, and gradients flow through it to the picture.
        channels: of the input, the first ones.
        width: of the projections, see `draw_projections`.

    Returns:
        a network whose output is the list of the discriminator's output and the heads' logits. Params and state hold a part
        for each: `pair` and `projected`. Losses are means over the list, so that heads beside a discriminator of one scale
        count as much as it does.

    Source: Sauer et al. 2021, equation 4, where the heads are the only discriminators.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators
        >>> from p2p_jax.network import network
        >>> pixelgan, heads = network(discriminators.pixelgan, width=2), network(discriminators.projected_heads, width=2)
        >>> halves = lambda picture: [picture[:, ::4, ::4], picture[:, ::8, ::8]]
        >>> both = discriminators.with_projected(pixelgan, heads, halves, 3, width=2)
        >>> pair = jax.numpy.zeros((1, 32, 32, 6))
        >>> params, state = both.init(jax.random.key(0), pair)
        >>> [logits.shape for logits in both.apply(params, state, pair, train=False)[0]]
        [(1, 32, 32, 1), (1, 18, 1, 1)]
    """
    draw = cache(draw_projections)  # each pass uses the same arrays, so that a compiled step holds them once

    def mixed(pair: Array) -> list[Array]:
        levels = features(pair[..., channels:])
        return mix_levels(draw(tuple(level.shape[-1] for level in levels), width), levels)

    def init(key: Array, pair: Array) -> tuple[Params, State]:
        shapes = jax.eval_shape(mixed, pair)
        empty = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
        params, state = discriminator.init(key, pair)
        h_params, h_state = heads.init(jax.random.fold_in(key, HEADS), empty)
        return {"pair": params, "projected": h_params}, {"pair": state, "projected": h_state}

    def apply(params: Params, state: State, pair: Array, *, train: bool, key: Array | None = None) -> tuple[list, State]:
        output, of_pair = discriminator.apply(params["pair"], state["pair"], pair, train=train, key=key)
        own = None if key is None else jax.random.fold_in(key, HEADS)
        logits, of_heads = heads.apply(params["projected"], state["projected"], mixed(pair), train=train, key=own)
        return [output, logits], {"pair": of_pair, "projected": of_heads}

    return Network(init, apply)

"""Random changes of what the discriminator sees, so that it cannot learn a small training set by heart.

The geometry of a pair changes as a whole, and the colours of its picture alone. Fakes and targets are changed by the same
rules, and gradients flow through every change, so the generator does not learn to imitate the changes.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax import losses
from p2p_jax.errors import UserError
from p2p_jax.network import Network, Params, State

Change = Literal["colour", "translation", "cutout", "flip"]
"""colour: brightness, saturation and contrast; translation: by up to 1/8 of each side; cutout: of a rectangle of half of
each side; flip: from left to right."""

COLLECTION = "augmentation"


def augmented(
    discriminator: Network,
    *,
    input_channels: int,
    changes: Sequence[Change] = ("colour", "translation", "cutout"),
    probability: float | None = 1.0,
    strength: float = 1.0,
    fill: float = 0.0,
) -> Network:
    """Returns a discriminator that sees changed pairs where its pass has a key, and unchanged ones otherwise.

    Args:
        discriminator: of pairs (n, h, w, input_channels + c).
        input_channels: channels of the input, the first ones.
        changes: to apply, in this order.
        probability: of each change for each pair, in [0, 1]. None: it is a value of the state that starts at 0, for
            `adapt_probability`.
        strength: in [0, 1], see `change_pair`.
        fill: of the input's pixels that have no source: -1 for one-hot labels.

    Source: Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, 2020 (probability 1).

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators
        >>> from p2p_jax.network import network
        >>> pixelgan = network(discriminators.pixelgan, width=2)
        >>> changed = discriminators.augmented(pixelgan, input_channels=3, probability=None)
        >>> _, state = changed.init(jax.random.key(0), jax.numpy.zeros((1, 16, 16, 6)))
        >>> float(state["augmentation"]["probability"])
        0.0
    """

    def init(key: Array, pair: Array) -> tuple[Params, State]:
        params, state = discriminator.init(key, pair)
        return params, state if probability is not None else state | {COLLECTION: {"probability": jnp.zeros(())}}

    def apply(params: Params, state: State, pair: Array, *, train: bool, key: Array | None = None) -> tuple[Any, State]:
        kept = {COLLECTION: state[COLLECTION]} if probability is None else {}
        inner = {name: value for name, value in state.items() if name not in kept}
        if key is not None:
            key, own = jax.random.split(key)
            chance = kept[COLLECTION]["probability"] if probability is None else probability
            change = partial(change_pair, input_channels=input_channels, changes=changes, strength=strength, fill=fill)
            pair = change(own, pair, probability=chance)
        output, inner = discriminator.apply(params, inner, pair, train=train, key=key)
        return output, inner | kept

    return Network(init, apply)


def adapt_probability(
    state: State, on_real: losses.Logits, *, target: float = 0.6, ramp: int, threshold: float = 0.0
) -> tuple[State, dict[str, Array]]:
    """Raises the probability of changes if the discriminator is too sure of the training pictures; an `adapt` of the step.

    Args:
        state: of an `augmented` discriminator with an adaptive probability.
        on_real: its logits of targets.
        target: the mean sign of these logits that is aimed at, in [-1, 1]: 0 if it cannot tell them from fakes, 1 if it is
            always right.
        ramp: steps from probability 0 to 1 at the fastest.
        threshold: logit between fake and real.

    Returns:
        the state, and the metrics `augmentation_probability` and `augmentation_sign`, the mean sign.

    Source: Karras et al., Training Generative Adversarial Networks with Limited Data, 2020, section 3.1.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import discriminators
        >>> state = {"augmentation": {"probability": jnp.zeros(())}}
        >>> state, _ = discriminators.adapt_probability(state, jnp.ones((1, 4, 4, 1)), ramp=10)
        >>> round(float(state["augmentation"]["probability"]), 3)
        0.1
    """
    sign = losses.mean_over_scales(lambda logits: jnp.sign(logits - threshold).mean(), on_real)
    old = state[COLLECTION]["probability"]
    new = jnp.clip(old + jnp.sign(sign - target) / ramp, 0, 1).astype(old.dtype)
    return state | {COLLECTION: {"probability": new}}, {"augmentation_probability": new, "augmentation_sign": sign}


def change_pair(
    key: Array,
    pair: Array,
    *,
    input_channels: int,
    changes: Sequence[Change],
    probability: float | Array = 1.0,
    strength: float = 1.0,
    fill: float = 0.0,
) -> Array:
    """Changes each pair of a batch at random.

    Args:
        key: a random key.
        pair: (n, h, w, input_channels + c), float in [-1, 1]: input and picture, stacked.
        input_channels: channels of the input.
        changes: to apply, in this order.
        probability: of each change for each pair.
        strength: factor of the largest shift, of the sides of the rectangle that is cut out, and of the range of colours.
        fill: of the input's pixels that have no source; those of the picture are 0.

    Returns:
        the changed pairs, of the same shape; pictures may leave [-1, 1].

    Raises:
        UserError: a change is not known.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import discriminators
        >>> pair = jnp.ones((1, 4, 4, 2))
        >>> cut = discriminators.change_pair(jax.random.key(1), pair, input_channels=1, changes=["cutout"])
        >>> bool((cut[..., 0] == cut[..., 1]).all()), int(cut.sum() / 2) < 16
        (True, True)
    """
    empty = jnp.asarray([fill] * input_channels + [0.0] * (pair.shape[-1] - input_channels), pair.dtype)
    for place, name in enumerate(changes):
        if name not in CHANGES:
            raise UserError(f"a discriminator's changes were given {name}: each must be one of {', '.join(CHANGES)}.")
        own, choice = jax.random.split(jax.random.fold_in(key, place))
        applied = jax.random.bernoulli(choice, probability, (len(pair),))
        pair = CHANGES[name](own, pair, applied, input_channels=input_channels, strength=strength, empty=empty)
    return pair


def _colour(key: Array, pair: Array, applied: Array, *, input_channels: int, strength: float, empty: Array) -> Array:
    del empty
    input, old = pair[..., :input_channels], pair[..., input_channels:]
    shape = (3, len(pair), 1, 1, 1)
    brightness, saturation, contrast = strength * jax.random.uniform(key, shape, pair.dtype, -0.5, 0.5)
    picture = old + brightness
    grey = picture.mean(-1, keepdims=True)
    picture = grey + (picture - grey) * (1 + 2 * saturation)
    mean = picture.mean((1, 2, 3), keepdims=True)
    picture = mean + (picture - mean) * (1 + contrast)
    return jnp.concatenate([input, jnp.where(applied.reshape(-1, 1, 1, 1), picture, old)], -1)


def _translation(key: Array, pair: Array, applied: Array, *, input_channels: int, strength: float, empty: Array) -> Array:
    del input_channels
    n, h, w, c = pair.shape
    most = [round(side * strength / 8) for side in (h, w)]
    keys = jax.random.split(key)
    starts = [
        limit + jnp.where(applied, jax.random.randint(own, (n,), -limit, limit + 1), 0)
        for own, limit in zip(keys, most, strict=True)
    ]
    # What lies outside of the picture is 0 after the fill is taken off, and the fill comes back at the end.
    padded = jnp.pad(pair - empty, ((0, 0), *((limit, limit) for limit in most), (0, 0)))
    move = jax.vmap(lambda one, y, x: lax.dynamic_slice(one, (y, x, 0), (h, w, c)))
    return move(padded, *starts) + empty


def _cutout(key: Array, pair: Array, applied: Array, *, input_channels: int, strength: float, empty: Array) -> Array:
    del input_channels
    keys, inside = jax.random.split(key), applied.reshape(-1, 1, 1, 1)
    for own, axis in zip(keys, (1, 2), strict=True):
        side = pair.shape[axis]
        size = round(side * strength / 2)
        first = jax.random.randint(own, (len(pair), 1), 0, side + 1 - size % 2) - size // 2
        places = jnp.arange(side)
        within = (places >= first) & (places < first + size)
        inside &= within.reshape((-1, side, 1, 1) if axis == 1 else (-1, 1, side, 1))
    return jnp.where(inside, empty, pair)


def _flip(key: Array, pair: Array, applied: Array, **_: Any) -> Array:
    chosen = applied & jax.random.bernoulli(key, 0.5, (len(pair),))
    return jnp.where(chosen.reshape(-1, 1, 1, 1), pair[:, :, ::-1], pair)


CHANGES = {"colour": _colour, "translation": _translation, "cutout": _cutout, "flip": _flip}

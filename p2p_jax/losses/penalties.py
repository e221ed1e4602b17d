"""Penalties on the discriminator's gradients: functions `(discriminate, key, input, real, fake) -> scalar`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.losses.judged import Logits

Penalty = Callable[..., Array]
"""`(discriminate, key, input, real, fake) -> scalar`; `discriminate` is `(input, picture) -> logits`."""


def gradient_penalty(
    discriminate: Callable[[Array, Array], Logits],
    key: Array,
    input: Array,
    real: Array,
    fake: Array,
    *,
    weight: float = 10.0,
) -> Array:
    """Penalises gradients of the discriminator whose norm is not 1, at interpolations of a real and a fake picture.

    Batch norm makes the gradient of one picture depend on the others of the batch: use instance norm or no norm.

    Args:
        discriminate: `(input, picture) -> logits`.
        key: for the weights of the interpolation, one per pair, uniform in [0, 1).
        input, real, fake: (n, h, w, c), float, in [-1, 1].
        weight: factor of the penalty.

    Returns:
        weight times the mean over the batch of (norm of the picture's gradient - 1) squared, a scalar.

    Source: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, section 4.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> discriminate = lambda input, picture: 3 * picture.sum((1, 2, 3))  # gradients of norm 6
        >>> pictures = jnp.zeros((1, 2, 2, 1))
        >>> float(losses.gradient_penalty(discriminate, jax.random.key(0), pictures, pictures, pictures))
        250.0
    """
    fraction = jax.random.uniform(key, (real.shape[0], 1, 1, 1), real.dtype)
    mixed = fraction * real + (1 - fraction) * fake

    norm = jnp.sqrt(_squared_norms(discriminate, input, mixed) + 1e-12)
    return weight * jnp.square(norm - 1).mean()


def r1(
    discriminate: Callable[[Array, Array], Logits],
    key: Array,
    input: Array,
    real: Array,
    fake: Array,
    *,
    weight: float = 10.0,
) -> Array:
    """Penalises gradients of the discriminator at real pictures.

    Batch norm makes the gradient of one picture depend on the others of the batch: use instance norm or no norm.

    Args:
        discriminate: `(input, picture) -> logits`.
        key: not used.
        input, real, fake: (n, h, w, c), float, in [-1, 1].
        weight: factor of the penalty, the gamma of the paper.

    Returns:
        weight / 2 times the mean over the batch of the squared norm of the picture's gradient, a scalar.

    Source: Mescheder et al., Which Training Methods for GANs do actually Converge?, 2018, equation 9.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> discriminate = lambda input, picture: 3 * picture.sum((1, 2, 3))  # gradients of norm 6
        >>> pictures = jnp.zeros((1, 2, 2, 1))
        >>> float(losses.r1(discriminate, jax.random.key(0), pictures, pictures, pictures, weight=1.0))
        18.0
    """
    del key, fake
    return weight / 2 * _squared_norms(discriminate, input, real).mean()


def r2(
    discriminate: Callable[[Array, Array], Logits],
    key: Array,
    input: Array,
    real: Array,
    fake: Array,
    *,
    weight: float = 10.0,
) -> Array:
    """Penalises gradients of the discriminator at fakes: `r1` of the fakes.

    Source: Mescheder et al., Which Training Methods for GANs do actually Converge?, 2018, equation 10.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> discriminate = lambda input, picture: 3 * picture.sum((1, 2, 3))  # gradients of norm 6
        >>> pictures = jnp.zeros((1, 2, 2, 1))
        >>> float(losses.r2(discriminate, jax.random.key(0), pictures, pictures, pictures, weight=1.0))
        18.0
    """
    return r1(discriminate, key, input, fake, real, weight=weight)


def add_penalties(*penalties: Penalty) -> Penalty:
    """Returns the sum of penalties, each of which has a key of its own.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> discriminate = lambda input, picture: 3 * picture.sum((1, 2, 3))
        >>> pictures = jnp.zeros((1, 2, 2, 1))
        >>> both = losses.add_penalties(losses.r1, losses.r2)
        >>> float(both(discriminate, jax.random.key(0), pictures, pictures, pictures))
        360.0
    """

    def penalize(discriminate: Callable[[Array, Array], Logits], key: Array, *pictures: Array) -> Array:
        keys = jax.random.split(key, len(penalties))
        return jnp.stack([each(discriminate, own, *pictures) for each, own in zip(penalties, keys, strict=True)]).sum()

    return penalize


def _squared_norms(discriminate: Callable[[Array, Array], Logits], input: Array, picture: Array) -> Array:
    """The squared norm of each picture's gradient, (n,)."""

    def score(picture: Array) -> Array:
        # The sum over pictures of the mean over patches: each picture has its own gradient.
        leaves = jax.tree.leaves(discriminate(input, picture))
        return jnp.stack([leaf.reshape(leaf.shape[0], -1).mean(1).sum() for leaf in leaves]).sum()

    return jnp.square(jax.grad(score)(picture).reshape(picture.shape[0], -1)).sum(1)

"""Losses: plain functions of arrays to one number, to be made small."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.errors import UserError

Logits = Any


class Adversarial(NamedTuple):
    """A GAN's two sides of one game. Logits are an array (n, h, w, 1), or a tree of such (several scales, averaged).

    Attributes:
        discriminator: `(logits, is_real) -> scalar`, what the discriminator makes small.
        generator: `(logits) -> scalar`, what the generator makes small, from the logits of its fakes.
        threshold: the logit above which the discriminator says "real", for its accuracy.
    """

    discriminator: Callable[[Logits, bool], Array]
    generator: Callable[[Logits], Array]
    threshold: float = 0.0


def _mean_over_scales(loss: Callable[[Array], Array], logits: Logits) -> Array:
    return jnp.stack([loss(leaf) for leaf in jax.tree.leaves(logits)]).mean()


def binary_cross_entropy(logits: Array, target: float, *, epsilon: float = 0.0) -> Array:
    """Log loss of a probability given as a logit: mean of -(t log p + (1 - t) log(1 - p)), p = sigmoid(logits).

    Args:
        logits: any shape; computed from the logit itself, so that no confident answer overflows.
        target: the probability wanted, in [0, 1].
        epsilon: added to p and 1 - p inside the logarithm, as the Torch and TensorFlow 1 originals do (1e-12), which
            takes the gradient from answers that are very sure and wrong; 0 for the exact loss.
    """
    if epsilon:
        real, fake = jnp.log(jax.nn.sigmoid(logits) + epsilon), jnp.log(jax.nn.sigmoid(-logits) + epsilon)
        return -(target * real + (1 - target) * fake).mean()
    return (target * jax.nn.softplus(-logits) + (1 - target) * jax.nn.softplus(logits)).mean()


def _toward(loss: Callable[[Array, float], Array], logits: Logits, is_real: bool) -> Array:
    return _mean_over_scales(lambda leaf: loss(leaf, 1.0 if is_real else 0.0), logits)


def _squared_distance(logits: Array, target: float) -> Array:
    return jnp.square(logits - target).mean()


bce = Adversarial(
    discriminator=lambda logits, is_real: _toward(binary_cross_entropy, logits, is_real),
    generator=lambda logits: _toward(binary_cross_entropy, logits, True),
)
"""Binary cross-entropy, the generator made to be called real (non-saturating). Source: Isola et al. 2017, section 3.3."""


def bce_with_epsilon(epsilon: float) -> Adversarial:
    """`bce` with `epsilon` inside its logarithms, see `binary_cross_entropy`."""
    loss = partial(binary_cross_entropy, epsilon=epsilon)
    return Adversarial(lambda logits, is_real: _toward(loss, logits, is_real), lambda logits: _toward(loss, logits, True))


least_squares = Adversarial(
    discriminator=lambda logits, is_real: _toward(_squared_distance, logits, is_real),
    generator=lambda logits: _toward(_squared_distance, logits, True),
    threshold=0.5,
)
"""Squared distance to 1 (real) and 0 (fake). Source: Mao et al., Least Squares GANs, 2017."""

hinge = Adversarial(
    discriminator=lambda logits, is_real: _mean_over_scales(
        lambda leaf: jnp.maximum(0, 1 - leaf if is_real else 1 + leaf).mean(), logits
    ),
    generator=lambda logits: -_mean_over_scales(jnp.mean, logits),
)
"""Hinge for the discriminator, plain score for the generator. Source: Lim and Ye, Geometric GAN, 2017."""

wasserstein = Adversarial(
    discriminator=lambda logits, is_real: (-1 if is_real else 1) * _mean_over_scales(jnp.mean, logits),
    generator=lambda logits: -_mean_over_scales(jnp.mean, logits),
)
"""Difference of mean scores; needs `gradient_penalty`. Source: Arjovsky et al., Wasserstein GAN, 2017."""


def smooth_labels(adversarial: Adversarial, amount: float) -> Adversarial:
    """One-sided label smoothing: real pictures count as real with 1 - amount and as fake with amount.

    For cross-entropy this is exactly the target 1 - amount, for least squares the same gradient.

    Source: Salimans et al., Improved Techniques for Training GANs, 2016, section 3.4.

    Raises:
        UserError: amount is not in [0, 1).
    """
    if not 0 <= amount < 1:
        raise UserError(f"label smoothing was given {amount}: it must be at least 0 and below 1, for example 0.1.")

    def discriminator(logits: Logits, is_real: bool) -> Array:
        loss = adversarial.discriminator
        if not is_real:
            return loss(logits, False)
        return (1 - amount) * loss(logits, True) + amount * loss(logits, False)

    return adversarial._replace(discriminator=discriminator)


def weigh_generator(adversarial: Adversarial, weight: float) -> Adversarial:
    """The same game with the generator's side multiplied by `weight`; 0 leaves it to the reconstruction alone."""
    return adversarial._replace(generator=lambda logits: weight * adversarial.generator(logits))


def l1(fake: Array, target: Array) -> Array:
    """Mean absolute difference over all pixels and channels: is smallest at the median, so edges stay sharp.

    Its slope is 0 where both are equal, as PyTorch's; JAX's own absolute value has 1 there.
    """
    difference = fake - target
    return (difference * jnp.sign(difference)).mean()


def l2(fake: Array, target: Array) -> Array:
    """Mean squared difference (MSE) over all pixels and channels: is smallest at the mean, so it blurs."""
    return jnp.square(fake - target).mean()


def gradient_penalty(
    discriminate: Callable[[Array, Array], Logits],
    key: Array,
    input: Array,
    real: Array,
    fake: Array,
    *,
    weight: float = 10.0,
) -> Array:
    """Pushes the slope of the discriminator towards 1 on pictures mixed of a real and a fake one.

    Args:
        discriminate: `(input, picture) -> logits`.
        key: for the mixing shares, one per pair, uniform in [0, 1).
        input, real, fake: (n, h, w, c), float.
        weight: factor of the penalty.

    Returns:
        weight times the mean over the batch of (norm of the gradient by the picture - 1) squared.

    Source: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, section 4. A norm that mixes the pictures of a
    batch (batch norm) makes the gradient of one depend on the others: use instance norm or none with it.
    """
    share = jax.random.uniform(key, (real.shape[0], 1, 1, 1), real.dtype)
    mixed = share * real + (1 - share) * fake

    def score(picture: Array) -> Array:
        # The mean over its patches for every picture, added up: no picture's gradient meets another's.
        leaves = jax.tree.leaves(discriminate(input, picture))
        return jnp.stack([leaf.reshape(leaf.shape[0], -1).mean(1).sum() for leaf in leaves]).sum()

    gradient = jax.grad(score)(mixed).reshape(real.shape[0], -1)
    norm = jnp.sqrt(jnp.square(gradient).sum(1) + 1e-12)
    return weight * jnp.square(norm - 1).mean()

"""Losses of a GAN: those of both networks, label smoothing, and relativistic pairing."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.errors import UserError
from p2p_jax.losses.judged import Logits


class Adversarial(NamedTuple):
    """The losses of both networks of a GAN.

    Attributes:
        discriminator: `(logits, is_real) -> scalar`, which the discriminator minimises.
        generator: `(logits) -> scalar`, which the generator minimises, for the logits of its fakes.
        threshold: the logit above which a patch counts as classified as real, for the discriminator's accuracy.
        relative: whether the logits are those of a picture minus those of the other one of its pair: see `relativistic`.
        score: from the logits to those that are compared with the threshold.
    """

    discriminator: Callable[[Logits, bool], Array]
    generator: Callable[[Logits], Array]
    threshold: float = 0.0
    relative: bool = False
    score: Callable[[Logits], Logits] = lambda logits: logits


def mean_over_scales(loss: Callable[[Array], Array], logits: Logits) -> Array:
    """Returns the mean of a loss over the scales of a discriminator.

    Args:
        loss: of one array of logits, `(array) -> scalar`.
        logits: one array, or a tree of arrays.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> float(losses.mean_over_scales(jnp.mean, [jnp.zeros((1, 8, 8, 1)), jnp.ones((1, 4, 4, 1))]))
        0.5
    """
    return jnp.stack([loss(leaf) for leaf in jax.tree.leaves(logits)]).mean()


def binary_cross_entropy(logits: Array, target: float, *, epsilon: float = 0.0) -> Array:
    """Mean of -(t log p + (1 - t) log(1 - p)) with p = sigmoid(logits).

    Args:
        logits: any shape, float. The loss is computed from the logit, so that large logits do not overflow.
        target: the desired probability t, in [0, 1].
        epsilon: added to p and 1 - p inside the logarithms, as in the Torch and TensorFlow 1 originals (1e-12); it removes
            the gradient of very large logits of the wrong sign. 0 computes the exact loss.

    Returns:
        a scalar, at least 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> loss = losses.binary_cross_entropy(jnp.zeros((1, 30, 30, 1)), 1.0)  # log 2
        >>> round(float(loss), 3)
        0.693
    """
    if epsilon:
        real, fake = jnp.log(jax.nn.sigmoid(logits) + epsilon), jnp.log(jax.nn.sigmoid(-logits) + epsilon)
        return -(target * real + (1 - target) * fake).mean()
    return (target * jax.nn.softplus(-logits) + (1 - target) * jax.nn.softplus(logits)).mean()


def _toward(loss: Callable[[Array, float], Array], logits: Logits, is_real: bool) -> Array:
    return mean_over_scales(lambda leaf: loss(leaf, 1.0 if is_real else 0.0), logits)


def _squared_distance(logits: Array, target: float) -> Array:
    return jnp.square(logits - target).mean()


bce = Adversarial(
    discriminator=lambda logits, is_real: _toward(binary_cross_entropy, logits, is_real),
    generator=lambda logits: _toward(binary_cross_entropy, logits, True),
)
"""Binary cross-entropy, with the non-saturating loss of the generator. Source: Isola et al. 2017, section 3.3."""


def bce_with_epsilon(epsilon: float) -> Adversarial:
    """Returns `bce` with `epsilon` inside its logarithms, see `binary_cross_entropy`.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> adversarial = losses.bce_with_epsilon(1e-12)
        >>> round(float(adversarial.generator(jnp.zeros((1, 30, 30, 1)))), 3)
        0.693
    """
    loss = partial(binary_cross_entropy, epsilon=epsilon)
    return Adversarial(lambda logits, is_real: _toward(loss, logits, is_real), lambda logits: _toward(loss, logits, True))


least_squares = Adversarial(
    discriminator=lambda logits, is_real: _toward(_squared_distance, logits, is_real),
    generator=lambda logits: _toward(_squared_distance, logits, True),
    threshold=0.5,
)
"""Squared distance to 1 (real) and 0 (fake). Source: Mao et al., Least Squares GANs, 2017."""

hinge = Adversarial(
    discriminator=lambda logits, is_real: mean_over_scales(
        lambda leaf: jnp.maximum(0, 1 - leaf if is_real else 1 + leaf).mean(), logits
    ),
    generator=lambda logits: -mean_over_scales(jnp.mean, logits),
)
"""Hinge loss for the discriminator, negative mean logit for the generator. Source: Lim and Ye, Geometric GAN, 2017."""

wasserstein = Adversarial(
    discriminator=lambda logits, is_real: (-1 if is_real else 1) * mean_over_scales(jnp.mean, logits),
    generator=lambda logits: -mean_over_scales(jnp.mean, logits),
)
"""Difference of mean logits, for use with `gradient_penalty`. Source: Arjovsky et al., Wasserstein GAN, 2017."""


def smooth_labels(adversarial: Adversarial, amount: float) -> Adversarial:
    """Returns the losses with one-sided label smoothing: real pictures count as fake with weight `amount`.

    For cross-entropy this equals a target of 1 - amount; for least squares only the gradient is equal.

    Args:
        adversarial: the losses.
        amount: in [0, 1).

    Source: Salimans et al., Improved Techniques for Training GANs, 2016, section 3.4.

    Raises:
        UserError: `amount` is not in [0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> adversarial = losses.smooth_labels(losses.least_squares, 0.1)
        >>> round(float(adversarial.discriminator(jnp.ones((1, 30, 30, 1)), True)), 3)
        0.1
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
    """Multiplies the generator's loss by `weight`; with 0 only the reconstruction loss trains the generator.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> adversarial = losses.weigh_generator(losses.least_squares, 0.5)
        >>> float(adversarial.generator(jnp.zeros((1, 30, 30, 1))))
        0.5
    """
    return adversarial._replace(generator=lambda logits: weight * adversarial.generator(logits))


def relativistic(adversarial: Adversarial) -> Adversarial:
    """Returns losses of pairs: whether the target looks more real than the fake of the same input, and the fake than it.

    Both networks see differences of logits, so neither can win by one constant for all pictures.

    Source: Huang et al., The GAN is dead; long live the GAN! (R3GAN), 2024, equation 2; Jolicoeur-Martineau, The
    relativistic discriminator, 2018.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> adversarial = losses.relativistic(losses.hinge)
        >>> fake, real = losses.compare(adversarial, jnp.full((1, 2, 2, 1), 5.0), jnp.full((1, 2, 2, 1), 5.0))
        >>> float(adversarial.discriminator(real, True))
        1.0
    """
    return adversarial._replace(relative=True)


def compare(adversarial: Adversarial, on_fake: Logits, on_real: Logits) -> tuple[Logits, Logits]:
    """Returns the logits of fakes and targets as the losses want them: unchanged, or as differences within each pair.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> fake, real = jnp.zeros((1, 1, 1, 1)), jnp.ones((1, 1, 1, 1))
        >>> [float(each[0, 0, 0, 0]) for each in losses.compare(losses.relativistic(losses.bce), fake, real)]
        [-1.0, 1.0]
    """
    if not adversarial.relative:
        return on_fake, on_real
    difference = jax.tree.map(jnp.subtract, on_fake, on_real)
    return difference, jax.tree.map(jnp.negative, difference)

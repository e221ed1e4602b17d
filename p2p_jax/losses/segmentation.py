"""The losses of a discriminator that tells the class of every pixel, or that it is fake, and its penalty LabelMix."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.losses.adversarial import Adversarial


class Segmented(NamedTuple):
    """What a segmentation discriminator says of a picture, in place of the logits of patches.

    Attributes:
        logits: (n, h, w, classes + 1); the last one is that of a fake pixel.
        labels: (n, h, w, classes), 1 for the class of the pixel in the input and 0 for the others; 0 for all classes where
            the class is not known, which has no loss.
    """

    logits: Array
    labels: Array


def balance_classes(labels: Array) -> Array:
    """Returns the weight of each class: the inverse of its frequency in the batch, so that all classes count alike.

    With these weights the mean of a loss over all pixels is the mean over the classes that occur of the mean over the
    pixels of a class.

    Args:
        labels: (n, h, w, classes), 1 for the class of a pixel and 0 for the others, or 0 for all.

    Returns:
        (classes,): n h w / (classes that occur x pixels of the class), and 0 for a class that does not occur.

    Source: Schönfeld et al., You Only Need Adversarial Supervision for Semantic Image Synthesis (OASIS), 2021, equation 2.
    The paper divides by the frequency alone; the number of classes that occur is from its official code
    (boschresearch/OASIS, `get_class_balancing`).

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> labels = jax.nn.one_hot(jnp.array([[[0, 0, 0, 1]]]), 3)
        >>> [round(float(weight), 3) for weight in losses.balance_classes(labels)]
        [0.667, 2.0, 0.0]
    """
    pixels = labels.sum((0, 1, 2))
    occurring = (pixels > 0).sum()
    every = labels.shape[0] * labels.shape[1] * labels.shape[2]
    return jnp.where(pixels > 0, every / jnp.maximum(occurring * pixels, 1), 0)


def label_loss(judged: Segmented) -> Array:
    """The cross-entropy of every pixel to its class, weighted by `balance_classes`: pixels that should look real.

    Args:
        judged: of real pictures in the discriminator's loss, of fakes in the generator's.

    Returns:
        a scalar, at least 0: the mean over all pixels.

    Source: Schönfeld et al., OASIS, 2021, equations 1 and 2.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> labels = jax.nn.one_hot(jnp.array([[[0, 0, 0, 1]]]), 3)
        >>> loss = losses.label_loss(losses.Segmented(jnp.zeros((1, 1, 4, 4)), labels))  # log 4
        >>> round(float(loss), 3)
        1.386
    """
    weights = judged.labels * balance_classes(judged.labels)
    return -(weights * jax.nn.log_softmax(judged.logits)[..., :-1]).sum(-1).mean()


def fake_loss(judged: Segmented) -> Array:
    """The cross-entropy of every pixel to 'fake', as the mean over the pixels whose class is known: pixels of fakes.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> labels = jax.nn.one_hot(jnp.array([[[0, 0, 0, 1]]]), 3)
        >>> loss = losses.fake_loss(losses.Segmented(jnp.zeros((1, 1, 4, 4)), labels))
        >>> round(float(loss), 3)
        1.386
    """
    known = judged.labels.sum(-1)
    return -(known * jax.nn.log_softmax(judged.logits)[..., -1]).sum() / jnp.maximum(known.sum(), 1)


def _log_odds(judged: Segmented) -> Array:
    """The logarithm of the odds that a pixel belongs to any class, (n, h, w): above 0 it looks real rather than fake."""
    return jax.nn.logsumexp(judged.logits[..., :-1], axis=-1) - judged.logits[..., -1]


segmentation_adversarial = Adversarial(
    discriminator=lambda judged, is_real: label_loss(judged) if is_real else fake_loss(judged),
    generator=label_loss,
    score=_log_odds,
)
"""Cross-entropy to N classes and 'fake', for a discriminator that returns `Segmented`: a picture has to show every pixel's
class, and no pixel may look fake. Source: Schönfeld et al., OASIS, 2021, section 3.2."""


def label_mix(
    discriminate: Callable[[Array, Array], Segmented],
    key: Array,
    input: Array,
    real: Array,
    fake: Array,
    *,
    weight: float = 10.0,
) -> Array:
    """Penalises logits of a picture mixed from a real one and a fake that differ from the logits mixed in the same way.

    In each pair, every class of the label map is taken from the real picture or from the fake, at random. So the seams run
    along the borders of the classes, and the discriminator learns not to judge a pixel by what lies beyond them.

    Args:
        discriminate: `(input, picture) -> Segmented`.
        key: for the choice, fair and independent for each class of each pair.
        input: (n, h, w, classes), one-hot in {-1, 1}.
        real, fake: (n, h, w, c), float, in [-1, 1].
        weight: factor of the penalty; 10 in the paper.

    Returns:
        weight times the mean over pixels and logits of the squared difference, a scalar.

    Source: Schönfeld et al., OASIS, 2021, section 3.2 and equation 4, as the mean over all logits as in the official code
    (`loss_labelmix`), which draws one choice for each class of the whole batch.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> discriminate = lambda input, picture: losses.Segmented(3 * picture, input)  # judges each pixel by itself
        >>> labels = 2 * jax.nn.one_hot(jnp.array([[[0, 0, 0, 1]]]), 2) - 1
        >>> float(losses.label_mix(discriminate, jax.random.key(0), labels, labels, -labels))
        0.0
    """
    from_real = _draw_regions(key, input)
    mixed = discriminate(input, jnp.where(from_real, real, fake)).logits
    expected = jnp.where(from_real, discriminate(input, real).logits, discriminate(input, fake).logits)
    return weight * jnp.square(mixed - expected).mean()


def _draw_regions(key: Array, input: Array) -> Array:
    """A mask (n, h, w, 1) with one random value for all pixels of a class in a pair, from one-hot labels."""
    chosen = jax.random.bernoulli(key, shape=(input.shape[0], 1, 1, input.shape[-1]))
    return ((input > 0) & chosen).any(-1, keepdims=True)

"""Reconstruction losses: pure functions of a fake and its target, and how the pixels of a batch count in them."""

import jax
import jax.numpy as jnp
from jax import Array


def l1(fake: Array, target: Array) -> Array:
    """Mean absolute difference over all pixels and channels. The median minimises it, so edges stay sharp.

    Where both are equal, the gradient is 0, as in PyTorch; the gradient of `jnp.abs` would be 1.

    Args:
        fake, target: (n, h, w, c), in [-1, 1].

    Returns:
        a scalar, at least 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> float(losses.l1(jnp.array([0.0, 0.5]), jnp.array([0.0, 0.0])))
        0.25
    """
    difference = fake - target
    return (difference * jnp.sign(difference)).mean()


def l2(fake: Array, target: Array) -> Array:
    """Mean squared difference (MSE) over all pixels and channels. The mean minimises it, so outputs are blurred.

    Args:
        fake, target: (n, h, w, c), in [-1, 1].

    Returns:
        a scalar, at least 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> float(losses.l2(jnp.array([0.0, 0.5]), jnp.array([0.0, 0.0])))
        0.125
    """
    return jnp.square(fake - target).mean()


def cross_entropy(fake: Array, target: Array, *, scale: float = 10.0) -> Array:
    """Softmax cross-entropy over the channels of a label map (one-hot), as mean over all pixels.

    The logits are the fake times `scale`. A generator ends in tanh, and with logits in [-1, 1] no class could be more than
    e^2 times as likely as another; with a scale of 10 it is up to e^20 times. So networks, checkpoints and what the
    discriminator sees do not depend on the loss, and a fake that equals its target has a loss of 0 up to rounding.

    Args:
        fake: (n, h, w, classes), in [-1, 1].
        target: (n, h, w, classes), 1 for the class and -1 for the others. A pixel counts in proportion to the sum of
            (target + 1) / 2 over its channels, see `weigh_classes`.
        scale: logits per unit of the fake.

    Returns:
        a scalar, at least 0; at most 2 scale + log(classes).

    Source: Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015, section 3.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> target = jnp.array([[[[1.0, -1.0]]]])
        >>> [abs(round(float(losses.cross_entropy(fake, target)), 3)) for fake in (0 * target, target, -target)]
        [0.693, 0.0, 20.0]
    """
    return -((target + 1) / 2 * jax.nn.log_softmax(scale * fake)).sum(-1).mean()


def weigh(fake: Array, target: Array, weight: Array | None) -> Array:
    """Moves the fake towards the target where the weight is below 1, which scales their difference in any loss.

    Args:
        fake, target: (n, h, w, c), in [-1, 1].
        weight: (n, h, w, 1), in [0, 1]; None returns the fake.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> losses.weigh(jnp.array([1.0, 1.0]), jnp.array([0.0, 0.0]), jnp.array([1.0, 0.25])).tolist()
        [1.0, 0.25]
    """
    return fake if weight is None else target + weight * (fake - target)


def weigh_difference(fake: Array, target: Array, weight: Array | None) -> tuple[Array, Array]:
    """The arguments of a loss of differences, such as L1, of which every pixel is to count by its weight: see `weigh`.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> pair = losses.weigh_difference(jnp.array([1.0, 1.0]), jnp.array([0.0, 0.0]), jnp.array([1.0, 0.25]))
        >>> float(losses.l1(*pair))
        0.625
    """
    return weigh(fake, target, weight), target


def weigh_classes(fake: Array, target: Array, weight: Array | None) -> tuple[Array, Array]:
    """The arguments of `cross_entropy`, of which every pixel is to count by its weight.

    A difference scaled by `weigh` would not do: half the difference of two logits has much less than half the loss.

    Args:
        fake, target: (n, h, w, classes), in [-1, 1].
        weight: (n, h, w, 1), in [0, 1]; None returns both unchanged.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> target, weight = jnp.array([[[[1.0, -1.0], [1.0, -1.0]]]]), jnp.array([[[[1.0], [0.5]]]])
        >>> float(losses.cross_entropy(*losses.weigh_classes(-target, target, weight)))
        15.0
    """
    return fake, target if weight is None else weight * (target + 1) - 1


def keep_known(fake: Array, target: Array, known: Array | None) -> Array:
    """Replaces the fake by the target where the target is not known, so that such pixels have no loss and no gradient.

    Args:
        fake, target: (n, h, w, c), in [-1, 1].
        known: (n, h, w, 1), 0 where the target is not known and 1 elsewhere; None returns the fake.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> losses.keep_known(jnp.array([1.0, 1.0]), jnp.array([0.5, 0.5]), jnp.array([1.0, 0.0])).tolist()
        [1.0, 0.5]
    """
    return fake if known is None else jnp.where(known > 0, fake, target).astype(fake.dtype)

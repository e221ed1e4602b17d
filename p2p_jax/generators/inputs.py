"""What a generator sees of the input in training: networks made of another generator.

Only the generator's view changes. The discriminator judges the true pair: a fake that does not fit the input stays a
mistake, and label maps stay exact labels. The target stays, too.
"""

from collections.abc import Callable

import jax
from jax import Array

from p2p_jax import ops
from p2p_jax.network import Network, Params, State

# Each use of randomness folds its own number into the key of the pass, so that it changes none of the others.
NOISE, WARP = range(1, 3)


def with_input_noise(generator: Network, *, stddev: float) -> Network:
    """Returns a generator that sees inputs with Gaussian noise in training.

    Args:
        generator: from an input (n, h, w, c).
        stddev: standard deviation of the noise, in the unit of pictures in [-1, 1]; the result is not clipped.

    Returns:
        a network with the same params, state and output. The noise acts only if `apply` is given `train` True and a key.

    Source: Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995.

    Example:
        >>> import jax
        >>> from p2p_jax import generators
        >>> from p2p_jax.network import Network
        >>> shown = Network(lambda key, x: ({}, {}), lambda params, state, x, **options: (x, state))
        >>> noisy, x = generators.with_input_noise(shown, stddev=0.1), jax.numpy.zeros((1, 64, 64, 3))
        >>> seen = [noisy.apply({}, {}, x, train=train, key=jax.random.key(0))[0] for train in (True, False)]
        >>> [round(float(each.std()), 2) for each in seen]
        [0.1, 0.0]
    """
    return _changed(
        generator, lambda key, x: x + stddev * jax.random.normal(jax.random.fold_in(key, NOISE), x.shape, x.dtype)
    )


def with_input_warp(generator: Network, *, strength: float, knots: int = 5) -> Network:
    """Returns a generator that sees label maps with randomly warped shapes in training.

    Args:
        generator: from label maps (n, h, w, c).
        strength, knots: as in `ops.displace`; warped label maps hold no new values, so one-hot stays one-hot.

    Returns:
        a network with the same params, state and output. The warp acts only if `apply` is given `train` True and a key.

    Source: Katiyar and Khoreva, Improving Augmentation and Evaluation Schemes for Semantic Image Synthesis, 2020: "randomly
    warp object shapes in the semantic label maps used as an input to the generator".

    Example:
        >>> import jax
        >>> from p2p_jax import generators
        >>> from p2p_jax.network import Network
        >>> shown = Network(lambda key, x: ({}, {}), lambda params, state, x, **options: (x, state))
        >>> warped = generators.with_input_warp(shown, strength=0.1)
        >>> labels = jax.numpy.eye(16).reshape(1, 16, 16, 1)
        >>> seen, _ = warped.apply({}, {}, labels, train=True, key=jax.random.key(0))
        >>> sorted(set(seen.ravel().tolist())), bool((seen == labels).all())
        ([0.0, 1.0], False)
    """
    return _changed(generator, lambda key, x: ops.displace(jax.random.fold_in(key, WARP), x, strength, knots=knots))


def _changed(generator: Network, change: Callable[[Array, Array], Array]) -> Network:
    """The generator of inputs that are changed in training, if there is a key."""

    def apply(params: Params, state: State, x: Array, *, train: bool, key: Array | None = None) -> tuple[Array, State]:
        x = change(key, x) if train and key is not None else x
        return generator.apply(params, state, x, train=train, key=key)

    return generator._replace(apply=apply)

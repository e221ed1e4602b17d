"""What a discriminator sees of a pair: networks made of another discriminator."""

from typing import Any

import jax
from jax import Array

from p2p_jax.network import Network, Params, State

# Its own number is folded into the key of a pass, so that the noise changes no other random numbers. The first numbers are
# those of `at_scales`.
NOISE = 16


def without_input(discriminator: Network, channels: int) -> Network:
    """Returns a discriminator of an unconditional GAN, which does not see the input.

    Args:
        discriminator: of pictures alone (n, h, w, c').
        channels: of the input, the first ones of the (n, h, w, c + c') that the result is given.

    Source: Isola et al. 2017, section 3.1: "an unconditional variant in which the discriminator does not observe x".
    """
    return Network(
        lambda key, pair: discriminator.init(key, pair[..., channels:]),
        lambda params, state, pair, **options: discriminator.apply(params, state, pair[..., channels:], **options),
    )


def with_noise(discriminator: Network, channels: int, *, stddev: float) -> Network:
    """Returns a discriminator that sees pictures with Gaussian noise (instance noise), and the input without.

    With noise the distributions of real pictures and of fakes overlap, so that no discriminator can separate them with
    certainty. The input needs none, because it is the same for both.

    Args:
        discriminator: of pairs (n, h, w, c + c').
        channels: of the input, c.
        stddev: standard deviation of the noise, in the unit of pictures in [-1, 1]; the result is not clipped.

    Returns:
        a network with the same params, state and output. The noise acts only if `apply` is given a key, as in all
        passes of a step; passes with keys of their own have noise of their own.

    Source: Arjovsky and Bottou, Towards Principled Methods for Training Generative Adversarial Networks, 2017, section 3;
    Sønderby et al., Amortised MAP Inference for Image Super-resolution, 2017, section 2.3.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators
        >>> from p2p_jax.network import Network
        >>> shown = Network(lambda key, pair: ({}, {}), lambda params, state, pair, **options: (pair, state))
        >>> noisy = discriminators.with_noise(shown, 3, stddev=0.1)
        >>> pair = jax.numpy.zeros((1, 64, 64, 6))
        >>> seen, _ = noisy.apply({}, {}, pair, train=True, key=jax.random.key(0))
        >>> float(seen[..., :3].std()), round(float(seen[..., 3:].std()), 2)
        (0.0, 0.1)
    """

    def apply(params: Params, state: State, pair: Array, *, train: bool, key: Array | None = None) -> tuple[Any, State]:
        if key is not None:
            noise = jax.random.normal(jax.random.fold_in(key, NOISE), pair[..., channels:].shape, pair.dtype)
            pair = pair.at[..., channels:].add(stddev * noise)
        return discriminator.apply(params, state, pair, train=train, key=key)

    return discriminator._replace(apply=apply)

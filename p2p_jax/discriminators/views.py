"""What a discriminator sees of a pair: networks made of another discriminator."""

from p2p_jax.network import Network


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

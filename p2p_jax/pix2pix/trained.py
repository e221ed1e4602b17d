"""Builds the parts of a step that use networks which others have trained on photographs."""

from collections.abc import Callable

from jax import Array

from p2p_jax import discriminators
from p2p_jax.config import Config, Loss, count_channels
from p2p_jax.features.perceptual import open_levels, open_loss
from p2p_jax.network import Network, network
from p2p_jax.pix2pix.networks import build_norm


def build_perceptual(loss: Loss) -> Callable[[Array, Array], Array] | None:
    """Builds the perceptual loss with its factor; its weights are read when it is first called."""
    if not loss.perceptual:
        return None
    distance = open_loss(loss.perceptual_network)
    return lambda fake, target: loss.perceptual * distance(fake, target)


def build_projected(config: Config, discriminator: Network) -> Network:
    """Sets heads on EfficientNet-Lite0's features beside a discriminator; its weights are read at the first call.

    The finest of its levels is left out, as in the paper. The heads have the discriminator's width and norm, and always
    spectral norm, as in the authors' code.
    """
    options, levels = config.discriminator, open_levels()
    heads = network(
        discriminators.projected_heads,
        width=options.width,
        norm=build_norm(options),
        leaky_slope=options.leaky_slope,
        dtype=config.dtype,
    )
    return discriminators.with_projected(
        discriminator,
        discriminators.spectral_norm(heads),
        lambda picture: levels(picture)[1:],
        count_channels(config.data.input),
        width=options.width,
    )

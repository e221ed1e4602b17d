"""Checks that a run has the weights of the trained networks that its losses use, and that its pictures suit them."""

from p2p_jax.config import Config, as_size
from p2p_jax.config.checks import varies
from p2p_jax.errors import UserError
from p2p_jax.features import packages
from p2p_jax.features.backbones import SMALLEST
from p2p_jax.features.perceptual import SHIPPED


def check_trained_weights(config: Config) -> None:
    """Refuses a perceptual loss or a projected discriminator whose weights are not installed, and pictures too small.

    The weights are read only when the step is compiled, when a run has written its first files already.

    Raises:
        UserError: weights are missing, or the pictures are too small.
    """
    loss, needed = config.loss, {}
    if loss.perceptual:
        network = loss.perceptual_network
        option = f"--loss.perceptual {loss.perceptual} (with --loss.perceptual-network {network})"
        needed[option], smallest = SHIPPED[network], SMALLEST.get(network, 1)
        if not varies(config) and min(as_size(config.image_size)) < smallest:
            raise UserError(
                f"{option} was given with --image-size {config.image_size}: its network needs at least {smallest} pixels a "
                "side; give larger pictures, or another network."
            )
    if config.discriminator.projected:
        needed["--discriminator.projected"] = SHIPPED["lite0"]
    for option, shipped in needed.items():
        lacking = packages.missing(shipped)
        if lacking is not None:
            raise UserError(f"{option} was given, but {lacking}.")

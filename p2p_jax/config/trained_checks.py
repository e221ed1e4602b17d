"""Checks of the options that use networks which others have trained on photographs."""

from p2p_jax.config.derived import count_classes
from p2p_jax.config.schema import Config
from p2p_jax.errors import UserError


def check_trained(config: Config) -> None:
    """Refuses a perceptual loss and a projected discriminator for targets that such networks have never seen.

    Raises:
        UserError: the targets are label maps or have neither 1 nor 3 channels, or a network was named without its loss.
    """
    loss, target = config.loss, config.data.target
    if loss.perceptual_network != "vgg" and not loss.perceptual:
        raise UserError(
            f"--loss.perceptual-network was given {loss.perceptual_network}, but the perceptual loss has no factor: give "
            "--loss.perceptual, for example 10."
        )
    if target.kind == "image" and not count_classes(target) and target.channels in ((1,), (3,)):
        return
    options = {f"--loss.perceptual {loss.perceptual}": loss.perceptual}
    options["--discriminator.projected"] = config.discriminator.projected
    for option, given in options.items():
        if given:
            raise UserError(
                f"{option} was given, but the targets are no pictures of 1 or 3 channels (grey or colour), and its network "
                "has seen only such: omit it."
            )

"""Checks of the options that are made for inputs that are label maps."""

from p2p_jax.config.derived import count_classes
from p2p_jax.config.schema import Config
from p2p_jax.errors import UserError


def check_label_maps(config: Config) -> None:
    """Refuses a segmentation discriminator, LabelMix and warps where they have no meaning.

    Raises:
        UserError: the inputs are no label maps, or another option contradicts; the message names both options.
    """
    if config.augment.input_warp and config.data.input.kind != "labels":
        raise UserError(
            f"--augment.input-warp was given {config.augment.input_warp}, but the inputs are no label maps: give "
            "--data.input.kind labels, or omit it."
        )
    if config.discriminator.architecture == "segmentation":
        _check_segmentation(config)
    elif config.loss.label_mix:
        raise UserError(
            f"--loss.label-mix was given {config.loss.label_mix}, but only a segmentation discriminator tells labels: give "
            "--discriminator.architecture segmentation, or omit it."
        )


def _check_segmentation(config: Config) -> None:
    if not count_classes(config.data.input):
        raise UserError(
            "--discriminator.architecture was given segmentation, but the input is no label map with classes: give "
            "--data.input.kind labels with --data.input.palette or .classes, or another architecture."
        )
    loss, options = config.loss, config.discriminator
    for option, given, reason in (
        ("--loss.adversarial", loss.adversarial != "bce" and loss.adversarial, "has a loss of its own"),
        (
            "--loss.relativistic",
            loss.relativistic,
            "judges every picture alone",
        ),
        ("--loss.feature-matching", loss.feature_matching, "returns no features"),
        ("--loss.gradient-penalty", loss.gradient_penalty, "has no single logit whose gradient could be penalized"),
        ("--loss.r1", loss.r1, "has no single logit whose gradient could be penalized"),
        ("--loss.r2", loss.r2, "has no single logit whose gradient could be penalized"),
        ("--discriminator.conditional", not options.conditional and "False", "needs the labels of the input"),
        ("--discriminator.scales", options.scales > 1 and options.scales, "has levels of all scales in its U-Net"),
        ("--discriminator.antialias", options.antialias, "has no such form"),
    ):
        if given:
            raise UserError(f"{option} was given {given}, but the segmentation discriminator {reason}: omit it.")

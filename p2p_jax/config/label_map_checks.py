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
    no_gradient = "has no single logit whose gradient could be penalized"
    for option, given, reason in (
        (f"--loss.adversarial {loss.adversarial}", loss.adversarial != "bce", "has a loss of its own"),
        ("--loss.relativistic", loss.relativistic, "judges every picture alone"),
        (f"--loss.feature-matching {loss.feature_matching}", loss.feature_matching, "returns no features"),
        (f"--loss.gradient-penalty {loss.gradient_penalty}", loss.gradient_penalty, no_gradient),
        (f"--loss.r1 {loss.r1}", loss.r1, no_gradient),
        (f"--loss.r2 {loss.r2}", loss.r2, no_gradient),
        ("--discriminator.no-conditional", not options.conditional, "needs the labels of the input"),
        (f"--discriminator.scales {options.scales}", options.scales > 1, "works at all scales already"),
        ("--discriminator.projected", options.projected, "has logits of classes, which the heads have not"),
        ("--discriminator.antialias", options.antialias, "has no such form"),
    ):
        if given:
            raise UserError(f"{option} was given, but the segmentation discriminator {reason}: omit it.")

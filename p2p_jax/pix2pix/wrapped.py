"""Builds both networks with all that a config wraps around them in training: noise, changes, several scales."""

from collections.abc import Callable

from jax import Array

from p2p_jax import discriminators, generators, losses
from p2p_jax.config import Config, count_channels, count_classes, ignored_class
from p2p_jax.network import Network, State
from p2p_jax.pix2pix.networks import build_discriminator, build_generator
from p2p_jax.pix2pix.trained import build_projected


def wrapped_generator(config: Config) -> Network:
    """Builds the generator with all that the config wraps around it."""
    maker, options = build_generator(config), config.augment
    if options.input_noise:
        maker = generators.with_input_noise(maker, stddev=options.input_noise)
    # The outer one, which sees the labels without noise.
    return generators.with_input_warp(maker, strength=options.input_warp) if options.input_warp else maker


def wrapped_discriminator(config: Config) -> Network:
    """Builds the discriminator with all that the config wraps around it."""
    options, side = config.discriminator, config.data.input
    judge = build_discriminator(
        options, config.dtype, features=bool(config.loss.feature_matching), classes=count_classes(side)
    )
    if options.spectral_norm:
        judge = discriminators.spectral_norm(judge)
    if options.architecture == "segmentation":
        judge = discriminators.with_labels(judge, count_channels(side), ignored=ignored_class(side))
    if not options.conditional:
        judge = discriminators.without_input(judge, count_channels(side))
    if options.scales > 1:
        judge = discriminators.at_scales(judge, options.scales)
    if options.projected:
        judge = build_projected(config, judge)
    if options.augment:
        judge = discriminators.augmented(
            judge,
            input_channels=count_channels(side),
            changes=options.augment,
            probability=options.augment_probability if options.augment_target is None else None,
            strength=options.augment_strength,
            fill=-1.0 if count_classes(side) else 0.0,
        )
    return discriminators.with_noise(judge, count_channels(side), stddev=options.noise) if options.noise else judge


def build_adapt(
    config: Config, adversarial: losses.Adversarial
) -> Callable[[State, losses.Logits], tuple[State, dict[str, Array]]] | None:
    """What changes the probability of the discriminator's augmentation in training."""
    options = config.discriminator
    if options.augment_target is None:
        return None
    ramp = options.augment_ramp or max((config.steps or 0) // 4, 1)
    target, threshold = options.augment_target, adversarial.threshold

    def adapt(state: State, on_real: losses.Logits) -> tuple[State, dict[str, Array]]:
        scores = adversarial.score(on_real)
        return discriminators.adapt_probability(state, scores, target=target, ramp=ramp, threshold=threshold)

    return adapt

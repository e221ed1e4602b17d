"""Builds everything that a training step needs from a config."""

from functools import partial

from p2p_jax import losses
from p2p_jax.config import Config, Loss
from p2p_jax.pix2pix.optimizers import build_optimizer, build_schedule
from p2p_jax.pix2pix.trained import build_perceptual
from p2p_jax.pix2pix.wrapped import build_adapt, wrapped_discriminator, wrapped_generator
from p2p_jax.step import Pix2Pix


def build(config: Config) -> Pix2Pix:
    """Builds everything that a training step needs.

    Args:
        config: of the run, with its length resolved by `config.resolve_length`.

    Raises:
        UserError: the pictures cannot be halved as often as the U-Net halves them, or the label smoothing is out of range.

    Example:
        >>> from p2p_jax import Config, losses, pix2pix
        >>> model = pix2pix.build(Config(epochs=None, steps=1000))._replace(reconstruction=losses.l2)
        >>> model.reconstruction_weight
        100.0
    """
    loss, rate = config.loss, config.optimizer.learning_rate
    d_rate = config.optimizer.discriminator_learning_rate
    schedule = build_schedule(config, rate)
    adversarial = _build_adversarial(config)
    d_schedule = schedule if d_rate is None else build_schedule(config, d_rate)
    return Pix2Pix(
        generator=wrapped_generator(config),
        discriminator=wrapped_discriminator(config),
        generator_optimizer=build_optimizer(config.optimizer, schedule),
        discriminator_optimizer=build_optimizer(config.optimizer, d_schedule),
        adversarial=adversarial,
        adapt=build_adapt(config, adversarial),
        reconstruction=getattr(losses, loss.reconstruction),
        reconstruction_weight=loss.reconstruction_weight,
        weigh=losses.weigh_classes if loss.reconstruction == "cross_entropy" else losses.weigh_difference,
        discriminator_weight=loss.discriminator_weight,
        penalty=_build_penalty(loss),
        penalty_every=loss.penalty_every,
        matching=partial(losses.feature_matching, weight=loss.feature_matching) if loss.feature_matching else None,
        perceptual=build_perceptual(loss),
        ema_decay=_ema_decay(config),
        update=config.optimizer.update,
        learning_rates={"learning_rate": schedule, "discriminator_learning_rate": d_schedule},
    )


def _ema_decay(config: Config) -> float | None:
    """The decay of the generator's moving average, which may be chosen by the length of the run."""
    if config.ema_share is None:
        return config.ema_decay
    return max(0.0, 1 - 1 / (config.ema_share * (config.steps or 1)))


def _build_adversarial(config: Config) -> losses.Adversarial:
    loss, adversarial = config.loss, getattr(losses, config.loss.adversarial)
    if config.discriminator.architecture == "segmentation":
        adversarial = losses.segmentation_adversarial
    elif loss.adversarial == "bce" and loss.log_epsilon:
        adversarial = losses.bce_with_epsilon(loss.log_epsilon)
    if loss.relativistic:
        adversarial = losses.relativistic(adversarial)
    if loss.label_smoothing:
        adversarial = losses.smooth_labels(adversarial, loss.label_smoothing)
    if loss.adversarial_weight != 1:
        adversarial = losses.weigh_generator(adversarial, loss.adversarial_weight)
    return adversarial


def _build_penalty(loss: Loss) -> losses.Penalty | None:
    weight = loss.gradient_penalty
    if weight is None:
        weight = 10.0 if loss.adversarial == "wasserstein" else 0.0
    weights = {losses.gradient_penalty: weight, losses.r1: loss.r1, losses.r2: loss.r2, losses.label_mix: loss.label_mix}
    penalties = [partial(penalty, weight=weight) for penalty, weight in weights.items() if weight]
    if len(penalties) > 1:
        return losses.add_penalties(*penalties)
    return penalties[0] if penalties else None

"""Builds networks, optimizers and losses from a config: `build(config) -> Pix2Pix`.

Your own experiment may replace parts of the result: `build(config)._replace(generator=...)`.
"""

import math
from functools import partial
from typing import Any

import jax.numpy as jnp
import optax

from p2p_jax import discriminators, generators, layers, losses, ops, schedules
from p2p_jax.config import (
    Config,
    Discriminator,
    Generator,
    Loss,
    Optimizer,
    as_size,
    count_channels,
    count_classes,
    ignored_class,
    steps_per_unit,
)
from p2p_jax.errors import UserError
from p2p_jax.network import Network, network
from p2p_jax.optimizers import adam
from p2p_jax.step import Pix2Pix

# Arguments of the networks for each choice of biases in the config; the defaults are those of the PyTorch original.
BIASES: dict[str, dict[str, bool]] = {
    "reference": {},
    "all": {"use_bias": True, "last_bias": True},
    "last": {"use_bias": False, "last_bias": True},
    "none": {"use_bias": False, "last_bias": False},
}


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
    d_schedule = schedule if d_rate is None else build_schedule(config, d_rate)
    return Pix2Pix(
        generator=_build_maker(config),
        discriminator=_build_judge(config),
        generator_optimizer=build_optimizer(config.optimizer, schedule),
        discriminator_optimizer=build_optimizer(config.optimizer, d_schedule),
        adversarial=_build_adversarial(config),
        reconstruction=getattr(losses, loss.reconstruction),
        reconstruction_weight=loss.reconstruction_weight,
        weigh=losses.weigh_classes if loss.reconstruction == "cross_entropy" else losses.weigh_difference,
        discriminator_weight=loss.discriminator_weight,
        penalty=_build_penalty(loss),
        penalty_every=loss.penalty_every,
        matching=partial(losses.feature_matching, weight=loss.feature_matching) if loss.feature_matching else None,
        ema_decay=config.ema_decay,
        update=config.optimizer.update,
        learning_rates={"learning_rate": schedule, "discriminator_learning_rate": d_schedule},
    )


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


def _build_judge(config: Config) -> Network:
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
    return discriminators.with_noise(judge, count_channels(side), stddev=options.noise) if options.noise else judge


def _build_maker(config: Config) -> Network:
    """Builds the generator with all that the config wraps around it."""
    maker, options = build_generator(config), config.augment
    if options.input_noise:
        maker = generators.with_input_noise(maker, stddev=options.input_noise)
    # The outer one, which sees the labels without noise.
    return generators.with_input_warp(maker, strength=options.input_warp) if options.input_warp else maker


def build_generator(config: Config, **changes: Any) -> Network:
    """Builds the generator that the config describes.

    Args:
        config: of the run.
        **changes: arguments of the generator's function, also those for which the config has no field, such as `blocks`.

    Raises:
        UserError: the pictures cannot be halved as often as the U-Net halves them, or a U-Net is to be anti-aliased.
    """
    options = config.generator
    shared: dict[str, Any] = {
        "out_channels": count_channels(config.data.target),
        "norm": build_norm(options),
        "remat": options.remat,
        "dtype": jnp.dtype(config.dtype),
        **BIASES[options.bias],
        **_build_antialiasing(options),
        **changes,
    }
    if options.architecture == "resnet":
        return network(
            generators.resnet,
            width=options.width,
            num_blocks=options.num_blocks,
            dropout_rate=options.dropout,
            **shared,
        )
    shorter = min(as_size(config.image_size))
    widths = options.widths or generators.unet_widths(shorter, options.width)
    if 2 ** (len(widths) - 1) >= shorter:
        raise UserError(
            f"--generator.widths names {len(widths)} levels, but a side of {shorter} pixels cannot be halved so often: "
            f"give at most {(shorter - 1).bit_length()} levels, or a larger --image-size."
        )
    merge = {"merge": getattr(layers, options.skip)} if options.architecture == "unet" else {}
    return network(
        getattr(generators, options.architecture),
        widths=widths,
        dropout_rates=generators.unet_dropout_rates(
            widths, options.dropout, innermost=options.dropout_levels == "innermost"
        ),
        bottleneck_norm=options.bottleneck_norm,
        leaky_slope=options.leaky_slope,
        post_activation=options.post_activation,
        upsample={"transpose": layers.conv_transpose, "resize": layers.resize_conv}[options.upsample],
        **merge,
        **shared,
    )


def build_discriminator(
    options: Discriminator, dtype: str, *, features: bool = False, classes: int | None = None
) -> Network:
    """Builds the PatchGAN, PixelGAN or segmentation U-Net that the config describes, which computes in the given dtype.

    Args:
        options: of the discriminator.
        dtype: of its computation.
        features: whether it returns `losses.Judged`; the segmentation U-Net never does.
        classes: of the input, which only the segmentation U-Net needs.

    Raises:
        UserError: the pixelgan is to be anti-aliased, or there are no classes to tell.
    """
    shared: dict[str, Any] = {
        "norm": build_norm(options),
        "leaky_slope": options.leaky_slope,
        "dtype": jnp.dtype(dtype),
        **BIASES[options.bias],
    }
    if options.architecture == "segmentation":
        if not classes:
            raise UserError("a segmentation discriminator was to be built for inputs without classes: give their classes.")
        widths = options.widths or discriminators.patchgan_widths(options.num_layers - 1, options.width)
        return network(discriminators.segmentation_unet, classes=classes, widths=widths, **shared)
    shared["features"] = features
    if options.architecture == "pixelgan":
        if options.antialias:
            raise UserError("--discriminator.antialias was given, but the pixelgan changes no size: omit it.")
        return network(discriminators.pixelgan, width=options.width, **shared)
    widths = options.widths or discriminators.patchgan_widths(options.num_layers, options.width)
    halve = {"downsample": ops.blur_downsample} if options.antialias else {}
    return network(discriminators.patchgan, widths=widths, **halve, **shared)


def _build_antialiasing(options: Generator) -> dict[str, Any]:
    """Returns the arguments of the ResNet with which it halves and doubles without aliasing."""
    if options.antialias != "none" and options.architecture != "resnet":
        raise UserError(
            f"--generator.antialias was given {options.antialias}, but only a resnet can be anti-aliased, and the "
            f"architecture is {options.architecture}: omit it, or give --generator.architecture resnet."
        )
    down = {"downsample": ops.blur_downsample} if options.antialias in ("down", "both") else {}
    up = (
        {"upsample": partial(layers.resize_conv, resize=ops.upsample_bilinear)}
        if options.antialias in ("up", "both")
        else {}
    )
    return {**down, **up}


def build_norm(options: Generator | Discriminator) -> layers.Norm:
    """Builds the norm that a network's config describes."""
    if options.norm == "batch":
        return partial(
            layers.batch_norm,
            statistics=options.statistics,
            group_size=options.group_size,
            momentum=options.norm_momentum,
            eps=options.norm_epsilon,
            scale_init=layers.normal(options.norm_stddev, mean=1.0),
        )
    if options.norm == "none":
        return layers.no_norm
    affine = {"affine": True} if options.norm == "affine_instance" else {}
    return partial(layers.instance_norm, eps=options.norm_epsilon, **affine)


def build_schedule(config: Config, rate: float) -> optax.Schedule:
    """Builds a learning-rate schedule: `rate` scaled by the config's `batch_rule`, with the config's decay and warm-up.

    Args:
        config: of the run, with its length resolved by `config.resolve_length`.
        rate: the rate before scaling.
    """
    options, unit = config.optimizer, steps_per_unit(config)
    units = -(-(config.steps or 0) // unit)
    rate *= {"none": 1, "linear": config.batch_size, "root": math.sqrt(config.batch_size)}[options.batch_rule]
    schedule = {
        "linear": partial(schedules.linear, hold=units - units // 2, decay=units // 2, unit=unit),
        "constant": schedules.constant,
        "step": partial(schedules.step_decay, every=max(units // 4, 1), unit=unit),
        "cosine": partial(schedules.cosine, length=units, unit=unit),
    }[options.schedule](rate)
    return schedules.warm_up(schedule, options.warmup_steps) if options.warmup_steps else schedule


def build_optimizer(options: Optimizer, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Builds Adam with the config's options, preceded by clipping of the gradient's global norm if the config has it."""
    transformation = adam(
        schedule, b1=options.beta1, b2=options.beta2, eps=options.epsilon, epsilon_place=options.epsilon_place
    )
    return transformation if options.clip is None else optax.chain(optax.clip_by_global_norm(options.clip), transformation)

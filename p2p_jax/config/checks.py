"""Checks of a config: an invalid value is refused with one sentence."""

import math

from p2p_jax.config.data_schema import Side, Size
from p2p_jax.config.derived import as_size, count_classes, load_size
from p2p_jax.config.label_map_checks import check_label_maps
from p2p_jax.config.metric_names import check_metric
from p2p_jax.config.network_schema import Discriminator, Generator
from p2p_jax.config.numbers import check_numbers
from p2p_jax.config.schema import Config
from p2p_jax.config.trained_checks import check_trained
from p2p_jax.config.tree import get_field
from p2p_jax.errors import UserError

LOWER_BOUNDS = {
    "batch_size": 1, "model_parallel": 1, "epochs": 1, "steps": 1, "steps_per_call": 1, "seed": 0,
    "log_every": 1, "sample_every": 1, "checkpoint_every": 1, "keep": 1, "val_pictures": 1, "patience": 1,
    "generator.width": 1, "generator.num_blocks": 0, "generator.dropout": 0,
    "discriminator.num_layers": 1, "discriminator.width": 1, "optimizer.learning_rate": 0,
    "data.count": 8, "data.threads": 0, "data.processes": 0, "data.cache_mib": 0, "data.val_fraction": 0,
    "data.test_fraction": 0, "loss.label_smoothing": 0,
    "optimizer.discriminator_learning_rate": 0, "optimizer.beta1": 0,
    "optimizer.beta2": 0, "optimizer.epsilon": 0, "optimizer.clip": 0, "ema_decay": 0, "ema_share": 0,
    "generator.norm_epsilon": 0, "generator.norm_momentum": 0, "generator.norm_stddev": 0, "generator.leaky_slope": 0,
    "discriminator.norm_epsilon": 0, "discriminator.norm_momentum": 0, "discriminator.norm_stddev": 0,
    "discriminator.leaky_slope": 0, "loss.log_epsilon": 0,
    "loss.reconstruction_weight": 0, "loss.adversarial_weight": 0, "loss.gradient_penalty": 0,
    "augment.rotate": 0, "augment.zoom": 0, "augment.shift": 0, "data.input.colour_jitter": 0,
    "data.target.colour_jitter": 0, "data.input.classes": 2, "data.target.classes": 2, "accumulate": 1,
    "generator.group_size": 1, "discriminator.group_size": 1, "optimizer.warmup_steps": 0, "loss.discriminator_weight": 0,
    "loss.r1": 0, "loss.r2": 0, "loss.penalty_every": 1, "loss.feature_matching": 0, "discriminator.scales": 1,
    "discriminator.augment_strength": 0, "discriminator.augment_probability": 0, "discriminator.augment_target": -1,
    "discriminator.augment_ramp": 1,
    "loss.label_mix": 0, "loss.perceptual": 0, "discriminator.noise": 0, "augment.input_warp": 0, "augment.input_noise": 0,
}  # fmt: skip


MAX_WIDTH = 2**16
UPPER_BOUNDS = {
    "data.threads": 1024, "data.processes": 1024, "generator.width": MAX_WIDTH, "generator.widths": MAX_WIDTH,
    "discriminator.width": MAX_WIDTH, "discriminator.widths": MAX_WIDTH, "data.input.channels": MAX_WIDTH,
    "data.target.channels": MAX_WIDTH, "generator.num_blocks": 1000, "discriminator.num_layers": 100,
    "steps_per_call": 100_000, "model_parallel": MAX_WIDTH, "discriminator.scales": 4,
    "discriminator.augment_strength": 1, "discriminator.augment_probability": 1, "discriminator.augment_target": 1,
}  # fmt: skip


MAX_PIXELS = 2**27
"""Pixels of a picture that the networks see; no device holds the activations of a larger one."""


FRACTIONS = (
    "generator.dropout", "loss.label_smoothing", "data.val_fraction", "data.test_fraction", "ema_decay", "ema_share",
    "optimizer.beta1", "optimizer.beta2", "generator.norm_momentum", "discriminator.norm_momentum",
    "augment.zoom", "augment.shift", "augment.input_warp", "data.input.colour_jitter", "data.target.colour_jitter",
)  # fmt: skip


OWN_RULES = ("data.input.range", "data.target.range", "data.input.ignore", "data.target.ignore")
"""Fields whose numbers `_check_side` checks."""


def check_config(config: Config) -> None:
    """Refuses invalid values.

    Raises:
        UserError: a value is invalid; the message names its option, the value and what is expected.
    """
    check_numbers(config, without=OWN_RULES)
    for name, low in LOWER_BOUNDS.items():
        value = get_field(config, name)
        if value is not None and not value >= low:
            raise UserError(f"{_option(name)} was given {value}: it must be at least {low}.")
    for name, high in UPPER_BOUNDS.items():
        value = get_field(config, name)
        if value is not None and (max(value, default=0) if isinstance(value, tuple) else value) > high:
            raise UserError(f"{_option(name)} was given {value}: it must be at most {high}.")
    for name in FRACTIONS:
        value = get_field(config, name)
        if value is not None and not value < 1:
            raise UserError(f"{_option(name)} was given {value}: it is a fraction and must be below 1.")
    for name in ("generator.widths", "discriminator.widths", "data.input.channels", "data.target.channels"):
        value = get_field(config, name)
        if value is not None and min(value, default=0) < 1:
            raise UserError(f"{_option(name)} was given {value}: each must be at least 1.")
        if value is not None and (max(value) > 2**16 or len(value) > 2**6):
            raise UserError(f"{_option(name)} was given {value}: each must be at most {2**16}, and their number {2**6}.")
    check_metric(_option("best_metric"), config.best_metric)
    _check_average(config)
    check_doubling(config.generator)
    check_halving(config.discriminator)
    _check_discriminator(config)
    _check_batch(config)
    _check_sizes(config)
    _check_side(config.data.input, "data.input")
    _check_side(config.data.target, "data.target")
    check_label_maps(config)
    check_trained(config)
    if config.loss.reconstruction == "cross_entropy" and not count_classes(config.data.target):
        raise UserError(
            "--loss.reconstruction was given cross_entropy, but the target is no label map with classes: give "
            "--data.target.kind labels with --data.target.palette or .classes, or another reconstruction."
        )


def _check_average(config: Config) -> None:
    if config.ema_share == 0 or (config.ema_share is not None and config.ema_decay is not None):
        raise UserError(
            f"--ema-share was given {config.ema_share} with --ema-decay {config.ema_decay}: give one of them, above 0."
        )


def check_doubling(options: Generator) -> None:
    """Refuses two replacements of the transposed convolutions.

    Raises:
        UserError: both `antialias` and `upsample` replace them.
    """
    if options.antialias in ("up", "both") and options.upsample != "transpose":
        raise UserError(
            f"--generator.antialias was given {options.antialias} with --generator.upsample {options.upsample}: both "
            "replace the transposed convolutions; omit one of them."
        )


def check_halving(options: Discriminator) -> None:
    """Refuses anti-aliasing where nothing is halved.

    Raises:
        UserError: the pixelgan is to be anti-aliased.
    """
    if options.antialias and options.architecture == "pixelgan":
        raise UserError("--discriminator.antialias was given, but the pixelgan changes no size: omit it.")


def _check_discriminator(config: Config) -> None:
    options = config.discriminator
    for name, default in (("strength", 1), ("probability", 1), ("target", None), ("ramp", None)):
        value = getattr(options, f"augment_{name}")
        if value != default and not options.augment:
            raise UserError(
                f"--discriminator.augment-{name} was given {value}, but no changes are: give --discriminator.augment, for "
                "example translation cutout."
            )
    if options.augment_ramp is not None and options.augment_target is None:
        raise UserError(
            f"--discriminator.augment-ramp was given {options.augment_ramp}, but the probability of the changes is fixed: "
            "give --discriminator.augment-target, for example 0.6."
        )
    if options.augment_probability != 1 and options.augment_target is not None:
        raise UserError(
            f"--discriminator.augment-probability was given {options.augment_probability} with "
            "--discriminator.augment-target, which chooses it: omit one of them."
        )
    if "colour" in options.augment and count_classes(config.data.target):
        raise UserError(
            "--discriminator.augment was given colour, but the targets are classes, which have no colours: omit colour."
        )


def _check_batch(config: Config) -> None:
    size, parts = config.batch_size, config.accumulate
    if size % parts:
        raise UserError(f"--accumulate was given {parts}: it must divide --batch-size {size}.")
    micro_batch = f"the micro-batch of {size // parts} (--batch-size / --accumulate)"
    each = f"--batch-size {size}" if parts == 1 else micro_batch
    for name in ("generator", "discriminator"):
        group, statistics = get_field(config, f"{name}.group_size"), get_field(config, f"{name}.statistics")
        if group is not None and statistics != "group":
            raise UserError(
                f"--{name}.group-size was given {group}, but --{name}.statistics is {statistics}: give group, or --{name}."
                "group-size None."
            )
        if group is not None and size // parts % group:
            raise UserError(f"--{name}.group-size was given {group}: it must divide {each}.")


def _check_sizes(config: Config) -> None:
    height, width = as_size(config.image_size)
    if min(height, width) < 16:
        raise UserError(f"--image-size was given {config.image_size}: each side must be at least 16.")
    loaded, data = load_size(config), config.data
    _check_pixels("--image-size", config.image_size, (height, width))
    if data.load_size is not None:
        _check_pixels("--data.load-size", data.load_size, loaded)
    if data.preprocess == "resize_and_crop" and (loaded[0] < height or loaded[1] < width):
        raise UserError(
            f"--data.load-size was given {data.load_size}: it must be at least the image size {height} x {width}."
        )
    if data.preprocess == "scale_width_and_crop" and loaded[1] < width:
        raise UserError(
            f"--data.load-size was given {data.load_size}: its width must be at least that of the crop, {width}."
        )
    if config.augment.quarter_turns and (height != width or loaded[0] != loaded[1] or varies(config)):
        raise UserError("--augment.quarter-turns was given, but the pictures are not square: omit it.")
    if varies(config) and config.batch_size > 1:
        raise UserError(
            f"--data.preprocess {data.preprocess} keeps pictures of different sizes, which do not fit into one batch of "
            f"{config.batch_size}: give --batch-size 1, or a preprocess that crops."
        )
    if varies(config) and (config.steps_per_call or 1) > 1:
        raise UserError(
            f"--steps-per-call was given {config.steps_per_call}, but --data.preprocess {data.preprocess} keeps pictures "
            "of different sizes, which do not fit into one call: omit it, or give a preprocess that crops."
        )


def _check_pixels(option: str, given: Size, size: tuple[int, int]) -> None:
    if min(size) < 1:
        raise UserError(f"{option} was given {given}: each side must be at least 1.")
    if size[0] * size[1] > MAX_PIXELS:
        raise UserError(f"{option} was given {given}: a picture can have at most {MAX_PIXELS} pixels in all.")


def varies(config: Config) -> bool:
    """Whether the networks see pictures of different sizes."""
    return config.data.preprocess in ("scale_width", "none")


def _check_side(side: Side, name: str) -> None:
    option, classes = _option(name), count_classes(side)
    if side.kind != "labels" and classes:
        raise UserError(f"{option}.classes or .palette was given without {option}.kind labels: add {option}.kind labels.")
    if side.kind == "labels" and side.colour_jitter:
        raise UserError(f"{option}.colour-jitter was given for labels, whose colours are classes: omit it.")
    if classes and (len(side.channels) > 1 or classes > 256 or side.depth != "8"):
        raise UserError(
            f"{option} was given {classes} classes: classes need one picture per pair, of 8 bits, and can be at most 256."
        )
    if side.palette and side.classes not in (None, len(side.palette)):
        raise UserError(
            f"{option}.classes was given {side.classes}, but the palette has {len(side.palette)} colours: omit classes."
        )
    _check_ignored(side, option)
    if side.range is not None:
        low, high = side.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise UserError(f"{option}.range was given {low:g} {high:g}: both must be finite and the first the smaller.")
        most = {"8": 255, "16": 65535}.get(side.depth)
        if most is not None and (low < 0 or high > most):
            raise UserError(
                f"{option}.range was given {low:g} {high:g}, but {side.depth} bits hold 0 to {most}: give another range or "
                f"another {option}.depth."
            )


def _check_ignored(side: Side, option: str) -> None:
    value = side.ignore
    if value is None:
        return
    if not math.isfinite(value):
        raise UserError(
            f"{option}.ignore was given {value}: it must be a finite number, such as -9999; pixels that hold NaN are "
            "ignored, too, whatever the number."
        )
    highest = len(side.palette) - 1 if side.palette else {"8": 255, "16": 65535}.get(side.depth)
    if side.palette and not (value == int(value) and 0 <= value <= len(side.palette) - 1):
        raise UserError(f"{option}.ignore was given {value:g}: with this palette it is a class from 0 to {highest}.")
    if (side.depth != "float" and value != int(value)) or (
        not side.classes and highest is not None and not 0 <= value <= highest
    ):
        raise UserError(
            f"{option}.ignore was given {value:g}: with {option}.depth {side.depth} it must be a whole number"
            + ("." if side.classes else f" from 0 to {highest}.")
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")

"""Builds the networks that a config describes."""

from functools import partial
from typing import Any

import jax.numpy as jnp

from p2p_jax import discriminators, generators, layers, ops
from p2p_jax.config import Config, Discriminator, Generator, as_size, count_channels
from p2p_jax.config.checks import check_doubling, check_halving
from p2p_jax.errors import UserError
from p2p_jax.network import Network, network

# Arguments of the networks for each choice of biases in the config; the defaults are those of the PyTorch original.
BIASES: dict[str, dict[str, bool]] = {
    "reference": {},
    "all": {"use_bias": True, "last_bias": True},
    "last": {"use_bias": False, "last_bias": True},
    "none": {"use_bias": False, "last_bias": False},
}


def build_generator(config: Config, **changes: Any) -> Network:
    """Builds the generator that the config describes.

    Args:
        config: of the run.
        **changes: arguments of the generator's function, also those for which the config has no field, such as `blocks`.

    Raises:
        UserError: the pictures cannot be halved as often as the U-Net halves them, or two options replace the doubling.
    """
    options = config.generator
    shared: dict[str, Any] = {
        "out_channels": count_channels(config.data.target),
        "norm": build_norm(options),
        "remat": options.remat,
        "dtype": jnp.dtype(config.dtype),
        **BIASES[options.bias],
        **_build_resizing(options),
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
    check_halving(options)
    shared["features"] = features
    if options.architecture == "pixelgan":
        return network(discriminators.pixelgan, width=options.width, **shared)
    widths = options.widths or discriminators.patchgan_widths(options.num_layers, options.width)
    halve = {"downsample": ops.blur_downsample} if options.antialias else {}
    return network(discriminators.patchgan, widths=widths, **halve, **shared)


def _build_resizing(options: Generator) -> dict[str, Any]:
    """Returns the arguments of the generator that say how it halves and doubles, where that is not by strides."""
    check_doubling(options)
    down = {"downsample": ops.blur_downsample} if options.antialias in ("down", "both") else {}
    if options.antialias in ("up", "both"):
        return {**down, "upsample": partial(layers.resize_conv, resize=ops.upsample_bilinear)}
    return {**down, "upsample": layers.resize_conv} if options.upsample == "resize" else down


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

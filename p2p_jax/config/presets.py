"""Presets: the settings of the four implementations of pix2pix. Those of the PyTorch original are the default.

    p2p-jax train facades --preset lua

Options that are given with a preset take precedence. The table has only settings that change the numbers of training, not
the length of a run, file formats or the order of colour channels.
"""

from typing import Any, Literal

from p2p_jax.config.tree import with_fields
from p2p_jax.errors import UserError

Preset = Literal["pytorch", "lua", "tensorflow", "affinelayer"]


# What the three others have in common.
_OTHERS: dict[str, Any] = {
    "generator.dropout_levels": "innermost",
    "generator.skip": "concat_decoder_first",
    "loss.discriminator_weight": 1.0,
    "optimizer.epsilon_place": "before_correction",
    "optimizer.schedule": "constant",
}


PRESETS: dict[str, dict[str, Any]] = {
    # junyanz/pytorch-CycleGAN-and-pix2pix. These are the values of all fields that the other three change.
    "pytorch": {
        "generator.dropout_levels": "reference",
        "generator.skip": "concat",
        "generator.bias": "reference",
        "generator.bottleneck_norm": False,
        "generator.leaky_slope": 0.2,
        "generator.post_activation": False,
        "generator.norm_epsilon": 1e-5,
        "generator.norm_momentum": 0.9,
        "generator.norm_stddev": 0.02,
        "discriminator.bias": "reference",
        "discriminator.leaky_slope": 0.2,
        "discriminator.norm_epsilon": 1e-5,
        "discriminator.norm_momentum": 0.9,
        "discriminator.norm_stddev": 0.02,
        "loss.discriminator_weight": 0.5,
        "loss.log_epsilon": 0.0,
        "optimizer.update": "sequential",
        "optimizer.epsilon": 1e-8,
        "optimizer.epsilon_place": "after_correction",
        "optimizer.schedule": "linear",
        "data.resize": "bicubic",
    },
    # phillipi/pix2pix, the paper's own code, in Torch. It zeroes all biases before every pass.
    "lua": {
        **_OTHERS,
        "generator.bias": "none",
        "discriminator.bias": "none",
        "loss.log_epsilon": 1e-12,
        "optimizer.update": "stale",
        "data.resize": "bilinear",
    },
    # The official TensorFlow tutorial, in Keras.
    "tensorflow": {
        **_OTHERS,
        "generator.bias": "last",
        "generator.bottleneck_norm": True,
        "generator.leaky_slope": 0.3,
        "generator.post_activation": True,
        "generator.norm_epsilon": 1e-3,
        "generator.norm_momentum": 0.99,
        "generator.norm_stddev": 0.0,
        "discriminator.bias": "last",
        "discriminator.leaky_slope": 0.3,
        "discriminator.norm_epsilon": 1e-3,
        "discriminator.norm_momentum": 0.99,
        "discriminator.norm_stddev": 0.0,
        "optimizer.update": "simultaneous",
        "optimizer.epsilon": 1e-7,
        "data.resize": "nearest",
    },
    # affinelayer/pix2pix-tensorflow, in TensorFlow 1. One forward pass of the discriminator serves both networks, and the
    # generator's gradient is computed after the discriminator's update: from old outputs and new weights, as in Torch.
    "affinelayer": {
        **_OTHERS,
        "generator.bias": "all",
        "generator.bottleneck_norm": True,
        "discriminator.bias": "all",
        "loss.log_epsilon": 1e-12,
        "optimizer.update": "stale",
        "data.resize": "area",
    },
}


def apply_preset(config: Any, preset: str | None) -> Any:
    """Returns the config with the settings of a preset, or unchanged for None. Fields that no preset has are kept.

    Raises:
        UserError: there is no preset of that name.

    Example:
        >>> from p2p_jax import Config, apply_preset
        >>> apply_preset(Config(), "lua").optimizer.update
        'stale'
    """
    if preset is None:
        return config
    if preset not in PRESETS:
        raise UserError(f"there is no preset {preset}: it must be one of {', '.join(PRESETS)}.")
    return with_fields(config, PRESETS["pytorch"] | PRESETS[preset])

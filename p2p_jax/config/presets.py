"""The four originals of pix2pix, as settings: what each does otherwise than the PyTorch one, which is the default here.

    p2p-jax train facades --preset lua

Every option typed beside it still wins. Only what changes the numbers of training is in the table; lengths, file formats
and the order of colour channels are not.
"""

from dataclasses import replace
from typing import Any, Literal

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
    # junyanz/pytorch-CycleGAN-and-pix2pix. What the other three change is set back here.
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
    # affinelayer/pix2pix-tensorflow, in TensorFlow 1. One pass of the discriminator serves both networks, and the
    # generator's gradient waits for the discriminator's update: old values, new weights, as in Torch.
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
    """The config with the settings of one original, or as it is for None; what the table does not name stays.

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
        raise UserError(f"there is no preset {preset}: it is one of {', '.join(PRESETS)}.")
    for name, value in (PRESETS["pytorch"] | PRESETS[preset]).items():
        part, field = name.split(".")
        config = replace(config, **{part: replace(getattr(config, part), **{field: value})})
    return config

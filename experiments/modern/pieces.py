"""The pieces that are compared, as options of `p2p-jax train`."""

from collections.abc import Mapping
from typing import Any

Options = Mapping[str, Any]
"""{dotted name of a field of the config: its value}."""

ONE_HOT: Options = {"data.input.kind": "labels", "data.input.palette": ("cmp",)}

ALL_CHANGES = ("colour", "translation", "cutout")

PIECES: dict[str, Options] = {
    "default": {},
    # What changes the generator.
    "resize": {"generator.upsample": "resize"},
    "antialias_up": {"generator.antialias": "up"},
    "antialias_down": {"generator.antialias": "down"},
    "ema": {"ema_share": 0.05},
    "no_dropout": {"generator.dropout": 0.0},
    "one_hot": ONE_HOT,
    "input_warp": {**ONE_HOT, "augment.input_warp": 0.03},
    "input_noise": {"augment.input_noise": 0.1},
    # What changes the losses and the learning rates.
    "half_l1": {"loss.reconstruction_weight": 50.0},
    "fast": {"optimizer.learning_rate": 5e-4},
    "faster": {"optimizer.learning_rate": 1e-3},
    "fastest": {"optimizer.learning_rate": 2e-3},
    "fast_generator": {"optimizer.learning_rate": 5e-4, "optimizer.discriminator_learning_rate": 2e-4},
    "hinge": {"loss.adversarial": "hinge"},
    "least_squares": {"loss.adversarial": "least_squares"},
    "relativistic": {"loss.relativistic": True},
    "matching": {"loss.feature_matching": 10.0},
    "r1": {"loss.r1": 1.0, "loss.penalty_every": 16, "discriminator.norm": "instance"},
    "r3gan": {
        "loss.relativistic": True, "loss.r1": 1.0, "loss.r2": 1.0, "loss.penalty_every": 4, "discriminator.norm": "none",
    },
    "perceptual_vgg": {"loss.perceptual": 10.0},
    "perceptual_lite0": {"loss.perceptual": 10.0, "loss.perceptual_network": "lite0"},
    # What changes the discriminator.
    "instance_norm": {"discriminator.norm": "instance"},
    "no_norm": {"discriminator.norm": "none"},
    "spectral_norm": {"discriminator.spectral_norm": True, "discriminator.norm": "none"},
    "fast_discriminator": {"optimizer.discriminator_learning_rate": 5e-4},
    "scales": {"discriminator.scales": 2},
    "antialias_discriminator": {"discriminator.antialias": True},
    "diffaugment": {"discriminator.augment": ALL_CHANGES},
    "diffaugment_weak": {"discriminator.augment": ALL_CHANGES, "discriminator.augment_strength": 0.3},
    "ada": {"discriminator.augment": ALL_CHANGES, "discriminator.augment_target": 0.6},
    "discriminator_noise": {"discriminator.noise": 0.1},
    "projected": {"discriminator.projected": True, "loss.adversarial": "hinge"},
    "oasis": {**ONE_HOT, "discriminator.architecture": "segmentation", "loss.label_mix": 10.0},
}  # fmt: skip
"""The pieces by their names; "default" has the paper's settings."""


TRAINED_ON: dict[str, tuple[str, ...]] = {
    "perceptual_vgg": ("lpips_vgg", "kid_vgg16"), "perceptual_lite0": ("kid_lite0",), "projected": ("kid_lite0",),
}  # fmt: skip
"""{piece: metrics of the network that it trains with, which may not judge it}."""


def combine(names: tuple[str, ...]) -> Options | None:
    """The options of several pieces together; None if two pieces want different values of an option."""
    found: dict[str, Any] = {}
    for name in names:
        for option, value in PIECES[name].items():
            if found.setdefault(option, value) != value:
                return None
    return found

"""The optional pieces of a training step, each as a config of tiny networks, and a batch for them."""

from dataclasses import replace
from typing import Any

import numpy as np
from jax import Array

from helpers.configs import change
from p2p_jax.config import Config, Data, Discriminator, Generator, Loss, Side
from p2p_jax.config.checks import check_config
from p2p_jax.step import Batch

CLASSES = 3
SEGMENTATION = {
    "data.input": Side(kind="labels", channels=(1,), classes=CLASSES),
    "discriminator.architecture": "segmentation",
    "discriminator.num_layers": 2,
}

PIECES: dict[str, dict[str, Any]] = {
    "relativistic": {"loss.relativistic": True},
    "r1": {"loss.r1": 1.0},
    "r2": {"loss.r2": 1.0},
    "lazy penalty": {"loss.r1": 1.0, "loss.penalty_every": 2},
    "feature matching": {"loss.feature_matching": 10.0},
    "spectral norm": {"discriminator.spectral_norm": True},
    "scales": {"discriminator.scales": 2},
    "augment": {"discriminator.augment": ("colour", "translation", "cutout", "flip")},
    "adapted augment": {"discriminator.augment": ("colour", "translation"), "discriminator.augment_target": 0.0},
    "noise": {"discriminator.noise": 0.1},
    "input noise": {"augment.input_noise": 0.1},
    "anti-aliased generator": {"generator.antialias": "both"},
    "anti-aliased discriminator": {"discriminator.antialias": True},
    "moving average": {"ema_share": 0.5},
    "segmentation": SEGMENTATION,
    "label mix": SEGMENTATION | {"loss.label_mix": 10.0},
    "input warp": SEGMENTATION | {"augment.input_warp": 0.1},
}
"""{name: {field of the config: value}}."""

RANDOM = ("augment", "adapted augment", "noise", "input noise", "label mix", "input warp")
"""The pieces that use the step's random key."""


def config_with(name: str, **options: Any) -> Config:
    """A checked config of tiny networks without norms and dropout, with one piece."""
    config = Config(
        image_size=16,
        epochs=None,
        steps=8,
        batch_size=4,
        generator=Generator(widths=(2, 4), norm="none", dropout=0.0),
        discriminator=Discriminator(num_layers=1, width=4, norm="none"),
        data=Data(load_size=16),
        loss=Loss(reconstruction_weight=10.0),
    )
    for field, value in PIECES[name].items():
        config = change(config, field, value)
    config = replace(config, **options)
    check_config(config)
    return config


def batch_for(config: Config) -> Batch:
    """Four pairs of 16 x 16 pixels, float32, whose inputs are labels if the config says so."""
    random = np.random.default_rng(0)
    pictures = random.uniform(-1, 1, (2, 4, 16, 16, 3)).astype(np.float32)
    numbers = random.integers(0, CLASSES, (4, 16, 16))
    labels = np.eye(CLASSES, dtype=np.float32)[numbers] * 2 - 1
    batch: dict[str, Array | np.ndarray] = {
        "input": labels if config.data.input.classes else pictures[0],
        "target": pictures[1],
    }
    return batch  # pyright: ignore[reportReturnType]

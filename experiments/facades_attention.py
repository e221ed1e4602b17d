"""Facades with self-attention at 32 x 32 positions and instance norm: how to change a network by composing functions.

Nothing registers and nothing is subclassed: `build` starts from the usual composition and puts another generator in.
The attention block has the form of every block, `(scope, x, *, train) -> y`; write one of your own the same way.

Source: Zhang et al., Self-Attention Generative Adversarial Networks, 2019; Ulyanov et al., Instance Normalization, 2016.

    p2p-jax train facades_attention --data.path FOLDER
"""

import jax.numpy as jnp

from p2p_jax import pix2pix
from p2p_jax.cli import run_experiment
from p2p_jax.config import Config, Data
from p2p_jax.generators import unet, unet_dropout_rates, unet_widths
from p2p_jax.layers import instance_norm, self_attention
from p2p_jax.network import network
from p2p_jax.step import Pix2Pix

CONFIG = Config(data=Data(direction="BtoA"))


def build(config: Config) -> Pix2Pix:
    """The usual composition, with attention where the encoder has come down to 32 x 32 positions, or its last level."""
    widths = unet_widths(config.image_size, config.generator.width)
    level = min(max((config.image_size // 32).bit_length() - 2, 0), len(widths) - 1)
    generator = network(
        unet,
        widths=widths,
        out_channels=config.data.target_channels,
        dropout_rates=unet_dropout_rates(widths, config.generator.dropout),
        norm=instance_norm,
        blocks={level: self_attention},
        dtype=jnp.dtype(config.dtype),
    )
    return pix2pix.build(config)._replace(generator=generator)


if __name__ == "__main__":
    run_experiment("facades_attention")

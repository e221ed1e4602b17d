"""Facades with self-attention at 32 x 32 positions and instance norm: how to change a network by composing functions.

Nothing is registered and nothing is subclassed: `build` starts from the default composition and replaces the generator.
The attention block is a function `(scope, x, *, train) -> y` like every block; write your own in the same way.

Source: Zhang et al., Self-Attention Generative Adversarial Networks, 2019; Ulyanov et al., Instance Normalization, 2016.

    p2p-jax data prepare facades
    p2p-jax train facades_attention
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Config, Data, Generator, as_size

CONFIG = Config(generator=Generator(norm="instance"), data=Data(tfds="pix2pix/facades", direction="BtoA"))


def build(config: Config):
    """Adds attention to the default composition: after the level of 32 x 32 positions, or after the first level."""
    from p2p_jax import pix2pix
    from p2p_jax.layers import self_attention

    level = max((min(as_size(config.image_size)) // 32).bit_length() - 2, 0)
    generator = pix2pix.build_generator(config, blocks={level: self_attention})
    return pix2pix.build(config)._replace(generator=generator)


if __name__ == "__main__":
    run_experiment("facades_attention")

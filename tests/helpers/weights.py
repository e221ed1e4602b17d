"""The PyTorch original's networks with random weights."""

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax.config import Config, Data, Discriminator, Side
from p2p_jax.pix2pix import build_discriminator, build_generator


def network_of(options, in_channels=3, out_channels=3):
    """Builds the network that a generator's or discriminator's config describes."""
    if isinstance(options, Discriminator):
        return build_discriminator(options, "float32")
    data = Data(input=Side(channels=(in_channels,)), target=Side(channels=(out_channels,)))
    return build_generator(Config(image_size=512, generator=options, data=data))


def random_weights(options, in_channels=3, out_channels=3, seed=0):
    """Returns random params and state for the network of a config."""
    network = network_of(options, in_channels, out_channels)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 512, 512, in_channels)))
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: random.standard_normal(leaf.shape).astype(np.float32), shapes)

"""Builds networks, optimizers and losses from a config: `build(config) -> Pix2Pix`.

Your own experiment may replace parts of the result: `build(config)._replace(generator=...)`.
"""

from p2p_jax.pix2pix.model import build as build
from p2p_jax.pix2pix.networks import build_discriminator as build_discriminator
from p2p_jax.pix2pix.networks import build_generator as build_generator
from p2p_jax.pix2pix.networks import build_norm as build_norm
from p2p_jax.pix2pix.optimizers import build_optimizer as build_optimizer
from p2p_jax.pix2pix.optimizers import build_schedule as build_schedule

"""Labels to drawn photos of facades: a small pix2pix that trains in minutes on a laptop. The program draws the data.

Source: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017, made smaller: 64 pixels,
half the features. The light falls from the upper left in every picture, so pictures are not mirrored.

    p2p-jax train quickstart
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Augment, Config, Data, Discriminator, Generator

CONFIG = Config(
    image_size=64,
    steps=4000,
    generator=Generator(width=32),
    discriminator=Discriminator(width=32, num_layers=2),
    data=Data(source="procedural", load_size=64),
    augment=Augment(flip=False),
    sample_every=1000,
    checkpoint_every=1000,
)

if __name__ == "__main__":
    run_experiment("quickstart")

"""Drawn photos of facades to their labels: a U-Net trained with cross-entropy alone, without a GAN.

`p2p-jax evaluate RUN --segmenter runs/segmenter` finds the labels in the pictures that a run from labels to photos made:
the more of them it finds, the better is the run. The defaults suit runs of `quickstart`; for other runs give the same
pictures, sides swapped, and the same size:

    p2p-jax train segmenter
    p2p-jax train segmenter --data.source folder --data.path FOLDER --data.direction BtoA --image-size 128

Data: the built-in facades, whose labels are exact. Label maps of a folder are in the colours of `--data.target.palette`, or
hold class numbers (`--data.target.palette None --data.target.classes 19`).
Source: Isola et al. 2017, section 4.1: the FCN score, with a U-Net in place of the FCN. The paper's table 6 finds that for
photo to labels a reconstruction loss alone is better than a GAN.
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Augment, Config, Data, Discriminator, Generator, Loss, Optimizer, Side

CONFIG = Config(
    image_size=64,
    batch_size=4,
    steps=1200,
    generator=Generator(width=16),
    discriminator=Discriminator("pixelgan", width=1),  # trains nothing, so it is as small as possible
    loss=Loss(reconstruction="cross_entropy", adversarial_weight=0.0),
    optimizer=Optimizer(learning_rate=1e-3),
    data=Data(source="procedural", direction="BtoA", load_size=64, target=Side(kind="labels", palette=("cmp",))),
    augment=Augment(flip=False),
)

if __name__ == "__main__":
    run_experiment("segmenter")

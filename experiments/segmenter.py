"""Drawn photos of facades to their labels: a U-Net trained with cross-entropy alone, without a GAN.

It judges runs in the other direction: the better their pictures, the more of the labels it finds again in them. See
`p2p_jax/evaluation/segmenter.py`. The defaults suit runs of `quickstart`. For other runs take their pictures and size, and
make the labels the target.

Data: the built-in facades, whose labels are exact. Label maps of other sets have the colours of `--data.target.palette`, or
hold class numbers (`--data.target.palette None --data.target.classes 19`).
Source: Isola et al. 2017, section 4.1, the FCN score. The part on semantic segmentation there finds that for photos to
labels a reconstruction loss alone is better than a GAN.

    p2p-jax train segmenter
    p2p-jax evaluate runs/quickstart --segmenter runs/segmenter
    p2p-jax train segmenter --data.source folder --data.path FOLDER --image-size 128 --data.load-size 143
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Augment, Config, Data, Discriminator, Generator, Loss, Optimizer, Side

CONFIG = Config(
    image_size=64,
    batch_size=4,
    steps=2000,
    generator=Generator(width=16),
    discriminator=Discriminator("pixelgan", width=1),  # trains nothing, so it is as small as possible
    loss=Loss(reconstruction="cross_entropy", adversarial_weight=0.0),
    optimizer=Optimizer(learning_rate=1e-3),
    data=Data(source="procedural", direction="BtoA", load_size=64, target=Side(kind="labels", palette=("cmp",))),
    augment=Augment(flip=False),
)

if __name__ == "__main__":
    run_experiment("segmenter")

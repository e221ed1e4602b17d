"""Labels to photos of streets, or back with --data.direction AtoB.

Data: 2,975 training pairs of 256 x 256 pixels, side by side, photo left and labels right: labels to photo is BtoA.
Source: Isola et al. 2017, appendix 6.2: 200 epochs, batch 1; jitter and mirroring.
Results: experiments/LOG.md has the runs so far; none at this size, which needs an accelerator.

    p2p-jax data prepare cityscapes
    p2p-jax train cityscapes
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Config, Data

CONFIG = Config(data=Data(tfds="pix2pix/cityscapes", direction="BtoA"), sample_every=5000, checkpoint_every=5000)

if __name__ == "__main__":
    run_experiment("cityscapes")

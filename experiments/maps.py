"""Aerial photos to maps, or back with --data.direction BtoA.

Data: 1,096 training pairs of 600 x 600 pixels, side by side, aerial photo left and map right.
Source: Isola et al. 2017, appendix 6.2: 200 epochs, batch 1, jitter and mirroring.
Results: experiments/LOG.md has the runs so far; none at this size, which needs an accelerator.

    p2p-jax data prepare maps
    p2p-jax train maps
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Config, Data

CONFIG = Config(data=Data(tfds="pix2pix/maps"))

if __name__ == "__main__":
    run_experiment("maps")

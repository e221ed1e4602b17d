"""Edges to photos of handbags.

Data: 138,567 training pairs of 256 x 256 pixels, side by side, edges left and photo right.
Source: Isola et al. 2017, appendix 6.2: 15 epochs, batch 4.
Results: experiments/LOG.md has the runs so far; none at this size, which needs an accelerator.

    p2p-jax data prepare edges2handbags
    p2p-jax train edges2handbags
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Config, Data

CONFIG = Config(data=Data(tfds="pix2pix/edges2handbags"), epochs=15, batch_size=4, sample_every=5000, checkpoint_every=5000)

if __name__ == "__main__":
    run_experiment("edges2handbags")

"""Photos by night to photos by day.

Data: 17,823 training pairs of 256 x 256 pixels, side by side, night left and day right.
Source: Isola et al. 2017, appendix 6.2: 17 epochs, batch 4; jitter and mirroring.
Results: experiments/LOG.md has the runs so far; none at this size, which needs an accelerator.

    p2p-jax data prepare night2day
    p2p-jax train night2day
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Config, Data

CONFIG = Config(data=Data(tfds="pix2pix/night2day"), epochs=17, batch_size=4, sample_every=5000, checkpoint_every=5000)

if __name__ == "__main__":
    run_experiment("night2day")

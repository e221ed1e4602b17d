"""Labels to photos of facades: the CMP Facades data set with the paper's settings.

Data: 400 training and 106 test pairs, side by side, photo left and labels right: labels to photo is BtoA.
Source: Isola et al. 2017, section 4 and appendix 6.2: 200 epochs, batch 1, jitter and mirroring.
Results: experiments/LOG.md has the runs so far; none at this size, which needs an accelerator.

    p2p-jax data prepare facades
    p2p-jax train facades
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Config, Data

CONFIG = Config(data=Data(tfds="pix2pix/facades", direction="BtoA"))

if __name__ == "__main__":
    run_experiment("facades")

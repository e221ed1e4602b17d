"""Your own pairs with the paper's settings: A (left) to B (right), 256 pixels, 200 epochs.

Networks that are imported from the PyTorch original have this name, too.

Data: any folder of pairs; p2p_jax/data/README.md describes the layouts.
Source: Isola et al. 2017, section 3 and appendix 6.

    p2p-jax train pix2pix --data.path FOLDER
"""

from p2p_jax.cli import run_experiment
from p2p_jax.config import Config

CONFIG = Config()

if __name__ == "__main__":
    run_experiment("pix2pix")

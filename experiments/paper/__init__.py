"""The tables of the pix2pix paper as experiments: `python -m experiments.paper.losses`, and so on."""

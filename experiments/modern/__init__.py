"""Which pieces of a training step make better pictures: each alone, then together, against the paper's settings."""

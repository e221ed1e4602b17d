"""Comparing runs on the same pictures: `p2p-jax compare`."""

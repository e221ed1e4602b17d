"""`p2p-jax data check`: looking at every picture of a data set, and drawing conclusions."""

"""`p2p-jax data combine`, `split` and so on: tools that make pairs."""

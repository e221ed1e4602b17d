"""Pairs of pictures: finding, reading, batching and augmenting them."""

"""Preparing sets of tensorflow-datasets without TensorFlow: downloads, archives, and shards of records."""

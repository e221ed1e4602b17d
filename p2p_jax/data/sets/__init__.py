"""Sets of tensorflow-datasets, without TensorFlow: fetched, prepared, and read by random access."""

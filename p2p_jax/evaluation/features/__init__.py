"""The features that metrics of sets compare."""

"""The workdir of a run: record, checkpoints, metrics, and how a run is resumed."""

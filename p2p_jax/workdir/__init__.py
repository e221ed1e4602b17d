"""The workdir of a run: its record, checkpoints and metrics, and how the run is resumed."""

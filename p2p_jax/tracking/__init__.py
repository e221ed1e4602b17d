"""Trackers of experiments: TensorBoard, wandb, trackio and MLflow, each in a process of its own."""

"""Convolutions on a CPU: formulations as matrix products, and hints for XLA. Accelerators use none of it."""

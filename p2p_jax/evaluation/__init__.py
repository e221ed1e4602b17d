"""Evaluation: metrics, their means over a split, sample grids, and the report."""

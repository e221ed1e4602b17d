"""Evaluation: metrics, figures of a split, sample grids, and the report."""

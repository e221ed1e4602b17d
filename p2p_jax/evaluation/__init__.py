"""Evaluation: metrics, figures on a split, sample grids, the report."""

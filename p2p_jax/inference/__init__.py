"""Inference: translates arrays and files with a trained generator."""

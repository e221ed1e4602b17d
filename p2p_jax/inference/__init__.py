"""Inference: a trained generator as a function of pictures, and over files."""

"""The PyTorch original: its files, the names of its layers, and conversion in both directions."""

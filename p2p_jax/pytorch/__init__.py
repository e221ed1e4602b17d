"""The PyTorch original: its files, its layer names, and conversion in both directions."""

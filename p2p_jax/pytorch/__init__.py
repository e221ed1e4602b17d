"""The PyTorch original: the names of its layers, conversion in both directions, and its files as workdirs."""

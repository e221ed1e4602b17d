"""Checks that take long: parity with PyTorch, equality across devices, lost processes, kills."""

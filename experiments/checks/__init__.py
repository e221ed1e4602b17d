"""Checks that take long: parity with PyTorch, equality across devices, a lost process, runs that are killed."""

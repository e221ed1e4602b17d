"""Devices: where arrays are placed, communication between processes, and memory."""

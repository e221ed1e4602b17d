"""Devices and processes: meshes and shardings, communication between processes, memory."""

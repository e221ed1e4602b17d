"""Processes with simulated devices, for the checks on several devices."""

import os
import socket


def environment(devices: int) -> dict[str, str]:
    """Returns the environment of a process with this number of simulated devices on its CPU."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


def free_address() -> str:
    """Returns HOST:PORT on loopback with a free port, for the coordinator of several processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
    return f"{host}:{port}"

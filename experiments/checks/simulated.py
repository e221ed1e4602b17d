"""Processes with simulated devices, as the checks of several devices start them."""

import os
import socket


def environment(devices: int) -> dict[str, str]:
    """The environment of a process that sees so many devices on its CPU."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


def free_address() -> str:
    """HOST:PORT on loopback where nobody listens, for processes to find each other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
    return f"{host}:{port}"

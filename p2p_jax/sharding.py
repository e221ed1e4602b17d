"""Where arrays live: a mesh of devices, the batch split over its axis `data`, everything else on all of them."""

import math
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding


def make_mesh(batch_size: int, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh with the one axis `data` over as many local devices as divide the batch evenly.

    Args:
        batch_size: pairs per step, over all devices.
        devices: to choose from; by default all local ones.
    """
    devices = jax.local_devices() if devices is None else devices
    count = math.gcd(batch_size, len(devices))
    return jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=devices[:count])


def compiler_options(mesh: Mesh) -> dict[str, bool] | None:
    """What `jax.jit` is to be told of a program that the devices of a mesh run together.

    Several CPUs are served by as many threads as the machine has cores. A program that is scheduled to do as much as it can
    at once lets one device wait in all of them for the others, which then never get there: so seen in loops.
    """
    several = mesh.size > 1 and mesh.devices.flat[0].platform == "cpu"
    return {"xla_cpu_enable_concurrency_optimized_scheduler": False} if several else None


def replicate(mesh: Mesh, tree: Any) -> Any:
    """Puts a whole copy of every array on every device."""
    return jax.device_put(tree, NamedSharding(mesh, jax.P()))


def split_batch(mesh: Mesh, batch: Any, *, axis: int = 0) -> Any:
    """Splits every array along an axis over the devices."""
    return jax.device_put(batch, NamedSharding(mesh, jax.P(*[None] * axis, "data")))

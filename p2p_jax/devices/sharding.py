"""Sharding: a mesh of devices, the batch split over them, and the state replicated or sharded.

The mesh has the axes `data` and `model`. The batch is split over `data`. A *replicated* state has a copy on every device.
In a *sharded* state each device has only a shard of every large array: parameters are gathered where a network is applied,
and their gradients are scattered again (FSDP). With more than 1 device along `model`, the features of every large layer
are split over that axis.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from p2p_jax.errors import UserError
from p2p_jax.network import Network
from p2p_jax.step import Pix2Pix

SMALLEST_SHARDED = 4096
"""Only arrays with at least this many values are sharded."""

STATE_MEMORY_FRACTION = 0.4
"""Largest fraction of a device's memory for a replicated state; gradients and activations need the rest."""


def make_mesh(batch_size: int, devices: Sequence[Any] | None = None, *, model: int = 1) -> Mesh:
    """Makes a mesh with the axes `data` and `model` over as many devices of each process as divide the batch evenly.

    Along `data` the devices of one process are neighbours, so that its part of a batch is contiguous.

    Args:
        batch_size: pairs in a micro-batch, over all devices.
        devices: to choose from; by default all devices of all processes.
        model: devices along `model`.

    Raises:
        UserError: the batch cannot be split over the processes, or a process has too few devices.
    """
    own: dict[int, list[Any]] = {}
    for device in jax.devices() if devices is None else devices:
        own.setdefault(device.process_index, []).append(device)
    if batch_size % len(own):
        raise UserError(
            f"--batch-size divided by --accumulate is {batch_size}: make it a multiple of the number of processes, "
            f"{len(own)}."
        )
    along = {len(some) // model for some in own.values()}
    if 0 in along:
        raise UserError(
            f"--model-parallel was given {model}: give at most the number of devices of a process, here "
            f"{min(map(len, own.values()))}."
        )
    count = math.gcd(batch_size // len(own), *along)
    chosen = [own[process][: count * model] for process in sorted(own)]
    grid = np.array(chosen, dtype=object).reshape(-1, model)
    return Mesh(grid, ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))


def place(tree: Any, shardings: Any) -> Any:
    """Places arrays, which every process holds in full, on devices.

    Args:
        tree: of arrays.
        shardings: a tree of the same structure, or one sharding for all.
    """
    if isinstance(shardings, NamedSharding):
        shardings = jax.tree.map(lambda _: shardings, tree)
    return jax.tree.map(_place, tree, shardings)


def _place(array: Any, sharding: NamedSharding) -> jax.Array:
    if sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_place(jax.random.key_data(array), sharding))
    values = np.asarray(array)
    return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index], dtype=values.dtype)


def replicate(mesh: Mesh, tree: Any) -> Any:
    """Places a copy of every array on every device."""
    return place(tree, NamedSharding(mesh, jax.P()))


def batch_sharding(mesh: Mesh, *, axis: int = 0) -> NamedSharding:
    """Returns the sharding of arrays whose given axis is split over the mesh axis `data`."""
    return NamedSharding(mesh, jax.P(*[None] * axis, "data"))


def split_batch(mesh: Mesh, batch: Any, *, axis: int = 0) -> Any:
    """Splits every array along an axis over the devices; each of several processes passes its own part."""
    sharding = batch_sharding(mesh, axis=axis)
    if sharding.is_fully_addressable:
        return jax.device_put(batch, sharding)
    return jax.tree.map(partial(jax.make_array_from_process_local_data, sharding), batch)


@partial(jax.jit, static_argnums=1)
def _reshard(tree: Any, sharding: NamedSharding) -> Any:
    return jax.tree.map(partial(jax.lax.with_sharding_constraint, shardings=sharding), tree)


def on_one_device(tree: Any) -> Any:
    """Returns a full copy on this process's first device; every process must call this at the same point."""
    leaves = jax.tree.leaves(tree)
    if not all(leaf.is_fully_replicated for leaf in leaves):
        tree = _reshard(tree, NamedSharding(leaves[0].sharding.mesh, jax.P()))
    return jax.tree.map(lambda leaf: jax.device_put(leaf.addressable_data(0), jax.local_devices()[0]), tree)


def state_shardings(mesh: Mesh, state: Any, *, sharded: bool) -> Any:
    """Returns the sharding of each array of a state, a tree of the same structure.

    Args:
        mesh: from `make_mesh`.
        state: a tree of arrays, or of their shapes.
        sharded: whether large arrays are split over `data`, each at its longest axis that divides evenly.
    """
    return jax.tree.map(lambda leaf: NamedSharding(mesh, _spec(leaf.shape, mesh, sharded=sharded)), state)


def _spec(shape: tuple[int, ...], mesh: Mesh, *, sharded: bool) -> PartitionSpec:
    """Splits an array's features (the last axis) over `model`, and the longest axis that remains over `data`."""
    axes: list[str | None] = [None] * len(shape)
    if math.prod(shape) < SMALLEST_SHARDED:
        return jax.P()
    model, data = mesh.shape["model"], mesh.shape["data"]
    if model > 1 and shape[-1] % model == 0:
        axes[-1] = "model"
    if sharded and data > 1:
        free = [axis for axis, size in enumerate(shape) if axes[axis] is None and size % data == 0]
        if free:
            axes[max(free, key=lambda axis: shape[axis])] = "data"
    return jax.P(*axes)


def is_sharded(mesh: Mesh, state: Any, choice: str) -> bool:
    """Whether to split the state over `data`.

    Args:
        mesh: from `make_mesh`.
        state: a tree of arrays, or of their shapes.
        choice: "replicated", "sharded", or "auto": sharded if a copy does not fit in `STATE_MEMORY_FRACTION` of a device.
    """
    if choice != "auto":
        return choice == "sharded"
    memory = (mesh.local_devices[0].memory_stats() or {}).get("bytes_limit")
    needed = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return memory is not None and needed > STATE_MEMORY_FRACTION * memory


def with_gathered_params(model: Pix2Pix, mesh: Mesh, shardings: Any) -> Pix2Pix:
    """Returns the model with networks that gather their sharded parameters before they are applied.

    Args:
        model: networks, optimizers and losses.
        mesh: from `make_mesh`.
        shardings: of the state, from `state_shardings`. If none splits over `data`, the model is returned unchanged.
    """
    if not any("data" in sharding.spec for sharding in jax.tree.leaves(shardings)):
        return model
    changed = {name: _with_gather(getattr(model, name), mesh) for name in ("generator", "discriminator")}
    return model._replace(**changed)


def _with_gather(network: Network, mesh: Mesh) -> Network:
    def apply(params: Any, state: Any, *inputs: Any, **options: Any) -> Any:
        gathered = jax.tree.map(lambda leaf: _gather(mesh)(leaf), params)
        return network.apply(gathered, state, *inputs, **options)

    return network._replace(apply=apply)


def _gather(mesh: Mesh) -> Callable[[jax.Array], jax.Array]:
    """Returns the identity function that gathers its input over `data` and scatters its gradient."""

    def constrain(x: jax.Array, *, sharded: bool) -> jax.Array:
        return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, _spec(x.shape, mesh, sharded=sharded)))

    gather = jax.custom_vjp(lambda x: constrain(x, sharded=False))
    gather.defvjp(lambda x: (constrain(x, sharded=False), None), lambda _, grad: (constrain(grad, sharded=True),))
    return gather

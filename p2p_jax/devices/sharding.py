"""Where arrays live: a mesh of devices, the batch split over its axis `data`, the state whole on each or split as well.

The mesh has the axes `data` and `model`. The state is *replicated*: every device has a copy of all of it; or *sharded*:
each has a share of every large array, parameters are brought together where a network is applied, and their gradients are
split again (FSDP). With more than 1 along `model`, the features of every large layer are split over that axis.
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

SMALLEST_SHARDED = 4096  # values of an array that is worth splitting


ROOM = 0.4  # share of a device's memory that a replicated state may take, beside its gradients and the activations


def make_mesh(batch_size: int, devices: Sequence[Any] | None = None, *, model: int = 1) -> Mesh:
    """A mesh with the axes `data` and `model`, over as many devices of every process as divide the batch evenly.

    Along `data` the devices of one process are neighbours, so that its share of a batch is in one piece.

    Args:
        batch_size: pairs at a time, over all devices.
        devices: to choose from; by default all of all processes.
        model: devices along `model`.

    Raises:
        UserError: the batch cannot be split over the processes, or a process has too few devices.
    """
    own: dict[int, list[Any]] = {}
    for device in jax.devices() if devices is None else devices:
        own.setdefault(device.process_index, []).append(device)
    if batch_size % len(own):
        raise UserError(
            f"--batch-size over --accumulate makes {batch_size} pairs at a time: give a multiple of the {len(own)} "
            "processes that share them."
        )
    along = {len(some) // model for some in own.values()}
    if 0 in along:
        raise UserError(
            f"--model-parallel was given {model}: it must be at most the number of a process's devices, here "
            f"{min(map(len, own.values()))}."
        )
    count = math.gcd(batch_size // len(own), *along)
    chosen = [own[process][: count * model] for process in sorted(own)]
    grid = np.array(chosen, dtype=object).reshape(-1, model)
    return Mesh(grid, ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))


def place(tree: Any, shardings: Any) -> Any:
    """Puts arrays that every process has whole where `shardings` (a tree of the same form, or one for all) say."""
    if isinstance(shardings, NamedSharding):
        shardings = jax.tree.map(lambda _: shardings, tree)
    return jax.tree.map(_place, tree, shardings)


def _place(array: Any, sharding: NamedSharding) -> jax.Array:
    if sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_place(jax.random.key_data(array), sharding))
    whole = np.asarray(array)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index], dtype=whole.dtype)


def replicate(mesh: Mesh, tree: Any) -> Any:
    """Puts a whole copy of every array on every device."""
    return place(tree, NamedSharding(mesh, jax.P()))


def batch_sharding(mesh: Mesh, *, axis: int = 0) -> NamedSharding:
    """That of arrays which are split along an axis over the devices."""
    return NamedSharding(mesh, jax.P(*[None] * axis, "data"))


def split_batch(mesh: Mesh, batch: Any, *, axis: int = 0) -> Any:
    """Splits every array along an axis over the devices; of several processes, each gives its own share."""
    sharding = batch_sharding(mesh, axis=axis)
    if sharding.is_fully_addressable:
        return jax.device_put(batch, sharding)
    return jax.tree.map(partial(jax.make_array_from_process_local_data, sharding), batch)


@partial(jax.jit, static_argnums=1)
def _bring_together(tree: Any, sharding: NamedSharding) -> Any:
    return jax.tree.map(partial(jax.lax.with_sharding_constraint, shardings=sharding), tree)


def on_one_device(tree: Any) -> Any:
    """A whole copy on this process's first device. Every process has to ask for it at once."""
    leaves = jax.tree.leaves(tree)
    if not all(leaf.is_fully_replicated for leaf in leaves):
        tree = _bring_together(tree, NamedSharding(leaves[0].sharding.mesh, jax.P()))
    return jax.tree.map(lambda leaf: jax.device_put(leaf.addressable_data(0), jax.local_devices()[0]), tree)


def state_shardings(mesh: Mesh, state: Any, *, sharded: bool) -> Any:
    """Where each array of a state lives.

    Args:
        mesh: from `make_mesh`.
        state: a tree of arrays, or of their shapes.
        sharded: split large arrays over `data`; each at its longest axis that divides evenly.
    """
    return jax.tree.map(lambda leaf: NamedSharding(mesh, _spec(leaf.shape, mesh, sharded=sharded)), state)


def _spec(shape: tuple[int, ...], mesh: Mesh, *, sharded: bool) -> PartitionSpec:
    """How an array is split: its features (the last axis) over `model`, its longest other axis over `data`."""
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
    """Whether the state is split over `data`: as chosen, or with "auto" where a copy on each device would not fit.

    Args:
        mesh: the devices.
        state: a tree of arrays, or of their shapes.
        choice: "replicated", "sharded" or "auto".
    """
    if choice != "auto":
        return choice == "sharded"
    memory = (mesh.local_devices[0].memory_stats() or {}).get("bytes_limit")
    needed = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return memory is not None and needed > ROOM * memory


def gather_params(model: Pix2Pix, mesh: Mesh, shardings: Any) -> Pix2Pix:
    """The same networks; where a state is split over `data`, each brings its parameters together where it is applied.

    Args:
        model: the networks.
        mesh: the devices.
        shardings: of the state, from `state_shardings`.
    """
    if not any("data" in where.spec for where in jax.tree.leaves(shardings)):
        return model
    changed = {name: _gathering(getattr(model, name), mesh) for name in ("generator", "discriminator")}
    return model._replace(**changed)


def _gathering(network: Network, mesh: Mesh) -> Network:
    def apply(params: Any, state: Any, *inputs: Any, **options: Any) -> Any:
        gathered = jax.tree.map(lambda leaf: _gather(mesh)(leaf), params)
        return network.apply(gathered, state, *inputs, **options)

    return network._replace(apply=apply)


def _gather(mesh: Mesh) -> Callable[[jax.Array], jax.Array]:
    """The identity, whose result is whole along `data`, and whose gradient is split again."""

    def constrain(x: jax.Array, *, sharded: bool) -> jax.Array:
        return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, _spec(x.shape, mesh, sharded=sharded)))

    gather = jax.custom_vjp(lambda x: constrain(x, sharded=False))
    gather.defvjp(lambda x: (constrain(x, sharded=False), None), lambda _, slope: (constrain(slope, sharded=True),))
    return gather

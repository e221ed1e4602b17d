"""Reads one checkpoint and verifies it."""

import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import SingleDeviceSharding

from p2p_jax.errors import UserError
from p2p_jax.workdir.bucket.paths import is_local_copy
from p2p_jax.workdir.checksums import checksums, decode_meta, json_checksum
from p2p_jax.workdir.manager import Manager

FORMAT = 1
"""The newest format of checkpoints that this version reads, and the one that it writes."""


class Damaged(Exception):
    """A checkpoint is damaged; the message says which part of it."""


def describe(error: Exception) -> str:
    """Describes in a few words why a checkpoint cannot be read."""
    first = str(error).splitlines()[0] if str(error) else ""
    return first if isinstance(error, Damaged) else f"{type(error).__name__}: {first}"


def read_meta(manager: Manager, step: int) -> dict[str, Any]:
    """Reads the item `meta` of a checkpoint without verifying it."""
    return decode_meta(manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"], FORMAT)


def refuse_newer_format(manager: Manager, step: int) -> None:
    """Refuses a checkpoint of a newer format than this version reads.

    Raises:
        UserError: it has a newer format.
    """
    written = 0
    with suppress(Exception):  # a damaged checkpoint is reported where it is restored
        written = int(read_meta(manager, step)["format"])
    if written > FORMAT:
        raise UserError(
            f"checkpoint {step} in {manager.folder} has format {written}, but this version of p2p-jax reads formats up "
            f"to {FORMAT}: use the version that wrote it, or a later one."
        )


def restore_verified(manager: Manager, step: int, like: dict[str, Any]) -> dict[str, Any] | None:
    """Restores items of one checkpoint into the host's memory; returns None, with a warning, if it is damaged.

    Arguments are those of `read_items`.

    Raises:
        UserError: a newer version wrote the checkpoint.
    """
    refuse_newer_format(manager, step)
    try:
        return read_items(manager, step, like)
    except Exception as error:  # orbax and tensorstore raise many types of errors, and each means a damaged checkpoint
        warnings.warn(f"checkpoint {step} in {manager.folder} is damaged ({describe(error)}): it is skipped.", stacklevel=2)
        return None


def read_items(manager: Manager, step: int, like: dict[str, Any]) -> dict[str, Any]:
    """Reads items of one checkpoint into the host's memory, and verifies it.

    Args:
        manager: of the checkpoints.
        step: of the checkpoint.
        like: {item: tree with the shapes and dtypes to restore}; None in place of a tree restores what was saved, if the
            checkpoint was saved with that item.

    Returns:
        {item: tree}, and "meta".

    Raises:
        Damaged: an item is missing, is not what was saved, or is of another step.
        Exception: another error of a library, which means the same.
    """
    meta, saved = read_meta(manager, step), manager.item_metadata(step)
    expected = meta["checksums"]
    # The local copy of a workdir in a bucket may hold nothing but the wanted items.
    needed = [name for name in expected if name in like or not is_local_copy(manager.folder.parent)]
    if missing := [name for name in needed if saved.get(name) is None]:
        raise Damaged(f"{', '.join(missing)} missing")
    wanted = {name: tree for name, tree in like.items() if tree is not None or name in expected}
    targets = {name: _host_targets(saved[name].tree if tree is None else tree) for name, tree in wanted.items()}
    args = {name: ocp.args.StandardRestore(tree) for name, tree in targets.items()}
    items = dict(manager.restore(step, args=ocp.args.Composite(**args))) if args else {}
    damaged = [name for name, item in items.items() if checksums(item) != expected[name]]
    meta_sum = meta.pop("checksum", None)  # older versions did not write it
    if meta_sum not in (None, json_checksum(meta)):
        damaged.append("meta")
    if damaged:
        raise Damaged(", ".join(damaged))
    held = meta["step"] if "step" in meta else _read_step(manager, step, expected)
    if held != step:
        raise Damaged(f"it holds step {held}")
    return items | {"meta": meta}


def _read_step(manager: Manager, step: int, items: Iterable[str]) -> int:
    """Reads how many steps the state in a checkpoint has done, where an older version did not write that into `meta`."""
    if "training" not in items:  # imported networks, see `checkpoint.save_networks`
        return 0
    target = {"step": jax.ShapeDtypeStruct((), np.int32)}
    args = {"step": ocp.ArrayRestoreArgs(restore_type=np.ndarray)}
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
        return int(
            reader.restore(
                manager.path_of(step) / "training",
                args=ocp.args.PyTreeRestore(item=target, restore_args=args, partial_restore=True),
            )["step"]
        )


def _host_targets(tree: Any) -> Any:
    """Returns the shapes and dtypes of a tree, placed on a CPU device, where checksums are computed fastest."""
    sharding = SingleDeviceSharding(jax.local_devices(backend="cpu")[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)

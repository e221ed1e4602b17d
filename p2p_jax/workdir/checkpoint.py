"""Checkpoints: atomic, asynchronous, checksummed. The only module that imports orbax.

A checkpoint holds the items `generator` and `discriminator` (params and state of each), `ema` (if there is one),
`training` (the rest of the train state) and `meta` (JSON: format version, checksums, validation figures, skipped batches).
A checkpoint whose arrays do not match their checksums is skipped with a warning, and the one before it is used.
"""

import logging
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import SingleDeviceSharding
from orbax.checkpoint.checkpoint_managers import preservation_policy

from p2p_jax.devices import processes
from p2p_jax.devices.sharding import on_one_device, place
from p2p_jax.errors import UserError
from p2p_jax.state import TrainState, from_items, to_items
from p2p_jax.workdir.bucket.paths import is_local_copy
from p2p_jax.workdir.checksums import checksums, decode_meta, json_checksum

FORMAT = 1


Manager = ocp.CheckpointManager


def open_manager(workdir: Path, *, keep: int, best_metric: str | None = None) -> Manager:
    """Opens the checkpoints of a workdir and removes the remains of an interrupted save.

    Args:
        workdir: of the run; checkpoints are in its folder `checkpoints`.
        keep: number of newest checkpoints to keep.
        best_metric: metric whose best checkpoint is kept too, or None.
    """
    # Checkpoint 0, if it exists, holds imported networks: see `save_networks`.
    imported = preservation_policy.CustomSteps([0])
    policies: list[preservation_policy.PreservationPolicy] = [preservation_policy.LatestN(keep), imported]
    score = partial(_score, best_metric) if best_metric else None
    if score:
        policies.append(preservation_policy.BestN(get_metric_fn=score, n=1, keep_checkpoints_without_metrics=False))
    options = ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
        cleanup_tmp_directories=True,
        best_fn=score,
    )
    if is_local_copy(workdir):
        (workdir / "checkpoints").mkdir(exist_ok=True)
        _use_this_process_only(options)
    return _make_manager(workdir / "checkpoints", options)


def save(manager: Manager, state: TrainState, metrics: dict[str, float] | None = None, skipped: Iterable[int] = ()) -> None:
    """Writes the state in the background, under its step number. Every process has to call it.

    Args:
        manager: from `open_manager`.
        state: to save; its arrays may be donated as soon as this returns.
        metrics: validation figures, from which the best checkpoint is chosen.
        skipped: indices of the batches that the run has skipped.

    Raises:
        OSError: an earlier save failed, for example for lack of space.
        RuntimeError: orbax did not accept the checkpoint.
    """
    items = to_items(state)
    if processes.count() > 1 and is_local_copy(Path(manager.directory).parent):
        # Gathers one array at a time, because all may not fit into one device's memory. The results are NumPy arrays,
        # because with several processes orbax does not save JAX arrays of a single process.
        items = jax.tree.map(lambda leaf: jax.device_get(on_one_device(leaf)), items)
    _save(manager, int(state.step), items, metrics, skipped)


def save_networks(workdir: Path, networks: dict[str, Any]) -> None:
    """Writes trained networks, without optimizer state, as the checkpoint 0 that a run starts from.

    Args:
        workdir: without checkpoints.
        networks: {"generator": {"params", "state"}}, and the same for "discriminator" if there is one.
    """
    with open_manager(workdir, keep=1) as manager:
        _save(manager, 0, networks, None)


def _save(
    manager: Manager, step: int, items: dict[str, Any], metrics: dict[str, float] | None, skipped: Iterable[int] = ()
) -> None:
    sums = {name: checksums(item) for name, item in items.items()}
    meta = {"format": FORMAT, "checksums": sums, "validation": metrics, "left_out": sorted(skipped)}
    meta["checksum"] = json_checksum(meta)
    args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
    if not manager.save(step, args=ocp.args.Composite(**args, meta=ocp.args.JsonSave(meta)), metrics=metrics):
        raise RuntimeError(f"orbax refused to save step {step}.")


def restore(manager: Manager, like: TrainState) -> TrainState | None:
    """Restores the newest checkpoint whose checksums match, and removes newer, damaged ones.

    Checkpoint 0 is skipped, because it holds networks to start from (see `init_from.start_from`) and no training state. The
    numbers of devices and processes may differ from those of the run that wrote the checkpoint.

    Args:
        manager: from `open_manager`.
        like: a state, or a tree of `jax.ShapeDtypeStruct`, with the shapes, dtypes and shardings to restore.

    Returns:
        the state, or None if there is no checkpoint.

    Raises:
        UserError: there are checkpoints, but all are damaged, or the processes see different ones.
    """
    steps = sorted((step for step in manager.all_steps() if step), reverse=True)
    if len(processes.gather_lines([f"{steps}"])) > 1:
        raise UserError(f"the processes see different checkpoints in {manager.directory}: give all of them one workdir.")
    with _open_reader(Path(manager.directory)) as reader:
        for index, step in enumerate(steps):
            items = _restore_verified(reader, step, jax.eval_shape(to_items, like))
            if processes.all_agree(items is not None):
                for damaged in steps[:index]:
                    manager.delete(damaged)  # orbax would refuse to save this step again
                return place(from_items(items or {}), jax.tree.map(lambda leaf: leaf.sharding, like))
    if steps:
        raise UserError(f"every checkpoint in {manager.directory} is damaged: start a new run with --overwrite.")
    return None


def read_skipped(manager: Manager, step: int) -> tuple[int, ...]:
    """Returns the indices of the batches that the run skipped before a checkpoint; () if there is no such checkpoint."""
    with _open_reader(Path(manager.directory)) as reader:
        return tuple(_read_meta(reader, step).get("left_out", ())) if step in reader.all_steps() else ()


def refuse_newer(workdir: Path) -> None:
    """Refuses checkpoints of a newer format than this version reads.

    Raises:
        UserError: a checkpoint has a newer format.
    """
    with _open_reader(workdir / "checkpoints") as reader:
        for step in reader.all_steps():
            _refuse_newer(reader, step)


def restore_params(workdir: Path, step: int | str = "latest", *, best_metric: str = "val_ssim") -> tuple[Any, Any, int]:
    """Restores the generator as (params, state, step); params are the moving average if there is one.

    Arguments and errors are those of `restore_items`.
    """
    items, found = restore_items(workdir, ("generator", "ema"), step, best_metric=best_metric)
    generator = items["generator"]
    return items.get("ema", generator["params"]), generator["state"], found


def restore_items(
    workdir: Path, names: tuple[str, ...], step: int | str = "latest", *, best_metric: str = "val_ssim"
) -> tuple[dict[str, Any], int]:
    """Restores some items of a checkpoint to one device.

    Args:
        workdir: of the run.
        names: of the items; those that the checkpoint lacks are ignored.
        step: of the checkpoint: a number, "latest" or "best" (by `best_metric`, if there is a validation split).
        best_metric: name of the validation figure.

    Returns:
        ({name: tree}, step of the checkpoint).

    Raises:
        UserError: there is no such checkpoint, or it is damaged.
    """
    folder = workdir / "checkpoints"
    if not folder.is_dir():
        raise UserError(f"{workdir} holds no checkpoints: give the folder of a training run.")
    with _open_reader(folder) as manager:
        for candidate in _candidates(manager, workdir, step, best_metric):
            if (items := _restore_verified(manager, candidate, dict.fromkeys(names))) is not None:
                found = {name: items[name] for name in names if name in items}
                return jax.device_put(found, jax.local_devices()[0]), candidate
    raise UserError(f"no undamaged checkpoint was found in {folder}: train again, or give another --checkpoint.")


def _open_reader(folder: Path) -> Manager:
    """Opens a read-only manager. Each process reads independently, so an unreadable file makes no other process wait."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(max(level, logging.ERROR))  # otherwise orbax warns that a reader is read-only
    try:
        options = ocp.CheckpointManagerOptions(read_only=True)
        _use_this_process_only(options)
        return _make_manager(folder, options)
    finally:
        logger.setLevel(level)


def _use_this_process_only(options: ocp.CheckpointManagerOptions) -> None:
    """Sets options so that orbax does not synchronise with other processes."""
    index = jax.process_index()
    if processes.count() > 1:
        options.create = False  # because orbax makes a folder in all processes together
        options.multiprocessing_options = ocp.options.MultiprocessingOptions(
            primary_host=index, active_processes={index}, barrier_sync_key_prefix=f"process_{index}"
        )
        # Otherwise the threads of a save wait for a signal whose key all processes share.
        options.async_options = ocp.options.AsyncOptions(create_directories_asynchronously=False)


def _make_manager(folder: Path, options: ocp.CheckpointManagerOptions) -> Manager:
    # With named handlers the shapes of a checkpoint can be read before it is restored.
    items = ("generator", "discriminator", "ema", "training")
    handlers: dict[str, Any] = {name: ocp.StandardCheckpointHandler() for name in items}
    handlers["meta"] = ocp.JsonCheckpointHandler()
    return ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)


def _read_meta(manager: Manager, step: int) -> dict[str, Any]:
    return decode_meta(manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"], FORMAT)


def _refuse_newer(manager: Manager, step: int) -> None:
    written = 0
    with suppress(Exception):  # a damaged checkpoint is reported where it is restored
        written = int(_read_meta(manager, step)["format"])
    if written > FORMAT:
        raise UserError(
            f"checkpoint {step} in {manager.directory} has format {written}, but this version of p2p-jax reads formats up "
            f"to {FORMAT}: use the version that wrote it, or a later one."
        )


def _restore_verified(manager: Manager, step: int, like: dict[str, Any]) -> dict[str, Any] | None:
    """Restores items of one checkpoint into the host's memory; returns None, with a warning, if it is damaged.

    `like` maps each item to a tree with the shapes and dtypes to restore, or to None, which restores the saved shapes and
    dtypes of the item if the checkpoint has it.

    Raises:
        UserError: a newer version wrote the checkpoint.
    """
    _refuse_newer(manager, step)
    try:
        saved = manager.item_metadata(step)
        targets = {
            name: _host_targets(saved[name].tree if tree is None else tree)
            for name, tree in like.items()
            if tree is not None or saved.get(name) is not None
        }
        args = {name: ocp.args.StandardRestore(tree) for name, tree in targets.items()}
        found = manager.restore(step, args=ocp.args.Composite(**args, meta=ocp.args.JsonRestore()))
        expected = decode_meta(found["meta"], FORMAT)["checksums"]
        items = {name: found[name] for name in targets}
        damaged = [name for name, item in items.items() if checksums(item) != expected[name]]
        meta_sum = found["meta"].pop("checksum", None)  # older versions did not write it
        if meta_sum not in (None, json_checksum(found["meta"])):
            damaged.append("meta")
    except Exception as error:  # orbax and tensorstore raise many types of errors, and each means a damaged checkpoint
        damaged = [f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"]
    if damaged:
        warnings.warn(
            f"checkpoint {step} in {manager.directory} is damaged ({', '.join(damaged)}): it is skipped.", stacklevel=2
        )
        return None
    return items | {"meta": found["meta"]}


def _host_targets(tree: Any) -> Any:
    """Returns the shapes and dtypes of a tree, placed on a CPU device, where checksums are computed fastest."""
    sharding = SingleDeviceSharding(jax.local_devices(backend="cpu")[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def _candidates(manager: Manager, workdir: Path, step: int | str, best_metric: str) -> list[int]:
    """Returns the steps of the checkpoints that `step` allows, the preferred one first."""
    steps = sorted(manager.all_steps(), reverse=True)
    if not steps:
        raise UserError(f"{workdir} holds no checkpoint yet: continue training until the first one is written.")
    if step == "latest":
        return steps
    if step == "best":
        metas = {n: _restore_verified(manager, n, {}) for n in steps}
        validation = {n: items["meta"]["validation"] for n, items in metas.items() if items}
        scores = {n: _score(best_metric, metrics) for n, metrics in validation.items() if metrics}
        if not scores:
            raise UserError(
                f"{workdir} has no best checkpoint, because it has no validation split: give latest or a step number."
            )
        return sorted(scores, key=scores.__getitem__, reverse=True)
    if not str(step).isdigit() or int(step) not in steps:
        raise UserError(f"{workdir} has no checkpoint {step}: it has {', '.join(map(str, steps))}, latest and best.")
    return [int(step)]


def _score(metric: str, metrics: dict[str, float]) -> float:
    """Returns a score that is higher for a better checkpoint, for every metric."""
    return -metrics[metric] if metric.endswith("l1") else metrics[metric]

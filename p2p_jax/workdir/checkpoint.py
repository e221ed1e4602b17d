"""Checkpoints: atomic, asynchronous, checksummed. The only module that knows orbax.

A checkpoint holds the items `generator` and `discriminator` (params and state of each), `ema` (if there is one),
`training` (all the rest of the train state) and `meta` (JSON: format version, a checksum per array, validation figures).
A checkpoint whose arrays do not add up to their checksums is left out, with a warning, and the one before it is used.
"""

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
from p2p_jax.workdir.checksums import checksums, sum_json

FORMAT = 1


Manager = ocp.CheckpointManager


def open_manager(workdir: Path, *, keep: int, best_metric: str | None = None) -> Manager:
    """Opens the checkpoints of a workdir; left-overs of an interrupted save are removed.

    Args:
        workdir: of the run; its folder `checkpoints` is used.
        keep: newest checkpoints kept.
        best_metric: name of the metric by which one more, the best, is kept, or None.
    """
    # Checkpoint 0, where there is one, holds imported networks: see `save_networks`.
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
        _work_alone(options)
    return _manager(workdir / "checkpoints", options)


def save(
    manager: Manager, state: TrainState, metrics: dict[str, float] | None = None, left_out: Iterable[int] = ()
) -> None:
    """Writes the state in the background, under its step number; of several processes all have to.

    Args:
        manager: from `open_manager`.
        state: what is saved; its arrays may be given back (donated) as soon as this returns.
        metrics: validation figures, for the choice of the best.
        left_out: indices of the batches that the run has left out.

    Raises:
        OSError: an earlier save failed, for example for lack of space.
        RuntimeError: the checkpoint was not taken.
    """
    items = to_items(state)
    if processes.count() > 1 and is_local_copy(Path(manager.directory).parent):
        # One by one, for together they may not fit; and orbax takes a process's own arrays from NumPy alone.
        items = jax.tree.map(lambda leaf: jax.device_get(on_one_device(leaf)), items)
    _save(manager, int(state.step), items, metrics, left_out)


def save_networks(workdir: Path, networks: dict[str, Any]) -> None:
    """Writes trained networks, without what their training left, as the checkpoint 0 that a run starts from.

    Args:
        workdir: without checkpoints.
        networks: {"generator": {"params", "state"}}, and "discriminator" if there is one.
    """
    with open_manager(workdir, keep=1) as manager:
        _save(manager, 0, networks, None)


def _save(
    manager: Manager, step: int, items: dict[str, Any], metrics: dict[str, float] | None, left_out: Iterable[int] = ()
) -> None:
    sums = {name: checksums(item) for name, item in items.items()}
    meta = {"format": FORMAT, "checksums": sums, "validation": metrics, "left_out": sorted(left_out)}
    meta["checksum"] = sum_json(meta)
    args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
    if not manager.save(step, args=ocp.args.Composite(**args, meta=ocp.args.JsonSave(meta)), metrics=metrics):
        raise RuntimeError(f"orbax did not save step {step}, though it was asked to.")


def restore(manager: Manager, like: TrainState) -> TrainState | None:
    """The newest checkpoint whose checksums hold, or None where there is none at all; newer, damaged ones are removed.

    Checkpoint 0 is no state of training: it holds networks to start from, see `start_from`. It does not matter on how many
    devices or by how many processes it was written.

    Args:
        manager: from `open_manager`.
        like: a state of the same shapes, dtypes and places on devices, or these alone, as `jax.ShapeDtypeStruct`.

    Raises:
        UserError: there are checkpoints, but none is good, or the processes see different ones.
    """
    steps = sorted((step for step in manager.all_steps() if step), reverse=True)
    if len(processes.gather_lines([f"{steps}"])) > 1:
        raise UserError(f"the processes see different checkpoints in {manager.directory}: give all of them one workdir.")
    with _reader(Path(manager.directory)) as reader:
        for index, step in enumerate(steps):
            items = _restore_good(reader, step, jax.eval_shape(to_items, like))
            if processes.all_agree(items is not None):
                for damaged in steps[:index]:
                    manager.delete(damaged)  # or its step could not be saved when it is reached again
                return place(from_items(items or {}), jax.tree.map(lambda leaf: leaf.sharding, like))
    if steps:
        raise UserError(
            f"none of the {len(steps)} checkpoints in {manager.directory} can be read whole: start anew with --overwrite."
        )
    return None


def read_left_out(manager: Manager, step: int) -> tuple[int, ...]:
    """The indices of the batches that the run of a checkpoint had left out; none before the first checkpoint."""
    with _reader(Path(manager.directory)) as reader:
        return tuple(_read_meta(reader, step).get("left_out", ())) if step in reader.all_steps() else ()


def refuse_newer(workdir: Path) -> None:
    """Refuses checkpoints of a format that this version does not know.

    Raises:
        UserError: naming both formats.
    """
    with _reader(workdir / "checkpoints") as reader:
        for step in reader.all_steps():
            _refuse_newer(reader, step)


def restore_params(workdir: Path, step: int | str = "latest", *, best_metric: str = "val_ssim") -> tuple[Any, Any, int]:
    """The generator alone: (params, state, step), with the moving average of the params if there is one.

    Args:
        workdir: of the run.
        step: a number, "latest" or "best" (the best by validation, where there is a validation split).
        best_metric: by which "best" is meant.

    Raises:
        UserError: there is no such checkpoint, or none whose checksums hold.
    """
    items, found = restore_items(workdir, ("generator", "ema"), step, best_metric=best_metric)
    generator = items["generator"]
    return items.get("ema", generator["params"]), generator["state"], found


def restore_items(
    workdir: Path, names: tuple[str, ...], step: int | str = "latest", *, best_metric: str = "val_ssim"
) -> tuple[dict[str, Any], int]:
    """Some items of a checkpoint, those of `names` that it has, on one device: ({name: tree}, step).

    Raises:
        UserError: there is no such checkpoint, or none whose checksums hold.
    """
    folder = workdir / "checkpoints"
    if not folder.is_dir():
        raise UserError(f"{workdir} holds no checkpoints: give the folder of a training run.")
    with _reader(folder) as manager:
        for candidate in _choose(manager, workdir, step, best_metric):
            if (items := _restore_good(manager, candidate, dict.fromkeys(names))) is not None:
                found = {name: items[name] for name in names if name in items}
                return jax.device_put(found, jax.local_devices()[0]), candidate
    raise UserError(f"no checkpoint in {folder} can be read whole: train again, or give another --checkpoint.")


def _reader(folder: Path) -> Manager:
    """A manager for reading. Each process reads by itself, and waits for no other where a file cannot be read."""
    options = ocp.CheckpointManagerOptions(read_only=True)
    _work_alone(options)
    return _manager(folder, options)


def _work_alone(options: ocp.CheckpointManagerOptions) -> None:
    """Changes options so that this process has to do with no other."""
    index = jax.process_index()
    if processes.count() > 1:
        options.create = False  # a folder is made by all processes together
        options.multiprocessing_options = ocp.options.MultiprocessingOptions(
            primary_host=index, active_processes={index}, barrier_sync_key_prefix=f"process_{index}"
        )
        # Otherwise threads of a save wait for words that all processes take for their own.
        options.async_options = ocp.options.AsyncOptions(create_directories_asynchronously=False)


def _manager(folder: Path, options: ocp.CheckpointManagerOptions) -> Manager:
    # Handlers are named so that the shapes of a checkpoint can be read before it is restored.
    items = ("generator", "discriminator", "ema", "training")
    handlers: dict[str, Any] = {name: ocp.StandardCheckpointHandler() for name in items}
    handlers["meta"] = ocp.JsonCheckpointHandler()
    return ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)


def _read_meta(manager: Manager, step: int) -> dict[str, Any]:
    return manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]


def _refuse_newer(manager: Manager, step: int) -> None:
    written = 0
    with suppress(Exception):  # it is damaged, which is said where it is restored
        written = int(_read_meta(manager, step)["format"])
    if written > FORMAT:
        raise UserError(
            f"checkpoint {step} in {manager.directory} has format {written}, but this version of p2p-jax reads formats up "
            f"to {FORMAT}: use the version that wrote it, or a later one."
        )


def _restore_good(manager: Manager, step: int, like: dict[str, Any]) -> dict[str, Any] | None:
    """The items of one checkpoint, in the host's memory, or None with a warning if it is damaged.

    What `like` gives as None is restored as it was saved, if the checkpoint has it; all else in the form that it gives.

    Raises:
        UserError: a newer version wrote it.
    """
    _refuse_newer(manager, step)
    try:
        saved = manager.item_metadata(step)
        targets = {
            name: _in_host_memory(saved[name].tree if tree is None else tree)
            for name, tree in like.items()
            if tree is not None or saved.get(name) is not None
        }
        args = {name: ocp.args.StandardRestore(tree) for name, tree in targets.items()}
        found = manager.restore(step, args=ocp.args.Composite(**args, meta=ocp.args.JsonRestore()))
        expected = found["meta"]["checksums"]
        items = {name: found[name] for name in targets}
        damaged = [name for name, item in items.items() if checksums(item) != expected[name]]
        meta_sum = found["meta"].pop("checksum", None)  # absent in checkpoints of older versions
        if meta_sum not in (None, sum_json(found["meta"])):
            damaged.append("meta")
    except Exception as error:  # orbax and tensorstore raise many kinds; whichever it is, this checkpoint is no use
        damaged = [f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"]
    if damaged:
        warnings.warn(
            f"checkpoint {step} in {manager.directory} is damaged ({', '.join(damaged)}): it is left out.", stacklevel=2
        )
        return None
    return items | {"meta": found["meta"]}


def _in_host_memory(tree: Any) -> Any:
    """What arrays to restore: of the shapes and dtypes in a tree, on a device of the host's, where checksums are quick."""
    sharding = SingleDeviceSharding(jax.local_devices(backend="cpu")[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def _choose(manager: Manager, workdir: Path, step: int | str, best_metric: str) -> list[int]:
    steps = sorted(manager.all_steps(), reverse=True)
    if not steps:
        raise UserError(f"{workdir} holds no checkpoint yet: train on until the first one is written.")
    if step == "latest":
        return steps
    if step == "best":
        metas = {n: _restore_good(manager, n, {}) for n in steps}
        validation = {n: items["meta"]["validation"] for n, items in metas.items() if items}
        scores = {n: _score(best_metric, metrics) for n, metrics in validation.items() if metrics}
        if not scores:
            raise UserError(
                f"{workdir} has no best checkpoint, for it has no validation split: give latest or a step number."
            )
        return sorted(scores, key=scores.__getitem__, reverse=True)
    if not str(step).isdigit() or int(step) not in steps:
        raise UserError(f"{workdir} has no checkpoint {step}: it has {', '.join(map(str, steps))}, latest and best.")
    return [int(step)]


def _score(metric: str, metrics: dict[str, float]) -> float:
    """Higher is better, whatever the metric."""
    return -metrics[metric] if metric.endswith("l1") else metrics[metric]

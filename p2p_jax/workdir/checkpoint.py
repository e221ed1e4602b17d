"""Checkpoints: atomic, asynchronous, checksummed. Only this module, `manager` and `verified` import orbax.

A checkpoint holds the items `generator` and `discriminator` (params and state of each), `ema` (if there is one),
`training` (the rest of the train state) and `meta` (JSON: format version, step, checksums, validation figures, skipped
batches). A checkpoint that lacks an item, is of another step than its folder says, or whose arrays do not match their
checksums is damaged: it is skipped with a warning, and the one before it is used.
"""

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from p2p_jax.config.metric_names import figure_name, score_of
from p2p_jax.devices import processes
from p2p_jax.devices.sharding import on_one_device, place
from p2p_jax.errors import UserError
from p2p_jax.state import TrainState, from_items, to_items
from p2p_jax.workdir.bucket.fetch import fetch_items
from p2p_jax.workdir.bucket.paths import is_local_copy
from p2p_jax.workdir.checksums import checksums, json_checksum
from p2p_jax.workdir.manager import Manager as Manager
from p2p_jax.workdir.manager import open_manager as open_manager
from p2p_jax.workdir.manager import open_reader
from p2p_jax.workdir.verified import FORMAT, describe, read_items, read_meta, refuse_newer_format, restore_verified


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
    if processes.count() > 1 and is_local_copy(manager.folder.parent):
        # Gathers one array at a time, because all may not fit into one device's memory. The results are NumPy arrays,
        # because with several processes orbax does not save JAX arrays of a single process.
        items = jax.tree.map(lambda leaf: jax.device_get(on_one_device(leaf)), items)
    _save(manager, int(state.step), items, metrics, skipped)


def save_networks(workdir: Path, networks: dict[str, Any]) -> None:
    """Writes trained networks, without optimizer state, as the checkpoint 0 that a run starts from, and reads it back.

    Args:
        workdir: without checkpoints.
        networks: {"generator": {"params", "state"}}, and the same for "discriminator" if there is one.

    Raises:
        UserError: what was read back is not what was written.
    """
    with open_manager(workdir, keep=1) as manager:
        _save(manager, 0, networks, None)


def finish_saving(manager: Manager) -> None:
    """Waits until the newest checkpoint is written, and reads it back. Every process has to call it.

    Raises:
        OSError: the save failed, for example for lack of space.
        UserError: what was read back is not what was written.
    """
    manager.wait_until_finished()
    if manager.saved == manager.read_back:
        return
    reason = ""
    if processes.is_first() or is_local_copy(manager.folder.parent):
        with open_reader(Path(manager.directory)) as reader:
            try:
                for name in read_meta(reader, manager.saved or 0)["checksums"]:  # one at a time, to save memory
                    read_items(reader, manager.saved or 0, {name: None})
            except Exception as error:  # as in `restore_verified`
                reason = describe(error)
    if not processes.all_agree(not reason):
        raise UserError(
            f"checkpoint {manager.saved} was written to {manager.folder}, but what was read back is not what was saved "
            f"({reason or 'in another process'}): check that disk, and give a --workdir on another one."
        )
    manager.read_back = manager.saved


def _save(
    manager: Manager, step: int, items: dict[str, Any], metrics: dict[str, float] | None, skipped: Iterable[int] = ()
) -> None:
    """Writes a checkpoint in the background; reads back the first one that a manager writes."""
    sums = {name: checksums(item) for name, item in items.items()}
    meta = {"format": FORMAT, "step": step, "checksums": sums, "validation": metrics, "left_out": sorted(skipped)}
    meta["checksum"] = json_checksum(meta)
    args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
    if step not in manager.all_steps():
        _set_aside(manager, [step])  # something of that name that came into the folder during the run
    if not manager.save(step, args=ocp.args.Composite(**args, meta=ocp.args.JsonSave(meta)), metrics=metrics):
        raise RuntimeError(f"orbax refused to save step {step}.")
    manager.saved = step
    if manager.read_back is None:
        finish_saving(manager)


def _set_aside(manager: Manager, steps: list[int]) -> None:
    """Renames damaged checkpoints, because orbax would refuse to save their steps and all earlier ones."""
    if processes.is_first() or is_local_copy(manager.folder.parent):
        for path in map(manager.path_of, steps):
            if path.exists() or path.is_symlink():
                names = (f"{path.name}.damaged{number or ''}" for number in range(len(os.listdir(path.parent)) + 1))
                free = next(name for name in names if not os.path.lexists(path.with_name(name)))
                path.rename(path.with_name(free))
                warnings.warn(f"{path.name} in {manager.folder} was renamed to {free}: it is not read.", stacklevel=2)
    if processes.count() > 1:
        processes.wait_for_all("damaged checkpoints are set aside")


def restore(manager: Manager, like: TrainState) -> TrainState | None:
    """Restores the newest checkpoint that is not damaged, and renames newer, damaged ones.

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
        raise UserError(f"the processes see different checkpoints in {manager.folder}: give all of them one workdir.")
    with open_reader(manager.folder) as reader:
        for index, step in enumerate(steps):
            items = restore_verified(reader, step, jax.eval_shape(to_items, like))
            if processes.all_agree(items is not None):
                if index:
                    _set_aside(manager, steps[:index])
                    manager.reload()
                return place(from_items(items or {}), jax.tree.map(lambda leaf: leaf.sharding, like))
    if steps:
        raise UserError(
            f"every checkpoint in {manager.folder} is damaged: restore one from a copy, or give another --workdir."
        )
    return None


def read_skipped(manager: Manager, step: int) -> tuple[int, ...]:
    """Returns the indices of the batches that the run skipped before a checkpoint; () if there is no such checkpoint."""
    with open_reader(manager.folder) as reader:
        return tuple(read_meta(reader, step).get("left_out", ())) if step in reader.all_steps() else ()


def refuse_newer(workdir: Path) -> None:
    """Refuses checkpoints of a newer format than this version reads.

    Raises:
        UserError: a checkpoint has a newer format.
    """
    with open_reader(workdir / "checkpoints") as reader:
        for step in reader.all_steps():
            refuse_newer_format(reader, step)


def restore_params(workdir: Path, step: int | str = "latest", *, best_metric: str = "ssim") -> tuple[Any, Any, int]:
    """Restores the generator as (params, state, step); params are the moving average if there is one.

    Arguments and errors are those of `restore_items`.
    """
    items, found = restore_items(workdir, ("generator", "ema"), step, best_metric=best_metric)
    generator = items["generator"]
    return items.get("ema", generator["params"]), generator["state"], found


def restore_items(
    workdir: Path, names: tuple[str, ...], step: int | str = "latest", *, best_metric: str = "ssim"
) -> tuple[dict[str, Any], int]:
    """Restores some items of a checkpoint to one device.

    Args:
        workdir: of the run.
        names: of the items; those that the checkpoint lacks are ignored.
        step: of the checkpoint: a number, "latest" or "best" (by `best_metric`, if there is a validation split).
        best_metric: the metric by which a checkpoint is the best, one of `metric_names.BETTER`.

    Returns:
        ({name: tree}, step of the checkpoint).

    Raises:
        UserError: there is no such checkpoint, or it is damaged.
    """
    folder = workdir / "checkpoints"
    if not folder.is_dir():
        raise UserError(f"{workdir} holds no checkpoints: give the folder of a training run.")
    with open_reader(folder) as manager:
        for candidate in _candidates(manager, workdir, step, best_metric):
            fetch_items(workdir, candidate, names)
            if (items := restore_verified(manager, candidate, dict.fromkeys(names))) is not None:
                found = {name: items[name] for name in names if name in items}
                return jax.device_put(found, jax.local_devices()[0]), candidate
    raise UserError(f"no undamaged checkpoint was found in {folder}: train again, or give another --checkpoint.")


def _candidates(manager: Manager, workdir: Path, step: int | str, best_metric: str) -> list[int]:
    """Returns the steps of the checkpoints that `step` allows, the preferred one first."""
    steps = sorted(manager.all_steps(), reverse=True)
    if not steps:
        raise UserError(f"{workdir} holds no checkpoint yet: continue training until the first one is written.")
    if step == "latest":
        return steps
    if step == "best":
        metas = {n: restore_verified(manager, n, {}) for n in steps}
        validation = {n: items["meta"]["validation"] for n, items in metas.items() if items}
        scores = {n: score for n, figures in validation.items() if (score := score_of(best_metric, figures)) is not None}
        if not scores and any(validation.values()):
            raise UserError(
                f"{workdir} has no best checkpoint, because none has the figure {figure_name(best_metric)}, which was not "
                "computed when they were saved: give latest or a step number."
            )
        if not scores:
            raise UserError(
                f"{workdir} has no best checkpoint, because it has no validation split: give latest or a step number."
            )
        return sorted(scores, key=scores.__getitem__, reverse=True)
    found = [each for each in steps if re.fullmatch(f"0*{each}", str(step))]
    if not found:
        raise UserError(f"{workdir} has no checkpoint {step}: it has {', '.join(map(str, steps))}, latest and best.")
    return found

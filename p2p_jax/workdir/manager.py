"""Opens the checkpoints of a workdir with orbax."""

import logging
import math
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from p2p_jax.config.metric_names import score_of
from p2p_jax.devices import processes
from p2p_jax.workdir.bucket.paths import is_local_copy
from p2p_jax.workdir.held import HeldFolder, hold_folder, refuse_misread
from p2p_jax.workdir.steps import Steps

ITEMS = ("generator", "discriminator", "ema", "training")
"""The items of a checkpoint that hold arrays."""


class Manager(ocp.CheckpointManager):
    """Reads and writes the checkpoints of one folder.

    Orbax gets a path without special characters, because it takes a path for a pattern (`glob`). On Linux that path also
    follows the folder when it is renamed, so that nothing is ever written into another folder of the same name.

    Attributes:
        folder: of the checkpoints.
        held: that folder, which is held open.
        saved: step of the newest checkpoint that this manager has saved, or None.
        read_back: step of the newest checkpoint that was read back after this manager had saved it, or None.
    """

    def __init__(self, folder: Path, options: ocp.CheckpointManagerOptions, *, alone: bool):
        """Opens the folder.

        Args:
            folder: of the checkpoints; it exists unless other processes make it together with this one.
            options: of orbax.
            alone: whether this process works without the others, so that its path may differ from theirs.

        Raises:
            UserError: the path has special characters, and there is no other path to the folder.
        """
        self.folder = folder
        self.saved: int | None = None
        self.read_back: int | None = None
        # With named handlers the shapes of a checkpoint can be read before it is restored.
        handlers: dict[str, Any] = {name: ocp.StandardCheckpointHandler() for name in ITEMS}
        handlers["meta"] = ocp.JsonCheckpointHandler()
        options.step_name_format = Steps()
        self._score = options.best_fn or (lambda metrics: 0.0)
        with ExitStack() as opened:
            if alone:
                self.held = opened.enter_context(hold_folder(folder.absolute()))
                super().__init__(self.held.path, options=options, item_handlers=handlers)
            else:
                refuse_misread(folder)
                super().__init__(folder.absolute(), options=options, item_handlers=handlers)
                held: HeldFolder = opened.enter_context(hold_folder(folder.absolute()))
                self.held = held._replace(path=folder.absolute())
            self._open = opened.pop_all()

    def close(self) -> None:
        """Waits for unfinished saves, and closes the folder."""
        with self._open:
            super().close()

    def metrics(self, step: int) -> dict[str, float] | None:
        """Returns the metrics of a checkpoint; None if it has none, or if they are damaged."""
        try:
            found = super().metrics(step)
            return found if math.isfinite(self._score(found)) else None
        except Exception:  # damaged JSON raises many types of errors
            return None

    def path_of(self, step: int) -> Path:
        """Returns the folder of a checkpoint, which need not exist; it stays right when the workdir is renamed."""
        return Path(self.directory) / str(step)


def open_manager(workdir: Path, *, keep: int, best_metric: str | None = None) -> Manager:
    """Opens the checkpoints of a workdir and removes the remains of an interrupted save.

    Args:
        workdir: of the run; checkpoints are in its folder `checkpoints`.
        keep: number of newest checkpoints to keep.
        best_metric: metric whose best checkpoint is kept too, one of `metric_names.BETTER`, or None. Checkpoints without
            it, for example because another metric was chosen before, are kept as newest ones only.
    """
    # Checkpoint 0, if it exists, holds imported networks: see `checkpoint.save_networks`.
    imported = preservation_policy.CustomSteps([0])
    policies: list[preservation_policy.PreservationPolicy] = [preservation_policy.LatestN(keep), imported]
    score = partial(_require_score, best_metric) if best_metric else None
    if score:
        policies.append(preservation_policy.BestN(get_metric_fn=score, n=1, keep_checkpoints_without_metrics=False))
    options = ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
        cleanup_tmp_directories=True,
        best_fn=score,
    )
    alone = processes.count() == 1 or is_local_copy(workdir)
    if alone:
        (workdir / "checkpoints").mkdir(parents=True, exist_ok=True)
        _use_this_process_only(options)
    return Manager(workdir / "checkpoints", options, alone=alone)


def open_reader(folder: Path) -> Manager:
    """Opens a read-only manager. Each process reads independently, so an unreadable file makes no other process wait."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(max(level, logging.ERROR))  # otherwise orbax warns that a reader is read-only
    try:
        options = ocp.CheckpointManagerOptions(read_only=True)
        _use_this_process_only(options)
        return Manager(folder, options, alone=True)
    finally:
        logger.setLevel(level)


def _require_score(metric: str, figures: dict[str, float]) -> float:
    """Returns the score of a checkpoint's figures; `Manager.metrics` gives orbax none that lack it."""
    found = score_of(metric, figures)
    if found is None:
        raise ValueError(f"there is no {metric}")
    return found


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

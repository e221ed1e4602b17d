"""A training run: its request, and the objects that stay the same from start to end."""

import math
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
from rich.console import Console

from p2p_jax.data.loading import Dataset
from p2p_jax.devices.sharding import on_one_device
from p2p_jax.evaluation import scoring
from p2p_jax.experiment import Experiment
from p2p_jax.state import TrainState
from p2p_jax.step import Pix2Pix
from p2p_jax.tracking.trackers import Trackers
from p2p_jax.training.early_look import EarlyLook
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.held import HeldFolder

Submit = Callable[[Callable[[], None]], None]
"""Runs a function in the background."""

OnStep = Callable[[int, dict[str, float]], Any]
"""Called with the number of a step and its metrics, once they are known."""


class Request(NamedTuple):
    """The request for a training run.

    Attributes:
        experiment: with the requested config; from `resume.stored_run` if the workdir holds a run.
        workdir: where everything is written.
        console: where messages go.
        overwrite: remove the run in the workdir and start anew.
        accept_changed_data: resume although the pictures have changed since the run was started.
        init_from: workdir of another run whose networks this one starts from.
        profile: record a JAX profile of a few steps into WORKDIR/profile.
        step_timeout: with several processes, seconds without a finished step after which this process ends.
        on_step: called after every step.
        command: as it was typed, for the record; None if the run is started from Python.
    """

    experiment: Experiment
    workdir: Path
    console: Console
    overwrite: bool = False
    accept_changed_data: bool = False
    init_from: Path | None = None
    profile: bool = False
    step_timeout: float = math.inf
    on_step: OnStep | None = None
    command: str | None = None


class Run(NamedTuple):
    """The objects of one run, which stay the same from start to end.

    Attributes:
        workdir: where everything is written.
        experiment: with its resolved config.
        dataset: its splits.
        model: networks, optimizers and losses.
        translate: `(params, state, key, pictures) -> pictures`, compiled once.
        manager: of the checkpoints.
        console: where messages go.
        held: the workdir, which is held open.
        record: the bytes of WORKDIR/experiment.json.
        look: reads the pictures that are needed late.
        step_timeout: with several processes, seconds without a finished step after which this process ends.
        on_step: called after every step.
        trackers: log the run elsewhere; none in all processes but the first.
        skipped: indices of the batches that have been skipped so far.
        functions: of those metrics of the validation that need trained networks.
    """

    workdir: Path
    experiment: Experiment
    dataset: Dataset
    model: Pix2Pix
    translate: Callable[..., jax.Array]
    manager: checkpoint.Manager
    console: Console
    held: HeldFolder
    record: bytes
    look: EarlyLook
    step_timeout: float = math.inf
    on_step: OnStep | None = None
    trackers: Trackers = Trackers()
    skipped: tuple[int, ...] = ()
    functions: scoring.PairMetrics = MappingProxyType({})


def translate_with(run: Run, state: TrainState) -> scoring.Translate:
    """Returns the state's generator, or its moving average, as a function of pictures that does not wait for results.

    With several processes, all must call this at the same point.
    """
    params = state.generator.params if state.ema is None else state.ema
    # On one device: the pictures are few, and each is translated alone.
    params, generator_state = on_one_device((params, state.generator.state))
    key = jax.random.key(0)
    return lambda pictures: run.translate(params, generator_state, key, pictures)

"""One training run: what was asked for, and what stays the same throughout."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich.console import Console

from p2p_jax.data.loading import Dataset
from p2p_jax.devices.sharding import on_one_device
from p2p_jax.evaluation import evaluate
from p2p_jax.experiment import Experiment
from p2p_jax.state import TrainState
from p2p_jax.step import Pix2Pix
from p2p_jax.workdir import checkpoint

Submit = Callable[[Callable[[], None]], None]
"""Runs a function in the background."""

OnStep = Callable[[int, dict[str, float]], Any]
"""Called with the number of a step and its metrics, once they are known."""


class Request(NamedTuple):
    """What a training run was asked for.

    Attributes:
        experiment: with the config that was asked for; where the workdir holds a run, as `resume.stored_run` returned it.
        workdir: where everything is written.
        console: where messages go.
        overwrite: remove the run in the workdir and start anew.
        accept_changed_data: resume although the pictures have changed since the run was started.
        init_from: workdir of another run whose networks this one starts from.
        profile: record a JAX profile of a few steps into WORKDIR/profile.
        step_timeout: where there are several processes, seconds without a step after which this one is ended.
        on_step: called after every step.
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


class Run(NamedTuple):
    """What stays the same throughout one run.

    Attributes:
        workdir: where everything is written.
        experiment: with its resolved config.
        dataset: its splits.
        model: what is trained.
        translate: `(params, state, key, pictures) -> pictures`, compiled once.
        manager: of the checkpoints.
        console: where messages go.
        step_timeout: where there are several processes, seconds without a step after which this one is ended.
        on_step: called after every step.
        left_out: indices of the batches that were skipped so far.
    """

    workdir: Path
    experiment: Experiment
    dataset: Dataset
    model: Pix2Pix
    translate: Callable[..., jax.Array]
    manager: checkpoint.Manager
    console: Console
    step_timeout: float = math.inf
    on_step: OnStep | None = None
    left_out: tuple[int, ...] = ()


def translate_with(run: Run, state: TrainState) -> evaluate.Translate:
    """The generator as it is now, or its moving average, as a function of pictures. It waits for no result.

    Of several processes all must call this.
    """
    params = state.generator.params if state.ema is None else state.ema
    # On one device: the pictures are few, and each is translated alone.
    params, generator_state = on_one_device((params, state.generator.state))
    key = jax.random.key(0)
    return lambda pictures: run.translate(params, generator_state, key, pictures)

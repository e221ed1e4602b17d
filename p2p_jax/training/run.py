"""What stays the same throughout one training run."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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
"""Has something done in the background."""


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
        left_out: indices of the batches left out so far.
    """

    workdir: Path
    experiment: Experiment
    dataset: Dataset
    model: Pix2Pix
    translate: Callable[..., jax.Array]
    manager: checkpoint.Manager
    console: Console
    step_timeout: float = math.inf
    left_out: tuple[int, ...] = ()


def translate_with(run: Run, state: TrainState) -> evaluate.Translate:
    """The generator as it is now, or its moving average, as a function of pictures; it waits for no result.

    Of several processes all have to ask for it.
    """
    params = state.generator.params if state.ema is None else state.ema
    # On one device: the pictures are few, and each goes through by itself.
    params, g_state = on_one_device((params, state.generator.state))
    key = jax.random.key(0)
    return lambda pictures: run.translate(params, g_state, key, pictures)

"""Training from Python."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from p2p_jax.config import Config
from p2p_jax.console import open_console
from p2p_jax.errors import UserError
from p2p_jax.experiment import Experiment, as_experiment
from p2p_jax.state import TrainState
from p2p_jax.training.resolve_config import choose_defaults, resolve_files
from p2p_jax.training.run import OnStep, Request
from p2p_jax.training.trainer import run_training
from p2p_jax.workdir.bucket.fetch import local_folder
from p2p_jax.workdir.init_from import recorded_source
from p2p_jax.workdir.resume import refuse_differences, stored_run, with_stored_values


def train(
    config_or_experiment: Config | Experiment | str | Path,
    workdir: str | Path,
    *,
    build: Callable[[Any], Any] | None = None,
    on_step: OnStep | None = None,
    overwrite: bool = False,
    accept_changed_data: bool = False,
    init_from: str | Path | None = None,
    preset: str | None = None,
    profile: bool = False,
    trust: bool = False,
    step_timeout: float = math.inf,
    console: Console | None = None,
) -> TrainState:
    """Trains a translator, or resumes the run that the workdir holds, and writes its report.

    Args:
        config_or_experiment: a `Config`; or the name of an installed experiment, the path of an experiment file, or an
            `Experiment`.
        workdir: folder of the run, or its URL in a bucket. If it holds the run already, the run is resumed; its length may
            grow.
        build: `(config) -> Pix2Pix`, if you use your own networks or losses. Pass it to `load` again.
        on_step: called as `on_step(step, metrics)` once the metrics of a step are known, a few steps later.
        overwrite: remove the run in the workdir and start anew.
        accept_changed_data: resume although the pictures have changed since the run was started.
        init_from: workdir of another run, from whose networks, with their architecture and picture size, this run starts.
        preset: settings of one of the four original implementations: "pytorch", "lua", "tensorflow" or "affinelayer".
        profile: record a JAX profile of a few steps into WORKDIR/profile.
        trust: run the experiment file in the workdir although somebody else put it there.
        step_timeout: with several processes, seconds without a finished step after which this process ends.
        console: where messages go; by default they are not printed.

    Returns:
        the final state, whose arrays are on the devices.

    Raises:
        UserError: the config, the data or the workdir do not fit, or another process trains there.
        Stopped: interrupted, or a loss that is not finite; what was saved is kept.

    Example:
        >>> import p2p_jax
        >>> from p2p_jax import Config, Data, Discriminator, Generator
        >>> config = Config(
        ...     image_size=16,
        ...     steps=2,
        ...     generator=Generator(widths=(2, 2)),
        ...     discriminator=Discriminator(width=2, num_layers=1),
        ...     data=Data(source="procedural", count=8),
        ... )
        >>> state = p2p_jax.train(config, "runs/tiny")
        >>> int(state.step)
        2
    """
    found = as_experiment(config_or_experiment, build)
    with local_folder(workdir, upload=True, exclusive=True) as folder:
        stored = stored_run(folder, found, overwrite=overwrite, trust=trust)
        source = None if init_from is None else Path(init_from)
        config = choose_defaults(found.config, preset=preset, init_from=source, trust=trust)
        if stored is not None:
            if source is not None and source.absolute() != recorded_source(folder):
                raise UserError(f"{folder} already holds a run: init_from is for a new one; give another workdir.")
            config = with_stored_values(resolve_files(config), stored.config)
            refuse_differences(folder, stored, config)
        return run_training(
            Request(
                (stored or found)._replace(config=config),
                folder,
                console or open_console(quiet=True),
                overwrite=overwrite,
                accept_changed_data=accept_changed_data,
                init_from=source,
                profile=profile,
                step_timeout=step_timeout,
                on_step=on_step,
            )
        )

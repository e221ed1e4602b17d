"""A run from its config to its report: data, networks and checkpoints opened, the loop between, what a person is told."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from rich.console import Console

from p2p_jax import config as configs
from p2p_jax.config.checks import check_config
from p2p_jax.config.derived import as_size, count_channels, resolve_group_sizes, resolve_length
from p2p_jax.console import open_console, progress_bar
from p2p_jax.data.loading import Dataset, Reader, open_dataset, open_reader
from p2p_jax.devices import processes
from p2p_jax.devices.memory import compile_and_release, release_freed_memory
from p2p_jax.devices.sharding import is_sharded, make_mesh, state_shardings
from p2p_jax.errors import NotFinite, UserError
from p2p_jax.evaluation import report
from p2p_jax.experiment import Experiment
from p2p_jax.inference.translate import make_translate
from p2p_jax.signals import caught_signals, ended_by_sigterm
from p2p_jax.state import TrainState
from p2p_jax.step import Pix2Pix, init_train_state
from p2p_jax.training.engine import Engine, compile_ahead, open_engine
from p2p_jax.training.loop import run_steps
from p2p_jax.training.messages import announce_run, explain_not_finite, name_pairs, report_replaced
from p2p_jax.training.resolve_config import resolve_palettes, resolve_paths, resolve_steps_per_call
from p2p_jax.training.run import Run, translate_with
from p2p_jax.training.skipped_batches import MOST_SKIPPED, find_index
from p2p_jax.training.stopwatch import Interval
from p2p_jax.workdir import checkpoint, lock, resume
from p2p_jax.workdir.bucket import fetch
from p2p_jax.workdir.bucket.paths import display_name
from p2p_jax.workdir.cleaning import clean_unfinished, clear_workdir, drop_later
from p2p_jax.workdir.init_from import (
    has_checkpoint,
    imported_source,
    recorded_source,
    refuse_to_remove_imported,
    start_from,
)
from p2p_jax.workdir.record import save_record

STOPPED = "Stopped; the same command goes on from the last checkpoint (without --overwrite)."


def train(
    experiment: Experiment,
    workdir: Path,
    *,
    overwrite: bool = False,
    accept_changed_data: bool = False,
    init_from: Path | None = None,
    profile: bool = False,
    step_timeout: float = math.inf,
    console: Console | None = None,
) -> TrainState:
    """Trains, or goes on with, the run of a workdir, and writes its report.

    Args:
        experiment: with the config asked for; if the workdir holds a run, as `resume` gave it.
        workdir: where everything is written.
        overwrite: remove a run that is there and start anew.
        accept_changed_data: go on though the pictures have changed since the run was started.
        init_from: workdir of another run whose networks this one starts from.
        profile: record a JAX profile of a few steps into WORKDIR/profile.
        step_timeout: where there are several processes, seconds without a step after which this one is ended.
        console: for messages; by default the terminal.

    Returns:
        the final state.

    Raises:
        UserError: the config, the data or the workdir do not fit, or another process trains there.
        Stopped: interrupted, or a loss that is not finite; what was saved is kept.
    """
    first = processes.is_first()
    with (
        ended_by_sigterm(STOPPED),
        lock.hold(workdir) if first else nullcontext(),
        clean_unfinished(workdir) if first else nullcontext(),
    ):
        console = console or open_console()
        return _train(experiment, workdir, overwrite, accept_changed_data, init_from, profile, step_timeout, console)


def _train(
    experiment: Experiment,
    workdir: Path,
    overwrite: bool,
    accept_changed_data: bool,
    init_from: Path | None,
    profile: bool,
    step_timeout: float,
    console: Console,
) -> TrainState:
    if overwrite:
        refuse_to_remove_imported(workdir)
    experiment = experiment._replace(config=resolve_palettes(experiment.config))
    check_config(experiment.config)
    dataset = open_dataset(experiment.config)
    changed = not overwrite and resume.data_changed(workdir, dataset.fingerprint, accept=accept_changed_data)
    if overwrite and experiment.file is not None and experiment.file.resolve().parent == workdir.resolve():
        raise UserError(f"--overwrite would remove {experiment.file} itself: give another --workdir.")
    config = resolve_steps_per_call(resolve_paths(experiment.config))
    if changed:
        console.print("The pictures have changed since the run was started; it goes on with those of now.", style="yellow")
    # Whatever the pictures are now, an epoch stays as many steps as it was, and with it the schedule.
    kept = (config.steps_per_epoch or 0) * config.batch_size
    config = resolve_length(config, kept or dataset.splits["train"].count())
    mesh = make_mesh(config.batch_size // config.accumulate, model=config.model_parallel)
    config = resolve_group_sizes(config, mesh.shape["data"])
    experiment = experiment._replace(config=config)
    model = experiment.build(config)
    reader = _read_ahead(dataset, config, console)
    going_on = not overwrite and has_checkpoint(workdir)
    if going_on:
        checkpoint.refuse_newer(workdir)
    init_from = init_from or (None if overwrite else recorded_source(workdir))
    source = init_from or (None if overwrite else imported_source(workdir))
    like = _describe_state(config, model, mesh)
    start_anew = partial(_fresh_state, config, model, like, None if going_on else source)
    # Networks to start from that do not fit are refused before anything is written.
    fresh = [start_anew()] if source and not going_on else []
    processes.wait_for_all("all have looked at the workdir")
    if processes.is_first():
        if overwrite:
            clear_workdir(workdir)
        save_record(workdir, experiment, dataset.fingerprint, init_from=init_from)
    processes.wait_for_all("the record is written")
    best = config.best_metric if "val" in dataset.splits else None
    patience = step_timeout if processes.count() > 1 else math.inf
    with checkpoint.open_manager(workdir, keep=config.keep, best_metric=best) as manager:
        run = Run(workdir, experiment, dataset, model, _make_translate(model, config), manager, console, patience)
        announce_run(run, mesh.size)
        with caught_signals() as caught:
            engine, window = open_engine(model, config, mesh, reader, like), Interval()
            with console.status("compiling"):
                compile_ahead(engine, config, like, manager.latest_step() or 0, window)
            run, state = _first_state(run, like, fresh.pop if fresh else start_anew)
            if int(state.step) < (config.steps or 0):
                go_back = partial(_first_state, like=like, start_anew=start_anew)
                run, state = _run_to_the_end(run, state, engine, caught, window, go_back, profile=profile)
            else:
                console.print(f"The run has done its {config.steps} steps; to go on, give more with --steps or --epochs.")
        manager.wait_until_finished()
        fetch.upload_before_exit(workdir)
    _write_report(run, state)
    report_replaced(run)
    if run.left_out:
        numbers = ", ".join(map(str, sorted(run.left_out)))
        console.print(f"{len(run.left_out)} batches were left out: {numbers}.", style="yellow")
    return state


def _make_translate(model: Pix2Pix, config: configs.Config) -> Callable[..., jax.Array]:
    return make_translate(model.generator, input=config.data.input, target=config.data.target)


def _read_ahead(dataset: Dataset, config: configs.Config, console: Console) -> Reader:
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=dataset.splits["train"].count())
        on_read = lambda done: progress.update(task, completed=done)
        ahead = processes.count() == 1 or config.data.cache == "device"
        return open_reader(dataset.splits["train"], config, on_read, ahead=ahead)


def _describe_state(config: configs.Config, model: Pix2Pix, mesh: Mesh) -> TrainState:
    """Shapes and dtypes of the run's state, and where it lives in training."""
    shapes = jax.eval_shape(_make_init(config, model), jax.random.key(config.seed))
    shardings = state_shardings(mesh, shapes, sharded=is_sharded(mesh, shapes, config.sharding))
    place = lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    return jax.tree.map(place, shapes, shardings)


def _fresh_state(config: configs.Config, model: Pix2Pix, like: TrainState, init_from: Path | None) -> TrainState:
    """The state before the first step, with the networks of another run if one is given."""
    # Computed once: on a CPU, optimizing the program takes four times as long as all the rest of it.
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)
    init = jax.jit(_make_init(config, model), compiler_options=options, out_shardings=shardings)
    key = jax.random.key(config.seed)
    fresh = compile_and_release(init, key)(key)
    return fresh if init_from is None else start_from(init_from, fresh)


def _make_init(config: configs.Config, model: Pix2Pix) -> Callable[[jax.Array], TrainState]:
    side = (config.batch_size, *as_size(config.image_size))
    batch = {name: jnp.zeros((*side, count_channels(getattr(config.data, name)))) for name in ("input", "target")}
    return lambda key: init_train_state(key, model, batch)


def _first_state(run: Run, like: TrainState, start_anew: Callable[[], TrainState]) -> tuple[Run, TrainState]:
    """The newest good checkpoint, or a fresh state; rows and samples later than it are dropped.

    The run that is given back also leaves out what the checkpoint's had left out.
    """
    state = checkpoint.restore(run.manager, like)
    state = start_anew() if state is None else state
    release_freed_memory()
    step = int(state.step)
    if step:
        run.console.print(f"Going on from step {step} of {run.experiment.config.steps}.")
    if processes.is_first():
        drop_later(run.workdir, step)
    left_out = {*run.left_out, *checkpoint.read_skipped(run.manager, step)}
    return run._replace(left_out=tuple(sorted(left_out))), state


def _run_to_the_end(
    run: Run,
    state: TrainState,
    engine: Engine,
    caught: list[int],
    window: Interval,
    go_back: Callable[[Run], tuple[Run, TrainState]],
    *,
    profile: bool,
) -> tuple[Run, TrainState]:
    """Trains; where a batch made losses or networks not finite and may be left out, goes back and on without it.

    Raises:
        Stopped: interrupted, or not finite; what was saved is kept.
    """
    while True:
        step, index = int(state.step), int(state.batch_index)
        try:
            return run, run_steps(run, state, engine, caught, window, profile=profile)
        except NotFinite as error:
            fault = error.with_traceback(None)  # which would keep all that the loop held in memory
        run.manager.wait_until_finished()
        if run.experiment.config.on_nan == "stop" or len(run.left_out) >= MOST_SKIPPED:
            raise explain_not_finite(run, fault)
        index = find_index(index, fault.step - step - 1, run.left_out)
        named = name_pairs(run, engine.reader, index)
        run.console.print(f"{fault}: batch {index} ({named}) is left out from now on.", style="yellow")
        run = run._replace(left_out=(*run.left_out, index))
        run, state = go_back(run)
        profile, window = False, Interval()


def _write_report(run: Run, state: TrainState) -> None:
    with run.console.status("writing the report"):
        path = report.write_report(run.workdir, run.experiment, translate_with(run, state), int(state.step))
    run.console.print(f"Report: {display_name(path)}")

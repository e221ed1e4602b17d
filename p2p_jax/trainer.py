"""A run from its config to its report: data, networks and checkpoints opened, the loop between, what a person is told."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from rich.console import Console

from p2p_jax import bucket, checkpoint, checks, lock, processes, report, resume
from p2p_jax import config as configs
from p2p_jax import experiment as experiments
from p2p_jax.data.loading import Dataset, Reader, batches, open_dataset, open_reader
from p2p_jax.data.pairs import Replacing
from p2p_jax.data.sides import settle_palettes
from p2p_jax.disk import whole
from p2p_jax.engine import Engine, compile_ahead, open_engine
from p2p_jax.errors import NotFinite, Stopped
from p2p_jax.experiment import Experiment
from p2p_jax.feed import settle_calls
from p2p_jax.leaving_out import MOST_LEFT_OUT, find_index
from p2p_jax.logs import caught_signals, ended_by_sigterm, open_console, progress_bar
from p2p_jax.loop import Run, run_steps, translate_with
from p2p_jax.memory import compile_alone, give_back
from p2p_jax.rows import Window
from p2p_jax.sharding import is_sharded, make_mesh, state_shardings
from p2p_jax.state import TrainState
from p2p_jax.step import Pix2Pix, init_train_state
from p2p_jax.translate import make_translate

STOPPED = "Stopped; the same command goes on from the last checkpoint (without --overwrite)."
NAMED = 10  # unreadable pairs named on the screen


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
        ValueError: the config, the data or the workdir do not fit, or another process trains there.
        Stopped: interrupted, or a loss that is not finite; what was saved is kept.
    """
    first = processes.is_first()
    with (
        ended_by_sigterm(STOPPED),
        lock.hold(workdir) if first else nullcontext(),
        resume.tidied(workdir) if first else nullcontext(),
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
        resume.refuse_to_remove_imported(workdir)
    experiment = experiment._replace(config=settle_palettes(experiment.config))
    checks.check(experiment.config)
    dataset = open_dataset(experiment.config)
    changed = not overwrite and resume.data_changed(workdir, dataset.fingerprint, accept=accept_changed_data)
    if overwrite and experiment.file is not None and experiment.file.resolve().parent == workdir.resolve():
        raise ValueError(f"--overwrite would remove {experiment.file} itself: give another --workdir.")
    config = settle_calls(_with_whole_path(experiment.config))
    if changed:
        console.print("The pictures have changed since the run was started; it goes on with those of now.", style="yellow")
    # Whatever the pictures are now, an epoch stays as many steps as it was, and with it the schedule.
    kept = (config.steps_per_epoch or 0) * config.batch_size
    config = configs.resolve(config, kept or dataset.splits["train"].count())
    mesh = make_mesh(config.batch_size // config.accumulate, model=config.model_parallel)
    config = configs.settle_groups(config, mesh.shape["data"])
    experiment = experiment._replace(config=config)
    model = experiment.build(config)
    reader = _read_ahead(dataset, config, console)
    going_on = not overwrite and resume.has_checkpoint(workdir)
    if going_on:
        checkpoint.refuse_newer(workdir)
    init_from = init_from or (None if overwrite else resume.recorded_source(workdir))
    source = init_from or (None if overwrite else resume.imported_source(workdir))
    like = _describe_state(config, model, mesh)
    start_anew = partial(_fresh_state, config, model, like, None if going_on else source)
    # Networks to start from that do not fit are refused before anything is written.
    fresh = [start_anew()] if source and not going_on else []
    processes.wait_for_all("all have looked at the workdir")
    if processes.is_first():
        if overwrite:
            resume.clear(workdir)
        experiments.save_record(workdir, experiment, dataset.fingerprint, init_from=init_from)
    processes.wait_for_all("the record is written")
    best = config.best_metric if "val" in dataset.splits else None
    patience = step_timeout if processes.count() > 1 else math.inf
    with checkpoint.open_manager(workdir, keep=config.keep, best_metric=best) as manager:
        run = Run(workdir, experiment, dataset, model, _make_translate(model, config), manager, console, patience)
        _say_what_runs(run, mesh.size)
        with caught_signals() as caught:
            engine, window = open_engine(model, config, mesh, reader, like), Window()
            with console.status("compiling"):
                compile_ahead(engine, config, like, manager.latest_step() or 0, window)
            run, state = _first_state(run, like, fresh.pop if fresh else start_anew)
            if int(state.step) < (config.steps or 0):
                go_back = partial(_first_state, like=like, start_anew=start_anew)
                run, state = _run_to_the_end(run, state, engine, caught, window, go_back, profile=profile)
            else:
                console.print(f"The run has done its {config.steps} steps; to go on, give more with --steps or --epochs.")
        manager.wait_until_finished()
        bucket.send_before_parting(workdir)
    _write_report(run, state)
    _say_what_was_replaced(run)
    if run.left_out:
        numbers = ", ".join(map(str, sorted(run.left_out)))
        console.print(f"{len(run.left_out)} batches were left out: {numbers}.", style="yellow")
    return state


def _make_translate(model: Pix2Pix, config: configs.Config) -> Callable[..., jax.Array]:
    return make_translate(model.generator, input=config.data.input, target=config.data.target)


def _with_whole_path(config: configs.Config) -> configs.Config:
    """The same config with data paths that hold in every current folder."""
    paths = {name: getattr(config.data, name) for name in ("path", "tfds_dir")}
    whole = {name: str(Path(path).absolute()) for name, path in paths.items() if path is not None}
    return replace(config, data=replace(config.data, **whole))


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
    fresh = compile_alone(init, key)(key)
    return fresh if init_from is None else checkpoint.start_from(init_from, fresh)


def _make_init(config: configs.Config, model: Pix2Pix) -> Callable[[jax.Array], TrainState]:
    side = (config.batch_size, *configs.as_size(config.image_size))
    batch = {name: jnp.zeros((*side, configs.count_channels(getattr(config.data, name)))) for name in ("input", "target")}
    return lambda key: init_train_state(key, model, batch)


def _first_state(run: Run, like: TrainState, start_anew: Callable[[], TrainState]) -> tuple[Run, TrainState]:
    """The newest good checkpoint, or a fresh state; rows and samples later than it are dropped.

    The run that is given back also leaves out what the checkpoint's had left out.
    """
    state = checkpoint.restore(run.manager, like)
    state = start_anew() if state is None else state
    give_back()
    step = int(state.step)
    if step:
        run.console.print(f"Going on from step {step} of {run.experiment.config.steps}.")
    if processes.is_first():
        resume.drop_later(run.workdir, step)
    left_out = {*run.left_out, *checkpoint.read_left_out(run.manager, step)}
    return run._replace(left_out=tuple(sorted(left_out))), state


def _run_to_the_end(
    run: Run,
    state: TrainState,
    engine: Engine,
    caught: list[int],
    window: Window,
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
        if run.experiment.config.on_nan == "stop" or len(run.left_out) >= MOST_LEFT_OUT:
            raise _stop(run, fault)
        index = find_index(index, fault.step - step - 1, run.left_out)
        named = _name_pairs(run, engine.reader, index)
        run.console.print(f"{fault}: batch {index} ({named}) is left out from now on.", style="yellow")
        run = run._replace(left_out=(*run.left_out, index))
        run, state = go_back(run)
        profile, window = False, Window()


def _stop(run: Run, fault: NotFinite) -> Stopped:
    kept = run.manager.latest_step()
    kept = "no checkpoint had been written yet" if kept is None else f"the checkpoint of step {kept} is kept"
    tried = f" though {len(run.left_out)} batches were left out before" if run.left_out else ""
    return Stopped(
        f"{fault}{tried}, so training stopped; {kept}. Try a lower --optimizer.learning-rate, --optimizer.clip 1, or "
        "--dtype float32.",
        1,
    )


def _name_pairs(run: Run, reader: Reader, index: int) -> str:
    """The first pairs of a batch by name."""
    config = run.experiment.config
    only = batches(reader, seed=config.seed, batch_size=config.batch_size, start=index, threads=0, read=False)
    names = [reader.pairs.name(int(pair)) for pair in next(only)["index"]]
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _write_report(run: Run, state: TrainState) -> None:
    with run.console.status("writing the report"):
        path = report.write_report(run.workdir, run.experiment, translate_with(run, state), int(state.step))
    run.console.print(f"Report: {bucket.name(path)}")


def _say_what_runs(run: Run, used: int) -> None:
    config, devices = run.experiment.config, jax.devices()
    splits = ", ".join(f"{pairs.count()} {name}" for name, pairs in run.dataset.splits.items())
    kind = devices[0].device_kind
    where = f"{used} x {kind}" + (f" of {processes.count()} processes" if processes.count() > 1 else "")
    run.console.print(
        f"{run.experiment.name}: {splits} pairs, {config.steps} steps on {where}, in {bucket.name(run.workdir)}"
    )
    if used < len(devices):
        part = f"{'batch' if config.accumulate == 1 else 'part'} of {config.batch_size // config.accumulate}"
        run.console.print(
            f"{used} of {len(devices)} devices are used: a {part} splits over no more; "
            f"give --batch-size {len(devices) * config.accumulate} or a multiple of it.",
            style="yellow",
        )


def _say_what_was_replaced(run: Run) -> None:
    """Names the unreadable pairs that others stood in for, all of them in WORKDIR/replaced.txt."""
    replaced = [some.skipped for some in run.dataset.splits.values() if isinstance(some, Replacing)]
    sentences = processes.gather_lines([skipped[index] for skipped in replaced for index in sorted(skipped)])
    if not sentences or not processes.is_first():
        return
    path = run.workdir / resume.REPLACED
    with whole(path) as unfinished:
        unfinished.write_text("".join(f"{sentence}\n" for sentence in sentences))
    run.console.print(f"{len(sentences)} pairs could not be read and were replaced:", style="yellow")
    for sentence in sentences[:NAMED]:
        run.console.print(f"  {sentence}", style="yellow")
    if len(sentences) > NAMED:
        run.console.print(f"  and {len(sentences) - NAMED} more; all are named in {bucket.name(path)}.", style="yellow")

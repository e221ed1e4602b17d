"""A run from its config to its report: data, networks and checkpoints opened, the loop between, what a person is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console

from p2p_jax import checkpoint, checks, report, resume
from p2p_jax import config as configs
from p2p_jax import experiment as experiments
from p2p_jax.data.loading import Dataset, Reader, open_dataset, open_reader
from p2p_jax.data.pairs import Replacing
from p2p_jax.data.sides import settle_palettes
from p2p_jax.experiment import Experiment
from p2p_jax.feed import settle_calls
from p2p_jax.logs import open_console, progress_bar
from p2p_jax.loop import Run, run_steps, translate_with
from p2p_jax.sharding import make_mesh, replicate
from p2p_jax.state import TrainState
from p2p_jax.step import Pix2Pix, init_train_state
from p2p_jax.translate import make_translate

NAMED = 10  # unreadable pairs named on the screen


def train(
    experiment: Experiment,
    workdir: Path,
    *,
    overwrite: bool = False,
    init_from: Path | None = None,
    profile: bool = False,
    console: Console | None = None,
) -> TrainState:
    """Trains, or goes on with, the run of a workdir, and writes its report.

    Args:
        experiment: with the config asked for; if the workdir holds a run, as `resume` gave it.
        workdir: where everything is written.
        overwrite: remove a run that is there and start anew.
        init_from: workdir of another run whose networks this one starts from.
        profile: record a JAX profile of a few steps into WORKDIR/profile.
        console: for messages; by default the terminal.

    Returns:
        the final state.

    Raises:
        ValueError: the config, the data or the workdir do not fit.
        Stopped: interrupted, or a loss that is not finite; what was saved is kept.
    """
    console = console or open_console()
    if overwrite:
        resume.refuse_to_remove_imported(workdir)
    experiment = experiment._replace(config=settle_palettes(experiment.config))
    checks.check(experiment.config)
    dataset = open_dataset(experiment.config)
    if not overwrite:
        resume.refuse_other_data(workdir, dataset.fingerprint)
    elif experiment.file is not None and experiment.file.resolve().parent == workdir.resolve():
        raise ValueError(f"--overwrite would remove {experiment.file} itself: give another --workdir.")
    config = configs.resolve(settle_calls(_with_whole_path(experiment.config)), dataset.splits["train"].count())
    mesh = make_mesh(config.batch_size // config.accumulate)
    config = configs.settle_groups(config, mesh.shape["data"])
    experiment = experiment._replace(config=config)
    model = experiment.build(config)
    reader = _read_ahead(dataset, config, console)
    going_on = not overwrite and resume.has_checkpoint(workdir)
    init_from = init_from or (None if overwrite else resume.recorded_source(workdir))
    source = init_from or (None if overwrite else resume.imported_source(workdir))
    fresh = _fresh_state(config, model, None if going_on else source)
    if overwrite:
        resume.clear(workdir)
    experiments.save_record(workdir, experiment, dataset.fingerprint, init_from=init_from)
    best = config.best_metric if "val" in dataset.splits else None
    with checkpoint.open_manager(workdir, keep=config.keep, best_metric=best) as manager:
        run = Run(workdir, experiment, dataset, model, _make_translate(model, config), manager, console)
        _say_what_runs(run, mesh.size)
        state = _first_state(run, replicate(mesh, fresh))
        if int(state.step) < (config.steps or 0):
            state = run_steps(run, state, mesh, reader, profile=profile)
        else:
            console.print(f"The run has done its {config.steps} steps; to go on, give more with --steps or --epochs.")
        manager.wait_until_finished()
    _write_report(run, state)
    _say_what_was_replaced(run)
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
        return open_reader(dataset.splits["train"], config, lambda done: progress.update(task, completed=done))


def _fresh_state(config: configs.Config, model: Pix2Pix, init_from: Path | None) -> TrainState:
    """The state before the first step, with the networks of another run if one is given."""
    side = (config.batch_size, *configs.as_size(config.image_size))
    batch = {name: jnp.zeros((*side, configs.count_channels(getattr(config.data, name)))) for name in ("input", "target")}
    # Computed once: on a CPU, optimizing the program takes four times as long as all the rest of it.
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    init = jax.jit(lambda key, batch: init_train_state(key, model, batch), compiler_options=options)
    fresh = init(jax.random.key(config.seed), batch)
    return fresh if init_from is None else checkpoint.start_from(init_from, fresh)


def _first_state(run: Run, fresh: TrainState) -> TrainState:
    """The newest good checkpoint, or the fresh state; rows and samples later than it are dropped."""
    state = checkpoint.restore(run.manager, fresh)
    state = fresh if state is None else state
    step = int(state.step)
    if step:
        run.console.print(f"Going on from step {step} of {run.experiment.config.steps}.")
    resume.drop_later(run.workdir, step)
    return state


def _write_report(run: Run, state: TrainState) -> None:
    with run.console.status("writing the report"):
        path = report.write_report(run.workdir, run.experiment, translate_with(run, state), int(state.step))
    run.console.print(f"Report: {path}")


def _say_what_runs(run: Run, used: int) -> None:
    config, devices = run.experiment.config, jax.local_devices()
    splits = ", ".join(f"{pairs.count()} {name}" for name, pairs in run.dataset.splits.items())
    kind = devices[0].device_kind
    run.console.print(f"{run.experiment.name}: {splits} pairs, {config.steps} steps on {used} x {kind}, in {run.workdir}")
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
    sentences = [skipped[index] for skipped in replaced for index in sorted(skipped)]
    if not sentences:
        return
    path = run.workdir / resume.REPLACED
    path.write_text("".join(f"{sentence}\n" for sentence in sentences))
    run.console.print(f"{len(sentences)} pairs could not be read and were replaced:", style="yellow")
    for sentence in sentences[:NAMED]:
        run.console.print(f"  {sentence}", style="yellow")
    if len(sentences) > NAMED:
        run.console.print(f"  and {len(sentences) - NAMED} more; all are named in {path}.", style="yellow")

"""The loop: batches in, steps done, and what a person wants to see of it written down on the way."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from p2p_jax import checkpoint, checks, evaluate, report, resume
from p2p_jax import config as configs
from p2p_jax import experiment as experiments
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import Dataset, Reader, open_dataset, open_reader
from p2p_jax.data.pairs import Replacing
from p2p_jax.data.sides import settle_palettes
from p2p_jax.errors import Stopped
from p2p_jax.experiment import Experiment
from p2p_jax.feed import make_update, open_store, open_stream
from p2p_jax.logs import INTERRUPTED, caught_signals, describe, metrics_writer, open_console, progress_bar
from p2p_jax.samples import sample_columns, save_grid
from p2p_jax.sharding import make_mesh, replicate
from p2p_jax.state import TrainState
from p2p_jax.step import Metrics, Pix2Pix, init_train_state
from p2p_jax.translate import make_translate

SAMPLES = 6
NAMED = 10  # unreadable pairs named on the screen


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
    """

    workdir: Path
    experiment: Experiment
    dataset: Dataset
    model: Pix2Pix
    translate: Callable[..., jax.Array]
    manager: checkpoint.Manager
    console: Console


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
    config = configs.resolve(_with_whole_path(experiment.config), dataset.splits["train"].count())
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
        mesh = make_mesh(config.batch_size)
        _say_what_runs(run, mesh.size)
        state = _first_state(run, replicate(mesh, fresh))
        if int(state.step) < (config.steps or 0):
            state = _loop(run, state, mesh, reader, profile)
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


def _loop(run: Run, state: TrainState, mesh: Mesh, reader: Reader, profile: bool) -> TrainState:
    config = run.experiment.config
    store = open_store(reader, config, mesh)
    update = make_update(run.model, config, mesh, store)
    done = first = int(state.step)
    stream = open_stream(reader, config, mesh, start=int(state.batch_index), picked=store is not None)
    sampler = _make_sampler(run)
    start = max(done, min(done + 10, config.steps - 5))  # past the compilation, where the run is long enough
    profiled = range(start, min(start + 5, config.steps)) if profile else range(0)
    with (
        metrics_writer(run.workdir, tensorboard=config.tensorboard) as write,
        progress_bar(run.console) as progress,
        caught_signals() as caught,
    ):
        task = progress.add_task("compiling", total=config.steps, completed=done)
        window: list[Metrics] = []
        started, waited = time.perf_counter(), 0.0
        while done < config.steps:
            if profiled and done == profiled.start:
                jax.profiler.start_trace(run.workdir / "profile")
            asked = time.perf_counter()
            batch = next(stream)
            waited += time.perf_counter() - asked
            state, metrics = update(state, batch)
            window.append(metrics)
            done += 1
            last = done == config.steps
            stop = caught[0] if caught else None
            if profiled and (done == profiled.stop or (stop and profiled.start < done < profiled.stop)):
                jax.block_until_ready(state)
                jax.profiler.stop_trace()
            due = {name: last or done % getattr(config, f"{name}_every") == 0 for name in ("log", "sample", "checkpoint")}
            if any(due.values()) or stop:
                row = _mean_row(run, window, done)
                row |= {name: float(np.asarray(rate(done - 1))) for name, rate in run.model.learning_rates.items()}
                passed = time.perf_counter() - started
                row["pictures_per_second"] = len(window) * config.batch_size / passed
                row["data_wait"] = waited / passed
                if due["sample"]:
                    sampler(state, done)
                validation = _validate(run, state) if due["checkpoint"] else None
                write({"step": done, **row, **(validation or {})})
                if due["checkpoint"] or stop:
                    _save(run, state, validation)
                window, started, waited = [], time.perf_counter(), 0.0
                progress.update(task, completed=done, description=describe(row))
                if due["checkpoint"] and not run.console.is_terminal:
                    run.console.print(f"step {done} of {config.steps}: {describe(row | (validation or {}))}")
            elif done > first + 1:
                progress.update(task, completed=done)
            else:
                progress.update(task, completed=done, description="training")
            if stop:
                run.manager.wait_until_finished()
                raise Stopped(
                    f"Stopped at step {done} and saved; the same command goes on from there (without --overwrite).",
                    INTERRUPTED[stop],
                )
    return state


def _mean_row(run: Run, window: list[Metrics], done: int) -> dict[str, float]:
    """The mean of the metrics since the last row.

    Raises:
        Stopped: one of them is not finite.
    """
    rows = jax.device_get(window)
    for back, row in enumerate(rows):
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if bad:
            step = done - len(rows) + back + 1
            run.manager.wait_until_finished()
            where = _what_is_kept(run)
            raise Stopped(
                f"{bad[0]} became {float(row[bad[0]])} at step {step}, so training stopped; {where}. Try a lower "
                "--optimizer.learning-rate, --optimizer.clip 1, or --dtype float32.",
                1,
            )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _what_is_kept(run: Run) -> str:
    kept = run.manager.latest_step()
    return "no checkpoint had been written yet" if kept is None else f"the checkpoint of step {kept} is kept"


def _save(run: Run, state: TrainState, validation: dict[str, float] | None) -> None:
    if int(state.step) in run.manager.all_steps():
        return
    if not checkpoint.all_finite(state):
        raise Stopped(
            f"the networks hold values that are not finite after step {int(state.step)}, so they were not saved and "
            f"training stopped; {_what_is_kept(run)}. Try a lower --optimizer.learning-rate.",
            1,
        )
    checkpoint.save(run.manager, state, validation)


def _translate_with(run: Run, state: TrainState) -> evaluate.Translate:
    """The generator as it is now, or its moving average, as a function of pictures."""
    params = state.generator.params if state.ema is None else state.ema
    # On one device: the pictures are few, and each goes through by itself.
    params, g_state = jax.device_put((params, state.generator.state), jax.local_devices()[0])
    key = jax.random.key(0)
    return lambda pictures: np.asarray(run.translate(params, g_state, key, pictures))


def _validate(run: Run, state: TrainState) -> dict[str, float] | None:
    """Figures on the validation split, if there is one."""
    if "val" not in run.dataset.splits:
        return None
    config = run.experiment.config
    translate = _translate_with(run, state)
    figures = evaluate.score(
        run.dataset.splits["val"], translate, fit_of_evaluation(config), config.data.target, count=config.val_pictures
    )
    return {f"val_{name}": value for name, value in figures.items()}


def _make_sampler(run: Run) -> Callable[[TrainState, int], None]:
    """A function that writes the sample grid of a step, always of the same pairs."""
    config = run.experiment.config
    pairs = run.dataset.splits[evaluate.sample_split(run.dataset.splits)]
    examples = [pairs.read(index, fit_of_evaluation(config)) for index in range(min(SAMPLES, pairs.count()))]

    def sample(state: TrainState, done: int) -> None:
        made = evaluate.translate_all(_translate_with(run, state), examples)
        save_grid(run.workdir / "samples" / f"step_{done:08d}.png", sample_columns(examples, made, config.data))

    return sample


def _write_report(run: Run, state: TrainState) -> None:
    with run.console.status("writing the report"):
        path = report.write_report(run.workdir, run.experiment, _translate_with(run, state), int(state.step))
    run.console.print(f"Report: {path}")


def _say_what_runs(run: Run, used: int) -> None:
    config, devices = run.experiment.config, jax.local_devices()
    splits = ", ".join(f"{pairs.count()} {name}" for name, pairs in run.dataset.splits.items())
    kind = devices[0].device_kind
    run.console.print(f"{run.experiment.name}: {splits} pairs, {config.steps} steps on {used} x {kind}, in {run.workdir}")
    if used < len(devices):
        run.console.print(
            f"{used} of {len(devices)} devices are used: a batch of {config.batch_size} splits over no more; "
            f"give --batch-size {len(devices)} or a multiple of it.",
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

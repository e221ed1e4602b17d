"""The loop: batches in, steps done, and what a person wants to see of it written down on the way."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from rich.console import Console

from p2p_jax import checkpoint, evaluate, report, resume
from p2p_jax import config as configs
from p2p_jax import experiment as experiments
from p2p_jax.data import Dataset, augment, batches, open_dataset, read_batch
from p2p_jax.data.loading import Reader, Replacing, open_reader
from p2p_jax.errors import Stopped
from p2p_jax.experiment import Experiment
from p2p_jax.logs import INTERRUPTED, caught_signals, describe, metrics_writer, open_console, progress_bar
from p2p_jax.samples import save_grid
from p2p_jax.sharding import make_mesh, replicate, split_batch
from p2p_jax.state import TrainState
from p2p_jax.step import AUGMENTATION, Metrics, Pix2Pix, init_train_state, make_train_step
from p2p_jax.translate import make_translate

SAMPLES = 6


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
    configs.check(experiment.config)
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
        run = Run(workdir, experiment, dataset, model, make_translate(model.generator), manager, console)
        mesh = make_mesh(config.batch_size)
        _say_what_runs(run, mesh.size)
        state = _first_state(run, replicate(mesh, fresh))
        if int(state.step) < (config.steps or 0):
            state = _loop(run, state, mesh, reader, profile)
        else:
            console.print(f"The run has done its {config.steps} steps; to go on, give more with --steps or --epochs.")
        manager.wait_until_finished()
    _write_report(run, state)
    _say_what_was_skipped(dataset, console)
    return state


def _with_whole_path(config: configs.Config) -> configs.Config:
    """The same config with a data path that holds in every current folder."""
    path = config.data.path
    return config if path is None else replace(config, data=replace(config.data, path=str(Path(path).absolute())))


def _read_ahead(dataset: Dataset, config: configs.Config, console: Console) -> Reader:
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=dataset.splits["train"].count())
        return open_reader(dataset.splits["train"], config, lambda done: progress.update(task, completed=done))


def _fresh_state(config: configs.Config, model: Pix2Pix, init_from: Path | None) -> TrainState:
    """The state before the first step, with the networks of another run if one is given."""
    side = (config.batch_size, config.image_size, config.image_size)
    batch = {
        "input": jnp.zeros((*side, config.data.input_channels)),
        "target": jnp.zeros((*side, config.data.target_channels)),
    }
    fresh = init_train_state(jax.random.key(config.seed), model, batch)
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


def make_update(
    model: Pix2Pix, config: configs.Config, mesh: Mesh
) -> Callable[[TrainState, Any], tuple[TrainState, Metrics]]:
    """The jitted function of one step on uint8 pairs: augmentation and training step in one program."""
    step = make_train_step(model)

    def update(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.batch_index), AUGMENTATION)
        return step(state, augment(key, batch, size=config.image_size, flip=config.data.flip))

    everywhere = NamedSharding(mesh, jax.P())
    return jax.jit(update, donate_argnums=0, out_shardings=everywhere)


def _loop(run: Run, state: TrainState, mesh: Mesh, reader: Reader, profile: bool) -> TrainState:
    config = run.experiment.config
    update = make_update(run.model, config, mesh)
    done = first = int(state.step)
    stream = batches(
        reader,
        seed=config.seed,
        batch_size=config.batch_size,
        start=int(state.batch_index),
        threads=config.data.threads,
    )
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
        started = time.perf_counter()
        while done < config.steps:
            if profiled and done == profiled.start:
                jax.profiler.start_trace(run.workdir / "profile")
            state, metrics = update(state, split_batch(mesh, next(stream)))
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
                row["pictures_per_second"] = len(window) * config.batch_size / (time.perf_counter() - started)
                if due["sample"]:
                    sampler(state, done)
                validation = _validate(run, state) if due["checkpoint"] else None
                write({"step": done, **row, **(validation or {})})
                if due["checkpoint"] or stop:
                    _save(run, state, validation)
                window, started = [], time.perf_counter()
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
    figures = evaluate.score(run.dataset.splits["val"], translate, config.image_size, count=config.val_pictures)
    return {f"val_{name}": value for name, value in figures.items()}


def _make_sampler(run: Run) -> Callable[[TrainState, int], None]:
    """A function that writes the sample grid of a step, always of the same pairs."""
    size = run.experiment.config.image_size
    pairs = run.dataset.splits[evaluate.sample_split(run.dataset.splits)]
    batch = read_batch(pairs, list(range(min(SAMPLES, pairs.count()))), (size, size))

    def sample(state: TrainState, done: int) -> None:
        made = _translate_with(run, state)(batch["input"])
        path = run.workdir / "samples" / f"step_{done:08d}.png"
        save_grid(path, {"input": batch["input"], "output": made, "target": batch["target"]})

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


def _say_what_was_skipped(dataset: Dataset, console: Console) -> None:
    skipped = [text for pairs in dataset.splits.values() if isinstance(pairs, Replacing) for text in pairs.skipped.values()]
    if skipped:
        console.print(f"{len(skipped)} pairs could not be read and were replaced; the first: {skipped[0]}", style="yellow")

"""Runs training: opens data, networks and checkpoints, runs the loop, writes the report."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jax.sharding import Mesh

from p2p_jax.config import Config
from p2p_jax.console import count_of, waiting
from p2p_jax.data.loading import Dataset, Reader, open_dataset
from p2p_jax.devices import processes
from p2p_jax.devices.memory import release_freed_memory
from p2p_jax.devices.sharding import make_mesh
from p2p_jax.errors import NotFinite, Stopped, UserError
from p2p_jax.evaluation import report
from p2p_jax.evaluation.best_metric import check_best_metric, open_functions
from p2p_jax.evaluation.evaluate import Figures
from p2p_jax.experiment import Experiment
from p2p_jax.inference.translate import make_translate
from p2p_jax.signals import caught_signals, ended_by_sigterm, interruptible
from p2p_jax.state import TrainState
from p2p_jax.step import Pix2Pix
from p2p_jax.tracking.trackers import Trackers, open_trackers, refuse_missing
from p2p_jax.training.arrivals import expect_run, read_ahead
from p2p_jax.training.early_look import look_early
from p2p_jax.training.engine import Engine, compile_ahead, open_engine
from p2p_jax.training.fresh_state import describe_state, fresh_state
from p2p_jax.training.loop import run_steps
from p2p_jax.training.messages import (
    announce_run,
    announce_stop,
    explain_not_finite,
    name_pairs,
    print_diagnoses,
    print_figures,
    print_next_commands,
    report_replaced,
    warn_of_report,
)
from p2p_jax.training.moved import explain_moved, is_in_place
from p2p_jax.training.resolve_config import resolve_config, resolve_files
from p2p_jax.training.run import Request, Run, translate_with
from p2p_jax.training.skipped_batches import MAX_SKIPPED, find_index
from p2p_jax.training.stopwatch import Interval
from p2p_jax.training.trained_weights import check_trained_weights
from p2p_jax.workdir import checkpoint, lock, resume
from p2p_jax.workdir.bucket import fetch
from p2p_jax.workdir.cleaning import clean_unfinished, clear_workdir, drop_later, refuse_to_overwrite
from p2p_jax.workdir.held import hold_folder
from p2p_jax.workdir.init_from import (
    has_checkpoint,
    imported_source,
    recorded_source,
)
from p2p_jax.workdir.origin import describe_origin
from p2p_jax.workdir.own_files import refuse_unrecorded
from p2p_jax.workdir.record import RECORD, save_record

STOPPED = "Stopped; the same command resumes from the last checkpoint (without --overwrite)."


class Start(NamedTuple):
    """How a run starts.

    Attributes:
        like: shapes, dtypes and shardings of its state.
        make_state: makes the state before the first step.
        made: [that state] if the run starts from other networks: it is made early, so that unsuitable networks are refused
            before anything is written; otherwise [].
        init_from: the workdir that the record names as the source of the networks.
        resumes: whether the workdir holds a checkpoint of the run.
    """

    like: TrainState
    make_state: Callable[[], TrainState]
    made: list[TrainState]
    init_from: Path | None
    resumes: bool


def run_training(request: Request) -> TrainState:
    """Trains, or resumes, the run of a workdir, and writes its report.

    Returns:
        the final state.

    Raises:
        UserError: the config, the data or the workdir do not fit, or another process trains there.
        Stopped: interrupted, or a loss that is not finite; what was saved is kept.
    """
    first = processes.is_first()
    refuse_unrecorded(request.workdir, request.experiment.file)
    if first:
        refuse_missing(request.experiment.config)
    with ended_by_sigterm(STOPPED), _locked(request.workdir) if first else nullcontext():
        if request.overwrite:
            refuse_to_overwrite(request.workdir)
        experiment, dataset, mesh = open_data(request)
        model = experiment.build(experiment.config)
        reader = read_ahead(dataset, experiment.config, request.console)
        start = _plan_start(request, experiment.config, model, mesh)
        _prepare_workdir(request, experiment, dataset.fingerprint, start.init_from)
        return _train(request, experiment, dataset, mesh, model, reader, start)


@contextmanager
def _locked(workdir: Path) -> Iterator[None]:
    """Holds the lock of a workdir, and removes unfinished files at the start and at the end, even if it is renamed."""
    with lock.hold(workdir), hold_folder(workdir) as held, clean_unfinished(held.path):
        yield


def open_data(request: Request) -> tuple[Experiment, Dataset, Mesh]:
    """Returns the experiment with its resolved config, its data set, and the mesh of devices.

    Raises:
        UserError: a value is not possible, weights are missing, the data do not exist, or they have changed since the run
            was started.
    """
    experiment, workdir = request.experiment, request.workdir
    config = resolve_files(experiment.config)
    check_trained_weights(config)
    dataset = open_dataset(config)
    accept = request.accept_changed_data
    changed = not request.overwrite and resume.data_changed(workdir, dataset.fingerprint, accept=accept)
    if request.overwrite and experiment.file is not None and experiment.file.resolve().parent == workdir.resolve():
        raise UserError(f"--overwrite would remove {experiment.file} itself: give another --workdir.")
    if changed:
        request.console.print(
            "The pictures have changed since the run was started; it resumes with the current ones.", style="yellow"
        )
    mesh = make_mesh(config.batch_size // config.accumulate, model=config.model_parallel)
    config = resolve_config(config, dataset.splits["train"].count(), mesh.shape["data"])
    check_best_metric(config, dataset.splits)
    return experiment._replace(config=config), dataset, mesh


def _plan_start(request: Request, config: Config, model: Pix2Pix, mesh: Mesh) -> Start:
    workdir = request.workdir
    resumes = not request.overwrite and has_checkpoint(workdir)
    if resumes:
        checkpoint.refuse_newer(workdir)
    init_from = request.init_from or (None if request.overwrite else recorded_source(workdir))
    source = init_from or (None if request.overwrite else imported_source(workdir))
    like = describe_state(config, model, mesh)
    make_state = partial(fresh_state, config, model, like, None if resumes else source, request.console)
    made = [make_state()] if source and not resumes else []
    return Start(like, make_state, made, init_from, resumes)


def _prepare_workdir(request: Request, experiment: Experiment, fingerprint: str, init_from: Path | None) -> None:
    processes.wait_for_all("all have read the workdir")
    if processes.is_first():
        if request.overwrite:
            clear_workdir(request.workdir)
        origin = describe_origin(request.command)
        save_record(request.workdir, experiment, fingerprint, init_from=init_from, origin=origin)
    processes.wait_for_all("the record is written")


def _train(
    request: Request,
    experiment: Experiment,
    dataset: Dataset,
    mesh: Mesh,
    model: Pix2Pix,
    reader: Reader,
    start: Start,
) -> TrainState:
    config, workdir, console = experiment.config, request.workdir, request.console
    best = config.best_metric if "val" in dataset.splits else None
    timeout = request.step_timeout if processes.count() > 1 else math.inf
    translate = make_translate(model.generator, input=config.data.input, target=config.data.target)
    with (
        look_early(dataset, config) as look,
        hold_folder(workdir) as held,
        checkpoint.open_manager(workdir, keep=config.keep, best_metric=best) as manager,
        _open_trackers(request, experiment) as trackers,
    ):
        record = (workdir / RECORD).read_bytes() if processes.is_first() else b""
        fixed = (workdir, experiment, dataset, model, translate, manager, console, held, record, look)
        run = Run(*fixed, timeout, request.on_step, trackers, functions=open_functions(config) if best else {})
        announce_run(run, mesh.size)
        with caught_signals(announce_stop) as caught:
            engine, interval = open_engine(model, config, mesh, reader, start.like), Interval()
            if engine.store is None:
                expect_run(reader, dataset, config, manager.latest_step() or 0)
            with waiting(console, "compiling the training step"):
                compile_ahead(engine, config, start.like, manager.latest_step() or 0, interval)
            run, state = _first_state(run, start)
            if int(state.step) < (config.steps or 0):
                run, state = _run_to_the_end(run, state, engine, caught, interval, start, profile=request.profile)
            else:
                console.print(
                    f"The run has done its {config.steps} steps; to train longer, give more with --steps or --epochs."
                )
        checkpoint.finish_saving(manager)
        fetch.upload_before_exit(workdir)
        _finish(run, state)
    return state


def _open_trackers(request: Request, experiment: Experiment) -> AbstractContextManager[Trackers]:
    if processes.is_first():
        return open_trackers(experiment.config, experiment.name, request.workdir, request.console)
    return nullcontext(Trackers())


def _finish(run: Run, state: TrainState) -> None:
    """Writes the report, and prints the figures and the next commands. A report that fails is not an error of the run."""
    page, figures = None, None
    # With several processes all have to evaluate, or none.
    readable = processes.count() == 1 or processes.all_agree(not run.look.faults)
    try:
        if not is_in_place(run):
            raise explain_moved(run, int(state.step))
        if not readable:
            raise run.look.faults[0] if run.look.faults else UserError("another process could not read a pair.")
        with waiting(run.console, "evaluating and writing the report"):
            page, figures = write_report(run, state)
        report_replaced(run)
    except Stopped:
        raise
    except Exception as error:
        if processes.count() > 1 and readable:
            raise  # the other processes may wait for this one
        warn_of_report(run, error)
    if run.skipped:
        numbers = ", ".join(map(str, sorted(run.skipped)))
        run.console.print(f"{count_of(len(run.skipped), 'batch')} skipped: {numbers}.", style="yellow")
    if figures is not None:
        print_figures(run.console, figures, brief=True)
        run.trackers.log_figures(figures.split, figures.scores, figures.step)
    if processes.is_first():
        print_diagnoses(run)
    print_next_commands(run, page, best=int(state.step) < (run.experiment.config.steps or 0))


def write_report(run: Run, state: TrainState) -> tuple[Path, Figures | None]:
    """Writes the report of a finished run; returns its page and the figures."""
    folder = run.held.path  # which is never another folder of the same name
    page, figures = interruptible(
        lambda: report.write_report(folder, run.experiment, translate_with(run, state), int(state.step))
    )
    return run.workdir / page.relative_to(folder), figures


def _first_state(run: Run, start: Start) -> tuple[Run, TrainState]:
    """Returns the state of the newest undamaged checkpoint, or a fresh state; removes later rows and samples.

    The returned run also skips the batches that had been skipped up to the checkpoint.
    """
    state = checkpoint.restore(run.manager, start.like)
    if state is None:
        state = start.made.pop() if start.made else start.make_state()
    release_freed_memory()
    step = int(state.step)
    if step:
        run.console.print(f"Resuming from step {step} of {run.experiment.config.steps}.")
    if processes.is_first():
        drop_later(run.workdir, step)
    run.trackers.send(rewind=step)
    skipped = {*run.skipped, *checkpoint.read_skipped(run.manager, step)}
    return run._replace(skipped=tuple(sorted(skipped))), state


def _run_to_the_end(
    run: Run, state: TrainState, engine: Engine, caught: list[int], interval: Interval, start: Start, *, profile: bool
) -> tuple[Run, TrainState]:
    """Trains to the end. If losses or networks are not finite after a batch that may be skipped, resumes without it.

    Raises:
        Stopped: interrupted, or not finite; what was saved is kept.
    """
    while True:
        step, index = int(state.step), int(state.batch_index)
        try:
            return run, run_steps(run, state, engine, caught, interval, profile=profile)
        except NotFinite as error:
            fault = error.with_traceback(None)  # a traceback would keep the loop's variables in memory
        run.manager.wait_until_finished()
        if run.experiment.config.on_nan == "stop" or len(run.skipped) >= MAX_SKIPPED:
            raise explain_not_finite(run, fault)
        index = find_index(index, fault.step - step - 1, run.skipped)
        named = name_pairs(run, engine.reader, index)
        run.console.print(f"{fault}: batch {index} ({named}) is skipped from now on.", style="yellow")
        run, state = _first_state(run._replace(skipped=(*run.skipped, index)), start)
        profile, interval = False, Interval()

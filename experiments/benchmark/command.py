"""The command: measures the limits, each case and growth; prints tables as they come, writes JSON and plots at the end."""

import signal
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from experiments import pytorch_original
from experiments.benchmark import output
from experiments.benchmark.grow import AXES, measure_growth
from experiments.benchmark.measure import OnProgress, count_answers, measure_case
from experiments.benchmark.options import ORIGINAL, Case, Contestant, Options, cases, check_options, contestants
from experiments.benchmark.plots import GROWTH, name_plot, save_plots
from experiments.benchmark.pool import Worker, WorkerFailed, ask, open_worker
from p2p_jax.cli.parsing import parse
from p2p_jax.console import open_console, progress_bar
from p2p_jax.errors import PROGRAM, Stopped
from p2p_jax.files.outputs import check_outputs
from p2p_jax.signals import ended_by_sigterm
from p2p_jax.workdir.record import versions

DRAWN_PAIRS = 200
"""Pairs of pictures that are drawn for the part `data`."""


def bench(argv: list[str]) -> int:
    """Runs the command `p2p-jax bench` and returns its exit code."""
    return run(argv, f"{PROGRAM} bench")


def run(argv: list[str], program: str) -> int:
    """Measures, prints tables, and writes benchmark.json and the plots.

    Args:
        argv: the words after the command.
        program: the command as messages name it.

    Returns:
        the exit code: 1 if a contestant failed, else 0.

    Raises:
        UserError: an option is wrong, or a file exists already.
        Stopped: the program received a signal to end, or could not count the work of a case.
    """
    options = parse(Options, argv, program)
    check_options(options)
    names = [output.RESULTS, *([GROWTH] if options.grow else []), *(name_plot(case._asdict()) for case in cases(options))]
    files = {options.output / name: () for name in names}
    check_outputs(options.output, files, existing="replace" if options.overwrite else "refuse")
    options.output.mkdir(parents=True, exist_ok=True)
    console = open_console()
    missing = pytorch_original.why_unavailable() if options.torch else "--torch was given without a value."
    if missing:
        console.print(f"PyTorch's rows are missing: {missing}")
    with ended_by_sigterm("interrupted.", 128 + signal.SIGTERM), progress_bar(console) as progress:
        results = measure(options, console, progress, torch=missing is None)
    results["command"] = " ".join([program, *argv])
    path = output.write_results(options.output, results)
    for written in [path, *save_plots(options.output, results)]:
        console.print(f"Wrote {written}")
    return 1 if any("failed" in row for case in results["cases"] for row in case["rows"]) else 0


def measure(options: Options, console: Console, progress: Progress, *, torch: bool) -> dict[str, Any]:
    """Measures everything and prints each table as soon as it is complete.

    The limits are measured before and after each case.

    Args:
        options: of the command.
        console: for the tables.
        progress: for the progress bars.
        torch: whether PyTorch is measured.

    Returns:
        the contents of benchmark.json except the command.
    """
    measure_again = partial(measure_limits, options, console, progress, torch=torch)
    limits = measure_again({})
    cuda = limits.get("torch", {}).get("platform") == "cuda"
    rows = contestants(options, torch=torch, cuda=cuda)
    results: dict[str, Any] = {
        "versions": versions() | ({"torch": limits["torch"]["version"]} if "torch" in limits else {}),
        "host": output.describe_host(),
        "limits": limits,
        "cases": [],
        "growth": [],
    }
    with open_worker(options.patience, JAX_PLATFORMS="cpu") as counter:
        count = partial(count_work, counter)
        for case in cases(options):
            found = {**case._asdict(), "work": count(case)}
            found["rows"] = _measure_rows(case, rows, options, progress)
            results["cases"].append(found)
            limits = results["limits"] = measure_again(limits)
            output.print_limits(console, limits)
            output.print_case(console, found, limits)
            for row in found["rows"]:
                if "layers" in row and "failed" not in row:
                    output.print_layers(console, row["name"], row["layers"])
        if options.grow:
            curves = [row for row in rows if row.framework == "jax"][:1] + [row for row in rows if row.name == ORIGINAL]
            results["growth"] = _measure_curves(curves, options, lambda case: count(case)["step"], progress)
            output.print_growth(console, results["growth"])
    return results


def measure_limits(
    options: Options, console: Console, progress: Progress, known: dict[str, Any], *, torch: bool
) -> dict[str, Any]:
    """Measures the limits of each framework, and returns the highest rates so far: other work may slow the machine down.

    A framework that fails is reported and has no limits.

    Args:
        options: of the command.
        console: for failures.
        progress: for the progress bars.
        known: the limits that were measured before.
        torch: whether PyTorch is measured.
    """
    limits = {}
    for framework in ("jax", "torch") if torch else ("jax",):
        task = progress.add_task(f"limits, {framework}", total=1)
        with open_worker(options.patience) as worker:
            try:
                limits[framework] = ask(worker, "limits", framework=framework)
            except WorkerFailed as error:
                console.print(f"The limits of {framework} could not be measured: {error}", style="red")
        progress.remove_task(task)
    for framework, rates in limits.items():
        before = known.get(framework, {})
        rates |= {name: max(rates[name], before.get(name, 0)) for name in ("float32", "bfloat16", "copy")}
    return {**known, **limits}


def count_work(counter: Worker, case: Case) -> dict[str, int]:
    """Asks a worker for the FLOPs of a step and of a forward pass: {"step", "forward"}.

    Raises:
        Stopped: the worker failed.
    """
    try:
        return ask(counter, "work", case=case)
    except WorkerFailed as error:
        raise Stopped(f"the work of a step could not be counted: {error}", 1) from None


def _measure_rows(case: Case, rows: list[Contestant], options: Options, progress: Progress) -> list[dict[str, Any]]:
    title = output.describe_case(case._asdict())
    task = progress.add_task(title, total=count_answers(rows, options))
    advance = _make_advance(progress, task, f"{title}: ")

    with tempfile.TemporaryDirectory() if "data" in options.parts else nullcontext() as folder:
        if folder:
            from experiments.benchmark.data_speed import write_facades

            write_facades(Path(folder), max(DRAWN_PAIRS, 2 * case.batch_size), size=case.image_size)
        found = measure_case(case, rows, options, advance, parts=options.parts, folder=folder)
    progress.remove_task(task)
    return found


def _measure_curves(
    curves: list[Contestant], options: Options, count_work: Callable[[Case], int], progress: Progress
) -> list[dict[str, Any]]:
    task = progress.add_task("growth", total=len(curves) * sum(map(len, AXES.values())))
    found = measure_growth(curves, options, count_work, _make_advance(progress, task))
    progress.remove_task(task)
    return found


def _make_advance(progress: Progress, task: TaskID, prefix: str = "") -> OnProgress:
    def advance(what: str) -> None:
        progress.update(task, advance=1, description=prefix + what)

    return advance

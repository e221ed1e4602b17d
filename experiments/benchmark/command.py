"""The command: limits first, then every case, then growth; tables as they come, JSON and plots at the end."""

import signal
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from experiments import pytorch_original
from experiments.benchmark import output
from experiments.benchmark.grow import AXES, measure_growth
from experiments.benchmark.measure import count_turns, measure_case
from experiments.benchmark.options import REFERENCE, Case, Contestant, Options, cases, check_options, contestants
from experiments.benchmark.plots import save_plots
from experiments.benchmark.pool import WorkerFailed, ask, open_worker
from p2p_jax.cli.options import parse
from p2p_jax.console import open_console, progress_bar
from p2p_jax.errors import PROGRAM, Stopped
from p2p_jax.signals import ended_by_sigterm
from p2p_jax.workdir.record import versions

DRAWN = 200  # pairs, as in data_speed


def bench(argv: list[str]) -> int:
    """The command `p2p-jax bench`; returns its exit code, as `run` does."""
    return run(argv, f"{PROGRAM} bench")


def run(argv: list[str], program: str) -> int:
    """Measures, prints and writes; 1 where a contestant failed."""
    options = parse(Options, argv, program)
    check_options(options)
    options.output.mkdir(parents=True, exist_ok=True)
    console = open_console()
    missing = pytorch_original.what_is_missing() if options.torch else "--torch was given without a value."
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
    """Everything that benchmark.json holds but for the command; prints each table when it is known.

    The limits are measured before and after each case.
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
        count_work = partial(_count_work, counter)
        for case in cases(options):
            found = {**case._asdict(), "work": count_work(case)}
            found["rows"] = _measure_rows(case, rows, options, progress)
            results["cases"].append(found)
            limits = results["limits"] = measure_again(limits)
            output.print_limits(console, limits)
            output.print_case(console, found, limits)
            for row in found["rows"]:
                if "layers" in row and "failed" not in row:
                    output.print_layers(console, row["name"], row["layers"])
        if options.grow:
            curves = [row for row in rows if row.framework == "jax"][:1] + [row for row in rows if row.name == REFERENCE]
            results["growth"] = _measure_curves(curves, options, lambda case: count_work(case)["step"], progress)
            output.print_growth(console, results["growth"])
    return results


def measure_limits(
    options: Options, console: Console, progress: Progress, known: dict[str, Any], *, torch: bool
) -> dict[str, Any]:
    """What the machine can do, by framework, at best: now, or when it was known before, for other work may slow it down.

    A framework that cannot tell is named and left out.
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


def _count_work(counter: Any, case: Case) -> dict[str, int]:
    try:
        return ask(counter, "work", case=case)
    except WorkerFailed as error:
        raise Stopped(f"the work of a step could not be counted: {error}", 1) from None


def _measure_rows(case: Case, rows: list[Contestant], options: Options, progress: Progress) -> list[dict[str, Any]]:
    title = output.describe_case(case._asdict())
    task = progress.add_task(title, total=count_turns(rows, options))

    def tell(what: str) -> None:
        progress.update(task, advance=1, description=f"{title}: {what}")

    with tempfile.TemporaryDirectory() if "data" in options.parts else nullcontext() as folder:
        if folder:
            from experiments.benchmark.data_speed import draw

            draw(Path(folder), max(DRAWN, 2 * case.batch_size), size=case.image_size)
        found = measure_case(case, rows, options, tell, parts=options.parts, folder=folder)
    progress.remove_task(task)
    return found


def _measure_curves(
    curves: list[Contestant], options: Options, count_work: Callable[[Case], int], progress: Progress
) -> list[dict[str, Any]]:
    task = progress.add_task("growth", total=len(curves) * sum(map(len, AXES.values())))
    found = measure_growth(curves, options, count_work, lambda what: progress.update(task, advance=1, description=what))
    progress.remove_task(task)
    return found

"""The results as tables on the terminal and as JSON; `plots.py` draws them."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.benchmark.grow import UNITS, Point
from experiments.benchmark.layers import OTHER_ROWS
from experiments.benchmark.layers import Row as LayerRow
from experiments.benchmark.measure import TURNS, Row
from experiments.benchmark.options import ORIGINAL

TITLES = {"step": "training step", "forward": "generator forward", "data": "from disk to weights"}
GIB = 2**30
RESULTS = "benchmark.json"
"""The name of the file with all results."""

Limits = Mapping[str, Mapping[str, Any]]
"""{framework: rates}, as `limits.measure_jax` returns them."""


def summarize(row: Row, baseline: Row | None, case: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Returns the figures of a row.

    Args:
        row: of `measure.measure_case`.
        baseline: the row that all rows are compared with, or None if there is none.
        case: {"image_size", "batch_size", "width", "work": {"step", "forward"}}.
        limits: of the machine, for each framework.

    Returns:
        for each part that was measured: `seconds` (median of the rounds), `pictures` per second, `ratio` (speed divided by
        the baseline's), `limit` (pictures per second) and `fraction` of the limit. Unknown figures are missing.
    """
    found: dict[str, Any] = {}
    for part in TURNS:
        if not row.get(part):
            continue
        seconds = statistics.median(row[part])
        figures = {"seconds": seconds, "pictures": case["batch_size"] / seconds}
        if baseline and baseline.get(part):
            figures["ratio"] = statistics.median(baseline[part]) / seconds
        # A framework that runs on the CPU is not compared with the limit of an accelerator that only the other one uses.
        near = {name: rates for name, rates in limits.items() if (rates["platform"] == "cpu") == (row["platform"] == "cpu")}
        least = min_seconds(row["dtype"], case["work"]["forward" if part == "forward" else "step"], near)
        if least and row.get("piece", "default") == "default":  # the work of pieces is not counted
            figures |= {"fraction": least / seconds, "limit": case["batch_size"] / least}
        found[part] = figures
    return found


def min_seconds(dtype: str, work: int, limits: Limits) -> float | None:
    """Returns the seconds that so many FLOPs take at the rate of the fastest matrix product of a dtype."""
    rates = [rates[dtype] for rates in limits.values() if dtype in rates]
    return work / max(rates) if rates else None


def find_baseline(rows: Sequence[Row]) -> Row | None:
    """Returns the row of PyTorch run as the PyTorch original runs it; without it, the plain one beside rows of pieces."""
    plain = rows[0] if any(row.get("piece", "default") != "default" for row in rows) else None
    return next((row for row in rows if row["name"] == ORIGINAL), plain)


def print_limits(console: Console, limits: Limits) -> None:
    """Prints the limits of the machine."""
    table = Table("", "float32 products", "bfloat16 products", "copies", "device", title="What this machine can do")
    for framework, rates in limits.items():
        products = [f"{rates[dtype] / 1e9:,.0f} GFLOP/s" for dtype in ("float32", "bfloat16")]
        table.add_row(framework, *products, f"{rates['copy'] / 1e9:,.0f} GB/s", str(rates["device"]))
    console.print(table)


def print_case(console: Console, case: Mapping[str, Any], limits: Limits) -> None:
    """Prints a table for each part, compilation and memory, failures, and the traffic of the compiled step."""
    rows: Sequence[Row] = case["rows"]
    work, baseline = case["work"], find_baseline(rows)
    figures = {row["name"]: summarize(row, baseline, case, limits) for row in rows}
    for part in TURNS:
        if not any(part in found for found in figures.values()):
            continue
        flops = work["forward" if part == "forward" else "step"] / 1e9
        title = f"{TITLES[part]}, {describe_case(case)}: {flops:,.4g} GFLOP"
        table = Table("", "ms", "pictures/s", "times as fast", "of the limit", title=title)
        for name, found in figures.items():
            if part in found:
                table.add_row(name, *_cells(found[part]))
        console.print(table)
    print_costs(console, rows)
    for row in rows:
        if "failed" in row:
            console.print(f"{row['name']} failed: {row['failed']}", style="red")
    for row in rows:
        _print_traffic(console, row, limits)


def describe_case(case: Mapping[str, Any]) -> str:
    """Returns a case in words."""
    return f"{case['image_size']} pixels, batch {case['batch_size']}, width {case['width']}"


def _cells(found: Mapping[str, float]) -> list[str]:
    ratio = f"{found['ratio']:.2f}" if "ratio" in found else ""
    fraction = f"{100 * found['fraction']:.1f} %" if "fraction" in found else ""
    return [f"{1e3 * found['seconds']:,.4g}", f"{found['pictures']:,.4g}", ratio, fraction]


def print_costs(console: Console, rows: Sequence[Row]) -> None:
    """Prints how long each contestant compiles, and its peaks of memory."""
    heads = ("compilation or first step, s", "memory up to it, GiB", "memory in steps, GiB")
    table = Table("", *heads, title="Compilation and memory")
    for row in rows:
        if "compile_seconds" in row:
            peaks = (f"{row[name] / GIB:.2f}" if row.get(name) else "" for name in ("first_peak", "peak"))
            table.add_row(row["name"], f"{row['compile_seconds']:.1f}", *peaks)
    if table.row_count:
        console.print(table)


def _print_traffic(console: Console, row: Row, limits: Limits) -> None:
    if not row.get("program_bytes") or row["framework"] not in limits:
        return
    least = row["program_bytes"] / limits[row["framework"]]["copy"]
    console.print(
        f"{row['name']}: XLA counts {row['program_flops'] / 1e9:,.4g} GFLOP and {row['program_bytes'] / 1e9:,.4g} GB of "
        f"memory traffic in the compiled step; the traffic takes {1e3 * least:,.4g} ms at the speed of copies."
    )


def print_layers(console: Console, name: str, rows: Sequence[LayerRow]) -> None:
    """Prints the percentage of a step's time that each layer takes, by pass, for products and for other operations."""
    total = sum(row["product"] + row["rest"] for row in rows)
    if not total:
        console.print(f"{name}: no table of layers, because the profiler's events here have no names of instructions.")
        return
    heads = ("forward: products", "other", "backward: products", "other", "sum")
    table = Table("", *heads, title=f"{name}: % of {1e3 * total:,.4g} ms a step in the profiler")
    for layer in dict.fromkeys(row["layer"] for row in rows):
        if layer == OTHER_ROWS[0]:
            table.add_section()
        cells = [0.0] * 4
        for row in rows:
            if row["layer"] == layer:
                cells[2 * row["backward"]] += row["product"]
                cells[2 * row["backward"] + 1] += row["rest"]
        table.add_row(layer, *(f"{100 * value / total:.1f}" if value else "" for value in (*cells, sum(cells))))
    sums = [sum(row["product"] for row in rows), sum(row["rest"] for row in rows)]
    console.print(table)
    console.print(f"Products {100 * sums[0] / total:.0f} %, all else {100 * sums[1] / total:.0f} %.")


def print_growth(console: Console, points: Sequence[Point]) -> None:
    """Prints time and memory along each axis, and which points were skipped."""
    for axis, unit in UNITS.items():
        here = [point for point in points if point["axis"] == axis]
        table = Table(unit, "", "GFLOP", "ms a step", "memory, GiB", title=f"How cost grows with {unit}")
        for point in here:
            if "seconds" in point:
                cells = [f"{1e3 * statistics.median(point['seconds']):,.4g}", f"{point['peak'] / GIB:.2f}"]
                table.add_row(str(point["value"]), point["name"], f"{point['work'] / 1e9:,.4g}", *cells)
        if table.row_count:
            console.print(table)
        for name in dict.fromkeys(point["name"] for point in here):
            skipped = [point for point in here if point["name"] == name and "skipped" in point]
            if skipped:
                values = ", ".join(str(point["value"]) for point in skipped)
                console.print(f"{name}, {values} {unit}: skipped, because {skipped[0]['value']} {skipped[0]['skipped']}.")


def describe_host() -> dict[str, Any]:
    """Returns the processor, the number of cores and the operating system of this machine."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": os.cpu_count(), "system": platform.platform()}


def write_results(folder: Path, results: Mapping[str, Any]) -> Path:
    """Writes benchmark.json into a folder, which is created if necessary, and returns the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULTS
    path.write_text(json.dumps(results, indent=1, allow_nan=False, default=str) + "\n")
    return path

"""What was measured, as tables on the terminal and as JSON; plots are in `plots.py`."""

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
from experiments.benchmark.layers import BY_THEMSELVES
from experiments.benchmark.layers import Row as LayerRow
from experiments.benchmark.measure import TURNS, Row
from experiments.benchmark.options import REFERENCE

TITLES = {"step": "training step", "forward": "generator forward", "data": "from disk to weights"}
GIB = 2**30

Limits = Mapping[str, Mapping[str, Any]]
"""{framework: rates, as `limits.measure_jax` gives them}."""


def summarize(row: Row, reference: Row | None, case: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Figures of a row, from its rounds.

    Args:
        row: of `measure.measure_case`.
        reference: the row that others are compared with, if it is there.
        case: {"image_size", "batch_size", "width", "work": {"step", "forward"}}.
        limits: what the machine can do.

    Returns:
        for each part measured: `seconds` (the median), `pictures` per second, `ratio` (how often as fast as the reference),
        `limit` (in pictures per second) and `share` of it. Nothing that was not measured.
    """
    found: dict[str, Any] = {}
    for part in TURNS:
        if not row.get(part):
            continue
        seconds = statistics.median(row[part])
        figures = {"seconds": seconds, "pictures": case["batch_size"] / seconds}
        if reference and reference.get(part):
            figures["ratio"] = statistics.median(reference[part]) / seconds
        # What a framework does on a CPU is not measured by what another one could do on an accelerator.
        near = {name: rates for name, rates in limits.items() if (rates["platform"] == "cpu") == (row["platform"] == "cpu")}
        least = least_seconds(row["dtype"], case["work"]["forward" if part == "forward" else "step"], near)
        if least:
            figures |= {"share": least / seconds, "limit": case["batch_size"] / least}
        found[part] = figures
    return found


def least_seconds(dtype: str, work: int, limits: Limits) -> float | None:
    """Seconds that the work takes where all of it runs like the fastest matrix product of that dtype."""
    rates = [rates[dtype] for rates in limits.values() if dtype in rates]
    return work / max(rates) if rates else None


def find_reference(rows: Sequence[Row]) -> Row | None:
    """The row of PyTorch as the reference runs it."""
    return next((row for row in rows if row["name"] == REFERENCE), None)


def print_limits(console: Console, limits: Limits) -> None:
    """Prints what the machine can do."""
    table = Table("", "float32 products", "bfloat16 products", "copies", "device", title="What this machine can do")
    for framework, rates in limits.items():
        products = [f"{rates[dtype] / 1e9:,.0f} GFLOP/s" for dtype in ("float32", "bfloat16")]
        table.add_row(framework, *products, f"{rates['copy'] / 1e9:,.0f} GB/s", str(rates["device"]))
    console.print(table)


def print_case(console: Console, case: Mapping[str, Any], limits: Limits) -> None:
    """Prints a table of each part, what it costs, and why rows are missing."""
    rows: Sequence[Row] = case["rows"]
    work, reference = case["work"], find_reference(rows)
    figures = {row["name"]: summarize(row, reference, case, limits) for row in rows}
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
    """A case in words."""
    return f"{case['image_size']} pixels, batch {case['batch_size']}, width {case['width']}"


def _cells(found: Mapping[str, float]) -> list[str]:
    ratio = f"{found['ratio']:.2f}" if "ratio" in found else ""
    share = f"{100 * found['share']:.1f} %" if "share" in found else ""
    return [f"{1e3 * found['seconds']:,.4g}", f"{found['pictures']:,.4g}", ratio, share]


def print_costs(console: Console, rows: Sequence[Row]) -> None:
    """Prints what a contestant takes before its first step, and in memory."""
    table = Table("", "compilation or first step, s", "memory up to it, GiB", "memory in steps, GiB", title="What it takes")
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
        f"{row['name']}: the compiled step counts {row['program_flops'] / 1e9:,.4g} GFLOP and "
        f"{row['program_bytes'] / 1e9:,.4g} GB, which take {1e3 * least:,.4g} ms at the speed of copies."
    )


def print_layers(console: Console, name: str, rows: Sequence[LayerRow]) -> None:
    """Prints where the time of a step goes: each layer's share, forward and backward, products and all else."""
    total = sum(row["product"] + row["rest"] for row in rows)
    if not total:
        console.print(f"{name}: the profiler's events bear no names of the program's instructions here, so no layers.")
        return
    heads = ("forward: products", "other", "backward: products", "other", "sum")
    table = Table("", *heads, title=f"{name}: % of {1e3 * total:,.4g} ms a step in the profiler")
    for layer in dict.fromkeys(row["layer"] for row in rows):
        if layer == BY_THEMSELVES[0]:
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
    """Prints time and memory along each axis, and what was left out."""
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
                console.print(f"{name}, {values} {unit}: left out, for {skipped[0]['value']} {skipped[0]['skipped']}.")


def describe_host() -> dict[str, Any]:
    """The machine, as far as it says."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": os.cpu_count(), "system": platform.platform()}


def write_results(folder: Path, results: Mapping[str, Any]) -> Path:
    """Writes benchmark.json into a folder that is made where it is not there, and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark.json"
    path.write_text(json.dumps(results, indent=1, allow_nan=False, default=str) + "\n")
    return path

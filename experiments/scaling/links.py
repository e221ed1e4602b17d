"""Traffic between devices: counted in a compiled program, computed from theory, and shown in tables and a plot."""

import math
import re
from pathlib import Path
from typing import Any

from rich.table import Table

OPERATIONS = ("all-reduce", "reduce-scatter", "all-gather", "all-to-all", "collective-permute")

ITEM_SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
"""Bytes of a value by XLA's name of its dtype."""

INSTRUCTION = re.compile(rf" = (\(.*?\)|\S+) ({'|'.join(OPERATIONS)})(-start)?\(.*?channel_id=(\d+)")
SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")


def count_collectives(program: str, devices: int, kernels: set[int]) -> list[dict[str, Any]]:
    """Returns the collectives of a compiled program, added up by kind, dtype and content.

    Args:
        program: `compiled.as_text()`.
        devices: number of devices in each collective.
        kernels: sizes of the kernels, in values. An array of such a size, or a shard of one, is a parameter or its
            gradient. Other arrays are activations if they have more than two axes, else statistics (also scales, metrics).

    Returns:
        a row {"kind", "dtype", "what", "count", "bytes"} for each group. Bytes are those of complete arrays on one device,
        before a reduction or after a gathering. A collective of several arrays counts once, in the row of its first
        array. A collective within a loop counts once, too.
    """
    found: dict[Any, tuple[int, int]] = {}
    seen, body = set(), ""
    for line in program.splitlines():
        if opened := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            body = opened[1]
        if not (match := INSTRUCTION.search(line)):
            continue
        result, kind, start, channel = match.groups()
        # The TPU compiler writes a fused reduce-scatter as an all-reduce and a slice, in a computation that it names
        # all-reduce-scatter. An all-gather that overlaps with several operations appears in each of them, with one channel.
        kind = "reduce-scatter" if body.startswith("all-reduce-scatter") else kind
        shapes = SHAPE.findall(result)
        key = (kind, channel, str(shapes), line if kind == "reduce-scatter" else "")
        if start and kind == "all-gather":
            shapes = shapes[len(shapes) // 2 :]
        if start and kind == "collective-permute":
            shapes = shapes[1:2]
        if key in seen:
            continue
        seen.add(key)
        for index, (dtype, sides) in enumerate(shapes):
            axes = [int(side) for side in sides.split(",") if side]
            values = math.prod(axes) * (devices if kind == "reduce-scatter" and "all-reduce-scatter" not in body else 1)
            known = values in kernels or values * devices in kernels
            what = "parameters" if known and len(axes) > 1 else "activations" if len(axes) > 2 else "statistics"
            calls, size = found.get((kind, dtype, what), (0, 0))
            found[kind, dtype, what] = (calls + (index == 0), size + values * ITEM_SIZES[dtype])
    names = ("kind", "dtype", "what")
    return [dict(zip(names, key, strict=True)) | {"count": c, "bytes": size} for key, (c, size) in sorted(found.items())]


def expected_bytes(row: dict[str, Any], item_size: int) -> dict[str, int]:
    """Returns the bytes that a step must send: {"reduced", "gathered"}, in complete arrays.

    Every gradient is reduced once. If the state is sharded, parameters are gathered for each use: the generator's once, the
    discriminator's twice, before its update (for both pictures) and after.

    Args:
        row: of `count_call`, with "state".
        item_size: bytes of a parameter.
    """
    generator, discriminator = row["generator"] * item_size, row["discriminator"] * item_size
    gathered = generator + 2 * discriminator if row["state"] == "sharded" else 0
    return {"reduced": generator + discriminator, "gathered": gathered}


def bytes_sent(row: dict[str, Any], kinds: tuple[str, ...]) -> int:
    """Returns the bytes of complete arrays in collectives of these kinds."""
    return sum(link["bytes"] for link in row["links"] if link["kind"] in kinds)


def tabulate_counts(rows: list[dict[str, Any]]) -> list[Table]:
    """Returns a table of memory and a table of traffic."""
    mb = lambda size: f"{size / 1e6:,.1f}"
    memory = Table("Devices", "State", "state", "arguments", "temp", "code, s", title="MB of one device")
    titles = ("reduced", "of theory", "scattered", "gathered", "of theory", "others", "activations", "calls", "forced")
    links = Table("Devices", "State", *titles, title="MB over the links in a step, of complete arrays")
    for row in rows:
        name = (str(row["devices"]), row["state"])
        if "failed" in row:
            memory.add_row(*name, mb(row["state_bytes"]), row["failed"])
            continue
        sizes = (row["state_bytes"], row["argument_bytes"], row["temp_bytes"])
        memory.add_row(*name, *map(mb, sizes), f"{row['seconds']:.0f}")
        theory = expected_bytes(row, ITEM_SIZES[{"float32": "f32", "bfloat16": "bf16"}[row["dtype"]]])
        reduced, scattered, gathered = (bytes_sent(row, (kind,)) for kind in OPERATIONS[:3])
        others = bytes_sent(row, OPERATIONS[3:])
        activations = sum(link["bytes"] for link in row["links"] if link["what"] == "activations")
        links.add_row(
            *name,
            mb(reduced),
            _ratio(reduced + scattered, theory["reduced"]),
            mb(scattered),
            mb(gathered),
            _ratio(gathered, theory["gathered"]),
            mb(others),
            mb(activations),
            str(sum(link["count"] for link in row["links"])),
            str(row["involuntary"]),
        )
    return [memory, links]


def _ratio(size: float, theory: float) -> str:
    return f"{size / theory:.2f}" if size and theory else ""


def draw_counts(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws the memory of one device and its traffic against the number of devices."""
    from matplotlib.figure import Figure

    from experiments.plotting import BLUE, ORANGE

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for state, colour in (("replicated", ORANGE), ("sharded", BLUE)):
        some = [row for row in rows if row["state"] == state]
        left.plot(
            [row["devices"] for row in some], [row["state_bytes"] / 1e6 for row in some], "o-", color=colour, label=state
        )
        some = [row for row in some if "failed" not in row]
        x = [row["devices"] for row in some]
        left.plot(x, [row["temp_bytes"] / 1e6 for row in some], "s", color=colour, label=f"{state}: temp")
        right.plot(
            x, [bytes_sent(row, OPERATIONS[:2]) / 1e6 for row in some], "o-", color=colour, label=f"{state}: reduced"
        )
        right.plot(
            x, [bytes_sent(row, ("all-gather",)) / 1e6 for row in some], "s", color=colour, label=f"{state}: gathered"
        )
    left.set(title="memory of one device", ylabel="MB", yscale="log")
    right.set(title="over the links in a step, complete arrays", ylabel="MB", ylim=(0, None))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("devices, each with the same number of pictures")
        axes.legend(fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)

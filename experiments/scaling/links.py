"""What a compiled program sends over the links between devices, and what theory has it send; tables and a picture."""

import math
import re
from pathlib import Path
from typing import Any

from rich.table import Table

OPERATIONS = ("all-reduce", "reduce-scatter", "all-gather", "all-to-all", "collective-permute")


ITEM = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}


INSTRUCTION = re.compile(rf" = (\(.*?\)|\S+) ({'|'.join(OPERATIONS)})(-start)?\(.*?channel_id=(\d+)")


SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")


def count_collectives(program: str, devices: int, kernels: set[int]) -> list[dict[str, Any]]:
    """The collectives of a compiled program, summed up: {"kind", "dtype", "what", "count", "bytes"}.

    Bytes are those of the whole array, before a reduction or after a gathering, of one device; a collective of several
    arrays is counted with its first one, and one within a loop once.

    Args:
        program: `compiled.as_text()`.
        devices: that take part in each.
        kernels: numbers of values of the arrays that are parameters or their gradients, of which shares may be sent too;
            others are activations where they have more than two axes, and else statistics, scales and metrics.
    """
    found: dict[Any, tuple[int, int]] = {}
    seen, body = set(), ""
    for line in program.splitlines():
        if opened := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            body = opened[1]
        if not (match := INSTRUCTION.search(line)):
            continue
        result, kind, start, channel = match.groups()
        # A TPU's fused reduce-scatter is written as an all-reduce and a slice within a computation of that name; and its
        # gathering, where it runs beside several other operations, stands in each of them, with the same channel.
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
            found[kind, dtype, what] = (calls + (index == 0), size + values * ITEM[dtype])
    names = ("kind", "dtype", "what")
    return [dict(zip(names, key, strict=True)) | {"count": c, "bytes": size} for key, (c, size) in sorted(found.items())]


def expected(row: dict[str, Any], item: int) -> dict[str, int]:
    """What theory has a step send, in bytes of whole arrays: every gradient once; sharded, parameters once for each use.

    The generator is used once; the discriminator twice, before its update (on both pictures) and after.
    """
    generator, discriminator = row["generator"] * item, row["discriminator"] * item
    gathered = generator + 2 * discriminator if row["state"] == "sharded" else 0
    return {"reduced": generator + discriminator, "gathered": gathered}


def sent(row: dict[str, Any], kinds: tuple[str, ...]) -> int:
    """Bytes of whole arrays in collectives of these kinds."""
    return sum(link["bytes"] for link in row["links"] if link["kind"] in kinds)


def tell_counts(rows: list[dict[str, Any]]) -> list[Table]:
    """Tables of memory and of traffic."""
    mb = lambda size: f"{size / 1e6:,.1f}"
    memory = Table("Devices", "State", "state", "arguments", "temp", "code, s", title="MB of one device")
    titles = ("reduced", "of theory", "scattered", "gathered", "of theory", "others", "activations", "calls", "forced")
    links = Table("Devices", "State", *titles, title="MB over the links in a step, of whole arrays")
    for row in rows:
        name = (str(row["devices"]), row["state"])
        if "failed" in row:
            memory.add_row(*name, mb(row["state_bytes"]), row["failed"])
            continue
        sizes = (row["state_bytes"], row["argument_bytes"], row["temp_bytes"])
        memory.add_row(*name, *map(mb, sizes), f"{row['seconds']:.0f}")
        theory = expected(row, ITEM[{"float32": "f32", "bfloat16": "bf16"}[row["dtype"]]])
        reduced, scattered, gathered = (sent(row, (kind,)) for kind in OPERATIONS[:3])
        others = sent(row, OPERATIONS[3:])
        activations = sum(link["bytes"] for link in row["links"] if link["what"] == "activations")
        links.add_row(
            *name,
            mb(reduced),
            _share(reduced + scattered, theory["reduced"]),
            mb(scattered),
            mb(gathered),
            _share(gathered, theory["gathered"]),
            mb(others),
            mb(activations),
            str(sum(link["count"] for link in row["links"])),
            str(row["involuntary"]),
        )
    return [memory, links]


def _share(size: float, whole: float) -> str:
    return f"{size / whole:.2f}" if size and whole else ""


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Memory of one device and its traffic, over the number of devices."""
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
        right.plot(x, [sent(row, OPERATIONS[:2]) / 1e6 for row in some], "o-", color=colour, label=f"{state}: reduced")
        right.plot(x, [sent(row, ("all-gather",)) / 1e6 for row in some], "s", color=colour, label=f"{state}: gathered")
    left.set(title="memory of one device", ylabel="MB", yscale="log")
    right.set(title="over the links in a step, whole arrays", ylabel="MB", ylim=(0, None))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("devices, of as many pictures each")
        axes.legend(fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)

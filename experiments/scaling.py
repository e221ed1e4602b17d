"""How memory and traffic per device grow with the number of devices, and a plan for a pod: counted, nothing is run.

Up to 256 devices are simulated, one picture for each, with the state replicated and sharded. The call of `p2p-jax train` is
compiled for shapes alone, each count in a process of its own, and the compiled program is asked: bytes of its arguments
(the state) and of what it needs besides (temp), and what it sends over the links, by the partitioned program's collectives.
With --platform cpu, devices are those of XLA:CPU, whose convolutions are products of patches: the state's bytes are exact,
temp is not an accelerator's. With --platform tpu the TPU's own compiler (from `pip install "p2p-jax[tpu]"`) compiles
ahead of time for a TPU v5e that it only has described; bytes are then what it would lay out on one.

What follows is a plan for a pod (`pod.py`): arithmetic, not a measurement.

    python -m experiments.scaling --platform tpu --output scaling.json
    python -m experiments.scaling --devices           # the plan alone
"""

import json
import math
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from experiments.pod import COLLECTIVES, make_plans, tell_plan

ORDER = "P2P_JAX_SCALING"  # names, in the environment of a worker, what it compiles
RESULT = "result: "
V5E = {1: "1x1", 2: "1x2", 4: "2x2", 8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16"}
STATES = ("replicated", "sharded")
OPERATIONS = ("all-reduce", "reduce-scatter", "all-gather", "all-to-all", "collective-permute")
ITEM = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
INSTRUCTION = re.compile(rf" = (\(.*?\)|\S+) ({'|'.join(OPERATIONS)})(-start)?\(.*?channel_id=(\d+)")
SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")


@dataclass(frozen=True)
class Scaling:
    """Compile for several numbers of devices, count, and plan."""

    devices: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    """How many, powers of two up to 256; none for the plan alone."""
    platform: Literal["cpu", "tpu"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    image_size: int = 256
    width: int = 64
    """Features of the first level of both networks; the paper's 64."""
    seconds: float = 900
    """The longest that one program may take to compile; it is left out otherwise."""
    output: Path | None = None
    """A file of JSON for all counts and the plan."""
    picture: Path | None = None
    """Where to draw memory and traffic."""


def describe(order: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The jitted function of a call and the shapes of its state and batch, each with where it lives. No array is made."""
    import jax
    from jax.sharding import NamedSharding

    from p2p_jax import pix2pix, sharding
    from p2p_jax.config import Config, Discriminator, Generator, load_size, resolve
    from p2p_jax.feed import make_update
    from p2p_jax.step import init_train_state

    n, size, width = order["devices"], order["image_size"], order["width"]
    nets = {"generator": Generator(width=width), "discriminator": Discriminator(width=width)}
    length = {"epochs": None, "steps": 100, "batch_size": n, "steps_per_call": 1}
    config = resolve(Config(image_size=size, dtype=order["dtype"], **length, **nets), 1024)  # type: ignore[arg-type]
    devices = jax.devices()[:n]
    if order["platform"] == "tpu":
        from jax.experimental import topologies

        devices = topologies.get_topology_desc(platform="tpu", topology_name=f"v5e:{V5E[n]}").devices
    mesh = sharding.make_mesh(n, devices)
    model, sides = pix2pix.build(config), ("input", "target")
    shown = {name: jax.ShapeDtypeStruct((n, size, size, 3), "float32") for name in sides}
    state = jax.eval_shape(lambda batch: init_train_state(jax.random.key(0), model, batch), shown)
    shardings = sharding.state_shardings(mesh, state, sharded=order["state"] == "sharded")
    state = jax.tree.map(lambda x, where: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), state, shardings)
    split = NamedSharding(mesh, jax.P("data"))
    batch = {name: jax.ShapeDtypeStruct((n, *load_size(config), 3), "uint8", sharding=split) for name in sides}
    if order["state"] == "sharded":
        model = sharding.gather_params(model, mesh)
    return make_update(model, config, mesh, None, shardings), state, batch


def count(order: dict[str, Any]) -> dict[str, Any]:
    """Compiles one program and says what it holds and sends, in bytes of one device."""
    import jax

    update, state, batch = describe(order)
    options: dict[str, Any] = {}
    if order["platform"] == "cpu":
        options["xla_backend_optimization_level"] = 0
        if jax.__version_info__[:2] == (0, 10):
            options["xla_cpu_use_fusion_emitters"] = False
    started = time.perf_counter()
    lowered = update.func.lower(state, batch, **update.keywords)
    compiled = lowered.compile(compiler_options=options)
    used = compiled.memory_analysis()
    leaves = [leaf for leaf in jax.tree.leaves(state) if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    held = sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
    generator, discriminator = (jax.tree.leaves(network.params) for network in (state.generator, state.discriminator))
    shapes = {math.prod(leaf.shape) for leaf in generator + discriminator if len(leaf.shape) > 1}
    return {
        "state_bytes": held,
        "argument_bytes": used.argument_size_in_bytes,
        "output_bytes": used.output_size_in_bytes,
        "alias_bytes": used.alias_size_in_bytes,
        "temp_bytes": used.temp_size_in_bytes,
        "generator": sum(math.prod(leaf.shape) for leaf in generator),
        "discriminator": sum(math.prod(leaf.shape) for leaf in discriminator),
        "links": count_collectives(compiled.as_text(), order["devices"], shapes),
        "seconds": time.perf_counter() - started,
    }


def count_collectives(program: str, devices: int, kernels: set[int]) -> list[dict[str, Any]]:
    """The collectives of a compiled program, summed up: {"kind", "dtype", "what", "count", "bytes"}.

    Bytes are those of the whole array, before a reduction or after a gathering, of one device.

    Args:
        program: `compiled.as_text()`.
        devices: that take part in each.
        kernels: numbers of values of the arrays that are parameters or their gradients; others are activations where they
            have more than two axes, and else statistics, scales and metrics.
    """
    found: dict[Any, int] = {}
    seen, body = set(), ""
    for line in program.splitlines():
        if opened := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            body = opened[1]
        if not (match := INSTRUCTION.search(line)):
            continue
        result, kind, start, channel = match.groups()
        # A TPU's fused reduce-scatter is written as an all-reduce and a slice within a computation of that name; and its
        # gathering, where it runs beside several other operations, stands in each of them with the same channel.
        kind = "reduce-scatter" if body.startswith("all-reduce-scatter") else kind
        key = (kind, channel, result if "async" in body else line)
        shapes = SHAPE.findall(result)
        if start and kind == "all-gather":
            shapes = shapes[len(shapes) // 2 :]
        if key in seen:
            continue
        seen.add(key)
        for dtype, sides in shapes:
            axes = [int(side) for side in sides.split(",") if side]
            values = math.prod(axes) * (devices if kind == "reduce-scatter" and "all-reduce-scatter" not in body else 1)
            what = "parameters" if values in kernels else "activations" if len(axes) > 2 else "statistics"
            calls, size = found.get((kind, dtype, what), (0, 0))
            found[kind, dtype, what] = (calls + 1, size + values * ITEM[dtype])
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


def run_worker(options: Scaling, devices: int, state: str) -> dict[str, Any]:
    """One count, by a process of its own with so many devices; {"failed": why} if it fails or takes too long."""
    names = ("platform", "dtype", "image_size", "width")
    order = {"devices": devices, "state": state} | {name: getattr(options, name) for name in names}
    environment = os.environ | {
        ORDER: json.dumps(order),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}",
        # libtpu is to compile only, and to ask nobody about the machine.
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": f"v5litepod-{devices}",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    }
    command = [sys.executable, "-m", "experiments.scaling"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=options.seconds)
    except subprocess.TimeoutExpired:
        return order | {"failed": f"not compiled within {options.seconds:.0f} s"}
    if done.returncode:
        return order | {"failed": done.stderr.strip().splitlines()[-1]}
    row = json.loads(done.stdout.rpartition(RESULT)[2])
    # The compiler's own word for a gradient that it brings together whole to split it in another way.
    return order | row | {"involuntary": done.stderr.count("Involuntary full rematerialization")}


def tell_counts(rows: list[dict[str, Any]]) -> list[Table]:
    """Tables of memory and of traffic."""
    mb = lambda size: f"{size / 1e6:,.1f}"
    memory = Table("Devices", "State", "state", "arguments", "temp", "code, s", title="MB of one device")
    titles = ("reduced", "of theory", "scattered", "gathered", "of theory", "others", "activations", "calls", "involuntary")
    links = Table("Devices", "State", *titles, title="MB over the links in a step, of whole arrays")
    for row in rows:
        name = (str(row["devices"]), row["state"])
        if "failed" in row:
            memory.add_row(*name, row["failed"])
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

    from experiments.fundamentals.plots import BLUE, ORANGE

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for state, colour in zip(STATES, (ORANGE, BLUE), strict=True):
        some = [row for row in rows if row["state"] == state and "failed" not in row]
        x = [row["devices"] for row in some]
        left.plot(x, [row["state_bytes"] / 1e6 for row in some], "o-", color=colour, label=f"{state}: state")
        left.plot(x, [row["temp_bytes"] / 1e6 for row in some], "s:", color=colour, label=f"{state}: temp")
        right.plot(x, [sent(row, OPERATIONS[:2]) / 1e6 for row in some], "o-", color=colour, label=f"{state}: reduced")
        right.plot(x, [sent(row, ("all-gather",)) / 1e6 for row in some], "s:", color=colour, label=f"{state}: gathered")
    left.set(title="memory of one device", ylabel="MB", yscale="log")
    right.set(title="over the links in a step, whole arrays", ylabel="MB", ylim=(0, None))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("devices, one picture each")
        axes.legend(fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Counts, plans and prints; returns the exit code."""
    if ORDER in os.environ:
        print(RESULT + json.dumps(count(json.loads(os.environ[ORDER]))))
        return 0
    options = tyro.cli(Scaling)
    rows = []
    for devices in options.devices:
        for state in STATES if devices > 1 else STATES[:1]:
            rows.append(run_worker(options, devices, state))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    of_replicated = [row["links"] for row in rows if row.get("links") and row["state"] == "replicated"]
    several = [sum(link["count"] for link in links) for links in of_replicated]
    plans = make_plans(several[-1] if several else COLLECTIVES)
    console = Console(width=124)
    for table in (*(tell_counts(rows) if rows else ()), tell_plan(plans)):
        console.print(table)
    if options.output:
        options.output.write_text(json.dumps({"counts": rows, "plan": plans}, indent=2) + "\n")
    if options.picture:
        draw(rows, options.picture)
    return 1 if any("failed" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

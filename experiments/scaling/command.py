"""The command: counts in one process for each number of devices, and prints the tables."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from experiments.checks.simulated import environment
from experiments.scaling.count import STATES, bytes_per_device, count_call, make_config, state_shapes
from experiments.scaling.links import draw_counts, tabulate_counts
from experiments.scaling.pod import COLLECTIVES, make_plans, tabulate_plans
from p2p_jax.cli import run_command
from p2p_jax.cli.parsing import parse
from p2p_jax.files.outputs import check_outputs

PROGRAM = "experiments.scaling"

ORDER = "P2P_JAX_SCALING"
"""Environment variable with a worker's task as JSON: what it compiles."""

RESULT = "result: "
"""Marks the line of a worker's output with its result."""


@dataclass(frozen=True)
class Options:
    """Compile the training step for several numbers of devices, count memory and traffic, and plan a pod."""

    devices: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    """Numbers of devices, powers of two up to 256; none prints the plan alone."""
    platform: Literal["cpu", "tpu"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    image_size: int = 256
    width: int = 64
    """Features of the first level of both networks; the paper's 64."""
    pictures: int = 1
    """Pictures on each device."""
    remat: bool = False
    """Recompute the generator's activations in the backward pass."""
    seconds: float = 900
    """Seconds that compiling one program may take; 0 compiles none and counts the state alone."""
    output: Path | None = None
    """JSON file for all counts and the plan."""
    picture: Path | None = None
    """Image file for a plot of memory and traffic."""
    overwrite: bool = False
    """Replace these two files if they exist."""


def main() -> int:
    """Counts, plans and prints; returns the exit code: 1 if a count failed."""
    if ORDER in os.environ:
        order = json.loads(os.environ[ORDER])
        print(RESULT + json.dumps(count_call(make_config(order), order["devices"], order["state"], order["platform"])))
        return 0
    return run_command(lambda argv: run(parse(Options, argv, PROGRAM)), sys.argv[1:], PROGRAM)


def run(options: Options) -> int:
    """Counts, plans, prints and writes; returns the exit code: 1 if a count failed.

    Raises:
        UserError: a file exists already.
    """
    for path, option in ((options.output, "--output"), (options.picture, "--picture")):
        if path is not None:
            check_outputs(path, {path: ()}, existing="replace" if options.overwrite else "refuse", option=option)
    rows = []
    for devices in options.devices:
        for state in STATES if devices > 1 else STATES[:1]:
            rows.append(run_worker(options, devices, state))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    of_replicated = [row["links"] for row in rows if row.get("links") and row["state"] == "replicated"]
    collectives = [sum(link["count"] for link in links) for links in of_replicated]
    plans = make_plans(collectives[-1] if collectives else COLLECTIVES)
    console = Console(width=124)
    for table in (*(tabulate_counts(rows) if rows else ()), tabulate_plans(plans)):
        console.print(table)
    if options.output:
        options.output.write_text(json.dumps({"counts": rows, "plan": plans}, indent=2) + "\n")
    if options.picture:
        draw_counts(rows, options.picture)
    return 1 if options.seconds and any("failed" in row for row in rows) else 0


def run_worker(options: Options, devices: int, state: str) -> dict[str, Any]:
    """Counts in a separate process with this number of devices; if that fails, the row has "failed": reason."""
    names = ("platform", "dtype", "image_size", "width", "pictures", "remat")
    order = {"devices": devices, "state": state} | {name: getattr(options, name) for name in names}
    order["state_bytes"] = bytes_per_device(state_shapes(make_config(order), devices, state))
    if not options.seconds:
        return order | {"failed": "not compiled"}
    variables = environment(devices) | {
        ORDER: json.dumps(order),
        # libtpu only compiles: it must not query a metadata server about the machine.
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": f"v5litepod-{devices}",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    }
    command = [sys.executable, "-m", "experiments.scaling"]
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=options.seconds)
    except subprocess.TimeoutExpired:
        return order | {"failed": f"not compiled within {options.seconds:.0f} s"}
    if done.returncode:
        return order | {"failed": (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1]}
    row = json.loads(done.stdout.rpartition(RESULT)[2])
    # The partitioner warns in these words when it gathers a sharded array completely to shard it differently.
    return order | row | {"involuntary": done.stderr.count("Involuntary full rematerialization")}

"""How memory and traffic per device grow with the number of devices, and a plan for a pod: counted, nothing is run.

Up to 256 devices are simulated, one picture for each (or --pictures), with the state replicated and sharded. The call of
`p2p-jax train` is compiled for shapes alone, each count in a process of its own, and the program is asked: bytes of its
arguments (the state) and of what it needs besides (temp), and what it sends over the links, by the partitioned program's
collectives.
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
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console

from experiments.checks.simulated import environment
from experiments.scaling.links import count_collectives, draw, tell_counts
from experiments.scaling.pod import COLLECTIVES, make_plans, tell_plan
from p2p_jax.config import Config, Discriminator, Generator, as_size, load_size, resolve_length

ORDER = "P2P_JAX_SCALING"  # names, in the environment of a worker, what it compiles


RESULT = "result: "


V5E = {1: "1x1", 2: "1x2", 4: "2x2", 8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16"}


STATES = ("replicated", "sharded")


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
    pictures: int = 1
    """For each device."""
    remat: bool = False
    """Compute the generator's activations again in the backward pass."""
    seconds: float = 900
    """The longest that one program may take to compile; 0 compiles none and counts the state alone."""
    output: Path | None = None
    """A file of JSON for all counts and the plan."""
    picture: Path | None = None
    """Where to draw memory and traffic."""


def make_config(order: dict[str, Any]) -> Config:
    """The run that an order is for."""
    return Config(
        image_size=order["image_size"],
        batch_size=order["pictures"],
        dtype=order["dtype"],
        generator=Generator(width=order["width"], remat=order["remat"]),
        discriminator=Discriminator(width=order["width"]),
    )


def hold(config: Config, devices: int, state: str, mesh: Any = None) -> Any:
    """The shapes of a run's state, each with where it lives.

    Args:
        config: of the run.
        devices: how many.
        state: of `STATES`.
        mesh: of them; by default none in particular.
    """
    import jax

    from p2p_jax import pix2pix
    from p2p_jax.devices import sharding
    from p2p_jax.step import init_train_state

    mesh = jax.sharding.AbstractMesh((devices, 1), ("data", "model")) if mesh is None else mesh
    config = resolve_length(replace(config, epochs=None, steps=100, batch_size=1), 1)
    pictures = jax.ShapeDtypeStruct((1, *as_size(config.image_size), 3), "float32")
    make = lambda batch: init_train_state(jax.random.key(0), pix2pix.build(config), batch)
    shapes = jax.eval_shape(make, {"input": pictures, "target": pictures})
    shardings = sharding.state_shardings(mesh, shapes, sharded=state == "sharded")
    return jax.tree.map(lambda x, where: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), shapes, shardings)


def weigh(shapes: Any) -> int:
    """Bytes on one device of what `hold` gives, but for the key."""
    import jax
    import jax.numpy as jnp

    leaves = [leaf for leaf in jax.tree.leaves(shapes) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)


def describe(config: Config, devices: int, state: str, platform: str = "cpu") -> tuple[Any, Any, Any]:
    """The jitted function of a call and the shapes of its state and batch, each with where it lives. No array is made.

    Args:
        config: of the run, but that its batch is that of each device.
        devices: how many.
        state: of `STATES`.
        platform: "cpu", or "tpu" for one that is only described.
    """
    import jax
    from jax.sharding import NamedSharding

    from p2p_jax import pix2pix
    from p2p_jax.devices import sharding
    from p2p_jax.training.feed import make_update

    batch_size = devices * config.batch_size
    config = resolve_length(replace(config, epochs=None, steps=100, batch_size=batch_size, steps_per_call=1), batch_size)
    chosen = jax.devices()[:devices]
    if platform == "tpu":
        from jax.experimental import topologies

        hosts = {"chips_per_host_bounds": (1, devices, 1)} if devices < 4 else {}
        chosen = topologies.get_topology_desc(platform="tpu", topology_name=f"v5e:{V5E[devices]}", **hosts).devices
    mesh = sharding.make_mesh(batch_size, chosen)
    shapes, model = hold(config, devices, state, mesh), pix2pix.build(config)
    split = NamedSharding(mesh, jax.P("data"))
    pictures = jax.ShapeDtypeStruct((batch_size, *load_size(config), 3), "uint8", sharding=split)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, shapes)
    update = make_update(sharding.gather_params(model, mesh, shardings), config, mesh, None, shardings)
    return update, shapes, {"input": pictures, "target": pictures}


def count(config: Config, devices: int, state: str, platform: str = "cpu") -> dict[str, Any]:
    """Compiles what `describe` gives and says what it holds and sends, in bytes of one device."""
    import jax

    update, shapes, batch = describe(config, devices, state, platform)
    options: dict[str, Any] = {}
    if platform == "cpu":
        options["xla_backend_optimization_level"] = 0
        if jax.__version_info__[:2] == (0, 10):
            options["xla_cpu_use_fusion_emitters"] = False
    started = time.perf_counter()
    compiled = update.func.lower(shapes, batch, **update.keywords).compile(compiler_options=options)
    used = compiled.memory_analysis()
    generator, discriminator = (
        [leaf.shape for leaf in jax.tree.leaves(network.params)] for network in (shapes.generator, shapes.discriminator)
    )
    kernels = {math.prod(shape) for shape in generator + discriminator if len(shape) > 1}
    return {
        "state_bytes": weigh(shapes),
        **{f"{name}_bytes": getattr(used, f"{name}_size_in_bytes") for name in ("argument", "output", "alias", "temp")},
        "generator": sum(map(math.prod, generator)),
        "discriminator": sum(map(math.prod, discriminator)),
        "links": count_collectives(compiled.as_text(), devices, kernels),
        "seconds": time.perf_counter() - started,
    }


def run_worker(options: Scaling, devices: int, state: str) -> dict[str, Any]:
    """One count, by a process of its own with so many devices; {"failed": why} if it fails or takes too long."""
    names = ("platform", "dtype", "image_size", "width", "pictures", "remat")
    order = {"devices": devices, "state": state} | {name: getattr(options, name) for name in names}
    order["state_bytes"] = weigh(hold(make_config(order), devices, state))
    if not options.seconds:
        return order | {"failed": "not compiled"}
    told = environment(devices) | {
        ORDER: json.dumps(order),
        # libtpu is to compile only, and to ask nobody about the machine.
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": f"v5litepod-{devices}",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    }
    command = [sys.executable, "-m", "experiments.scaling"]
    try:
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=options.seconds)
    except subprocess.TimeoutExpired:
        return order | {"failed": f"not compiled within {options.seconds:.0f} s"}
    if done.returncode:
        return order | {"failed": (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1]}
    row = json.loads(done.stdout.rpartition(RESULT)[2])
    # The compiler's own word for a gradient that it brings together whole to split it in another way.
    return order | row | {"involuntary": done.stderr.count("Involuntary full rematerialization")}


def main() -> int:
    """Counts, plans and prints; returns the exit code."""
    if ORDER in os.environ:
        order = json.loads(os.environ[ORDER])
        print(RESULT + json.dumps(count(make_config(order), order["devices"], order["state"], order["platform"])))
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
    return 1 if options.seconds and any("failed" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

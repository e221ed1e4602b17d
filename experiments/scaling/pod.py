"""A plan for a pod: how long a step would take on machines that it has not run on. Arithmetic, not a measurement.

- Counted: FLOPs and parameters of the paper's networks, the collectives of a compiled step.
- Measured: the time that one CPU needs to read a pair.
- Published: MACHINES.
- Assumed: PEAK_FRACTIONS, LATENCY, that every CPU of the host reads pictures, and that only Adam's update uses the memory's
  bandwidth.

`python -m experiments.scaling` prints the plan.
"""

import math
from typing import Any, NamedTuple

from rich.table import Table


class Machine(NamedTuple):
    """Published figures of one chip and its host.

    Attributes:
        flops: FLOP/s in bfloat16.
        memory: bytes.
        memory_speed: bytes/s.
        link: bytes/s in one direction to the other chips of its island.
        island: number of chips that are joined by links.
        network: bytes/s in one direction between islands.
        cpus: virtual CPUs of the host for each chip.
    """

    flops: float
    memory: float
    memory_speed: float
    link: float
    island: int
    network: float
    cpus: float


MACHINES = {
    # docs.cloud.google.com/tpu/docs/v5e: 197 TFLOP/s, 16 GB at 819 GB/s, links 1600 Gb/s (400 GB/s both ways), 256 chips a
    # pod, whose data-center network is 6.4 Tb/s in all; ct5lp-hightpu-8t has 224 vCPUs for 8 chips.
    "TPU v5e": Machine(197e12, 16e9, 819e9, 200e9, 256, 3.1e9, 28),
    # docs.cloud.google.com/tpu/docs/v5p: 459 TFLOP/s, 95 GB at 2765 GB/s, links 1200 GB/s both ways (4800 Gb/s), 8960
    # chips, network 50 Gb/s a chip, 208 vCPUs for 4 chips.
    "TPU v5p": Machine(459e12, 95e9, 2765e9, 600e9, 8960, 6.2e9, 52),
    # NVIDIA's data sheets of H100 SXM and DGX H100: 989 TFLOP/s without sparsity, 80 GB at 3350 GB/s, NVLink 900 GB/s both
    # ways within 8, one 400 Gb/s adapter a GPU between them, 2 x 56 cores (224 threads) for 8.
    "H100 SXM": Machine(989e12, 80e9, 3350e9, 450e9, 8, 50e9, 28),
}


PEAK_FRACTIONS = (0.4, 0.1)
"""Assumed: fractions of the peak FLOP/s that convolutions reach, a usual and a pessimistic one."""

LATENCY = 10e-6
"""Assumed: seconds of one small collective. Batch norm makes many, one after another."""

READING = 2 / 412
"""Measured: seconds of one CPU to decode, resize and crop a pair; see data_speed in LOG.md."""

COLLECTIVES = 78
"""Collectives of one step, counted in the program for 8 TPUs; used if no program is compiled in this run."""

UPDATE = 7 * 4
"""Bytes to and from memory for each parameter in Adam's update: 4 values are read (parameter, gradient, two moments) and 3
are written."""


def ring_seconds(size: float, chips: int, speed: float) -> float:
    """Returns the seconds of an all-reduce over a ring: each chip sends (chips - 1) / chips of the data, twice.

    Args:
        size: bytes that are reduced.
        chips: in the ring.
        speed: bytes/s of a link.
    """
    return 2 * (chips - 1) / chips * size / speed


def link_seconds(machine: Machine, chips: int, size: float) -> float:
    """Returns the seconds of an all-reduce: first within each island, then of each chip's shard between the islands."""
    within = min(chips, machine.island)
    return ring_seconds(size, within, machine.link) + ring_seconds(size / within, chips // within, machine.network)


def plan(
    machine: Machine,
    chips: int,
    pictures: int,
    fraction: float,
    *,
    flops: float,
    parameters: int,
    reduced: int,
    collectives: int,
) -> dict[str, Any]:
    """Plans a replicated step in bfloat16.

    Args:
        machine: figures of each chip.
        chips: number of chips.
        pictures: on each chip.
        fraction: of the peak FLOP/s that is reached.
        flops: FLOPs of one picture in one step.
        parameters: of both networks.
        reduced: bytes of gradients that are all-reduced.
        collectives: of one step, each of which takes LATENCY in addition.

    Returns:
        {"compute", "update", "links", "reading": seconds of each part, "bound": the longest part,
        "in_turn", "overlapping": pictures per second if no part overlaps with another, and if all do}.
    """
    parts = {
        "compute": pictures * flops / (fraction * machine.flops),
        "update": parameters * UPDATE / machine.memory_speed,
        "links": link_seconds(machine, chips, reduced) + (collectives * LATENCY if chips > 1 else 0),
        "reading": pictures * READING / machine.cpus,
    }
    return {
        **parts,
        "bound": max(parts, key=lambda name: parts[name]),
        "in_turn": chips * pictures / sum(parts.values()),
        "overlapping": chips * pictures / max(parts.values()),
    }


def make_plans(collectives: int) -> list[dict[str, Any]]:
    """Returns the plans for every machine, number of chips, number of pictures, and fraction of the peak.

    Args:
        collectives: of one step.
    """
    import jax

    from experiments.benchmark.work import count_flops
    from p2p_jax import pix2pix
    from p2p_jax.config import Config, resolve_length
    from p2p_jax.step import init_train_state, make_train_step

    model = pix2pix.build(resolve_length(Config(dtype="bfloat16"), 400))
    batch = {name: jax.ShapeDtypeStruct((1, 256, 256, 3), "float32") for name in ("input", "target")}
    state = jax.eval_shape(lambda batch: init_train_state(jax.random.key(0), model, batch), batch)
    generator, discriminator = (
        sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(network.params))
        for network in (state.generator, state.discriminator)
    )
    work = {
        "flops": count_flops(make_train_step(model), state, batch),
        "parameters": generator + discriminator,
        # As counted in the TPU's program: in bfloat16, and the discriminator's gradients once for fakes, once for targets.
        "reduced": 2 * (generator + 2 * discriminator),
        "collectives": collectives,
    }
    cases = [(c, p, f) for c in (8, 64, 256) for p in (1, 4, 16) for f in PEAK_FRACTIONS]
    return [
        {"machine": name, "chips": chips, "pictures": pictures, "fraction": fraction}
        | work
        | plan(machine, chips, pictures, fraction, **work)
        for name, machine in MACHINES.items()
        for chips, pictures, fraction in cases
    ]


def tabulate_plans(plans: list[dict[str, Any]]) -> Table:
    """Returns a table of the plans."""
    parts = ("compute", "update", "links", "reading")
    heads = ("Machine", "Chips", "Pictures", "Of the peak", *(f"{part}, ms" for part in parts))
    table = Table(*heads, "Bound", "In turn /s", "Overlapping /s", title="A plan, not a measurement")
    for row in plans:
        numbers = (f"{1e3 * row[part]:.2f}" for part in parts)
        speeds = (f"{row[name]:,.0f}" for name in ("in_turn", "overlapping"))
        case = (row["machine"], str(row["chips"]), str(row["pictures"]), f"{row['fraction']:.0%}")
        table.add_row(*case, *numbers, row["bound"], *speeds)
    return table

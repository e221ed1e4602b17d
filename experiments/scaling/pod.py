"""A plan for a pod: how long a step would take on machines nobody has run it on. Arithmetic, not a measurement.

Counted here: FLOPs and parameters of the paper's networks, the collectives of a compiled step. Measured here: what reading
a pair costs a CPU. Published: MACHINES. Assumed: SHARES, LATENCY, that every CPU of the host reads pictures, that memory is
touched by Adam alone. `python -m experiments.scaling` prints it.
"""

import math
from typing import Any, NamedTuple

from rich.table import Table


class Machine(NamedTuple):
    """Published figures of one chip: FLOP/s in bfloat16, bytes, bytes/s. `link` and `network` are those of one direction.

    `link` joins up to `island` chips, `network` the islands. `cpus` are the host's virtual ones for each chip.
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


SHARES = (0.4, 0.1)  # assumed: of the peak that convolutions reach; usual, and pessimistic


LATENCY = 10e-6  # assumed: seconds of one small collective, of which batch norm makes many in turn


READ = 2 / 412  # seconds of one CPU for one pair, decoded, resized and cut: measured, see data_speed in README.md


COLLECTIVES = 78  # of one step, counted in the program of 8 TPUs: where none is compiled in this run


UPDATE = 7 * 4  # bytes to and from memory per parameter of Adam: parameter, gradient, two moments read, three written


def ring(size: float, chips: int, speed: float) -> float:
    """Seconds of an all-reduce over a ring: every chip sends all but its share, once to add and once to spread."""
    return 2 * (chips - 1) / chips * size / speed


def link_seconds(machine: Machine, chips: int, size: float) -> float:
    """Seconds of an all-reduce: within the islands, and of each chip's share over the network between them."""
    within = min(chips, machine.island)
    return ring(size, within, machine.link) + ring(size / within, chips // within, machine.network)


def plan(
    machine: Machine,
    chips: int,
    pictures: int,
    share: float,
    *,
    flops: float,
    parameters: int,
    reduced: int,
    collectives: int,
) -> dict[str, Any]:
    """Seconds of each part of a replicated step in bfloat16, what bounds it, and pictures per second. Not a measurement.

    Args:
        machine: what each chip can do.
        chips: how many.
        pictures: on each chip.
        share: of the peak that is reached.
        flops: counted, of one picture in one step.
        parameters: of both networks.
        reduced: bytes of gradients that are all-reduced.
        collectives: of one step, each of which takes LATENCY besides.
    """
    parts = {
        "compute": pictures * flops / (share * machine.flops),
        "update": parameters * UPDATE / machine.memory_speed,
        "links": link_seconds(machine, chips, reduced) + (collectives * LATENCY if chips > 1 else 0),
        "reading": pictures * READ / machine.cpus,
    }
    return {
        **parts,
        "bound": max(parts, key=lambda name: parts[name]),
        "in_turn": chips * pictures / sum(parts.values()),
        "overlapping": chips * pictures / max(parts.values()),
    }


def make_plans(collectives: int) -> list[dict[str, Any]]:
    """The plan for every machine, number of chips and of pictures, and share of the peak."""
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
        # As counted in the TPU's program: in bfloat16, the discriminator's once for fakes and once for targets.
        "reduced": 2 * (generator + 2 * discriminator),
        "collectives": collectives,
    }
    cases = [(c, p, s) for c in (8, 64, 256) for p in (1, 4, 16) for s in SHARES]
    return [
        {"machine": name, "chips": chips, "pictures": pictures, "share": share}
        | work
        | plan(machine, chips, pictures, share, **work)
        for name, machine in MACHINES.items()
        for chips, pictures, share in cases
    ]


def tell_plan(plans: list[dict[str, Any]]) -> Table:
    """A table of the plan."""
    parts = ("compute", "update", "links", "reading")
    heads = ("Machine", "Chips", "Pictures", "Of the peak", *(f"{part}, ms" for part in parts))
    table = Table(*heads, "Bound", "In turn /s", "Overlapping /s", title="A plan, not a measurement")
    for row in plans:
        numbers = (f"{1e3 * row[part]:.2f}" for part in parts)
        speeds = (f"{row[name]:,.0f}" for name in ("in_turn", "overlapping"))
        case = (row["machine"], str(row["chips"]), str(row["pictures"]), f"{row['share']:.0%}")
        table.add_row(*case, *numbers, row["bound"], *speeds)
    return table

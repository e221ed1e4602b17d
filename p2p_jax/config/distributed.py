"""Several processes on one run, on one machine or on many: how they are started and found. No jax is imported here.

Each process runs the same command line; a parent without JAX watches over it, so that whatever ends it, in the program or
in the libraries below, is told in a sentence and by an exit code (see `supervisor`).
"""

from dataclasses import dataclass

from p2p_jax.errors import UserError

OPTION = "--distributed."


PARENT = "P2P_JAX_PARENT"
"""Names the parent, in a child's environment, by its process id."""


@dataclass(frozen=True)
class Distributed:
    """Several processes that work on one thing. Each gets the same line, but for its own index."""

    auto: bool = False
    """Find the other processes as Cloud TPU, SLURM, Kubernetes or Open MPI tell of them."""
    coordinator: str | None = None
    """HOST:PORT where the first process listens, on that address alone, and where the others find it."""
    processes: int | None = None
    """How many there are."""
    index: int | None = None
    """Which of them this is, from 0 on."""
    devices: tuple[int, ...] | None = None
    """The devices of this machine that are this process's, such as 0 1; by default all."""
    heartbeat: int = 100
    """Seconds after which a process that gives no sign of life is taken for lost, which ends all others."""
    step_timeout: int = 1800
    """Seconds without a step, compilation and validation included, after which a run is taken for hanging and is ended."""


def is_asked_for(options: Distributed) -> bool:
    """Whether there are to be several processes."""
    return options.auto or any(each is not None for each in (options.coordinator, options.processes, options.index))


def check_distributed(options: Distributed, *, independent: bool = False) -> None:
    """Refuses what cannot start.

    Args:
        options: as given.
        independent: whether the processes work without a connection, so that no coordinator is needed.

    Raises:
        UserError: naming the option, its value and what it should be.
    """
    by_hand = {"coordinator": options.coordinator, "processes": options.processes, "index": options.index}
    if independent and options.coordinator is None:
        del by_hand["coordinator"]
    given = [name for name, value in by_hand.items() if value is not None]
    if options.auto and given:
        raise UserError(f"both {OPTION}auto and {OPTION}{given[0]} were given: give auto alone, or none of it.")
    missing = [name for name, value in by_hand.items() if value is None]
    if given and missing:
        raise UserError(
            f"{OPTION}{given[0]} was given without {OPTION}{missing[0]}: give {', '.join(by_hand)}, or auto alone."
        )
    if given:
        _check_by_hand(options.coordinator, options.processes or 0, options.index or 0)
    for name in ("heartbeat", "step_timeout"):
        if getattr(options, name) < 1:
            raise UserError(
                f"{OPTION}{name.replace('_', '-')} was given {getattr(options, name)}: it must be at least 1 second."
            )
    if options.devices is not None and min(options.devices, default=-1) < 0:
        raise UserError(f"{OPTION}devices was given {options.devices}: give numbers from 0 on, such as 0 1.")


def _check_by_hand(coordinator: str | None, processes: int, index: int) -> None:
    host, _, port = (coordinator or "").rpartition(":")
    if coordinator is not None and (not host or not port.isdigit() or not 0 < int(port) < 65536):
        raise UserError(f"{OPTION}coordinator was given {coordinator}: give HOST:PORT, such as 10.0.0.2:7801.")
    if processes < 1:
        raise UserError(f"{OPTION}processes was given {processes}: it must be at least 1.")
    if not 0 <= index < processes:
        raise UserError(f"{OPTION}index was given {index}: with {processes} processes it is 0 to {processes - 1}.")

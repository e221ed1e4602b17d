"""The options of a run with several processes, on one or several machines: how the processes find each other.

Each process runs the same command. A parent process without JAX watches it, and reports in a sentence and an exit code why
it ended (see `cli.supervisor`). Imports no JAX.
"""

from dataclasses import dataclass

from p2p_jax.errors import UserError

OPTION = "--distributed."


PARENT = "P2P_JAX_PARENT"
"""The environment variable of a child that holds the process id of its parent."""


@dataclass(frozen=True)
class Distributed:
    """Several processes that work together. All run the same command, each with its own index."""

    auto: bool = False
    """Find the other processes automatically, on Cloud TPU, SLURM, Kubernetes or with Open MPI."""
    coordinator: str | None = None
    """HOST:PORT of the first process: it listens on this address only, and the other processes connect to it."""
    processes: int | None = None
    """Number of processes."""
    index: int | None = None
    """Index of this process, from 0 on."""
    devices: tuple[int, ...] | None = None
    """The devices of this machine that this process uses, such as 0 1; by default all."""
    heartbeat: int = 100
    """Seconds without a heartbeat after which a process counts as lost, which ends all others."""
    step_timeout: int = 1800
    """Seconds without a finished step after which a run counts as hanging and is ended. The time of compilation and
    validation counts, too."""


def is_asked_for(options: Distributed) -> bool:
    """Whether the options ask for several processes."""
    return options.auto or any(each is not None for each in (options.coordinator, options.processes, options.index))


def check_distributed(options: Distributed, *, independent: bool = False) -> None:
    """Refuses options that do not fit together.

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
        raise UserError(f"both {OPTION}auto and {OPTION}{given[0]} were given: give auto alone, or omit it.")
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
        raise UserError(f"{OPTION}index was given {index}: with {processes} processes it must be 0 to {processes - 1}.")

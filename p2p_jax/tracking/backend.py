"""What a tracker's package has to do, and what a run begins with. Each `to_NAME` module makes one `Backend`."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Status = str
"""How a run ended: "finished" or "stopped"."""


class Start(NamedTuple):
    """What a tracker knows when it is opened.

    Attributes:
        name: of the run, which is the name of its workdir.
        folder: in which the package writes, as an absolute path.
        settings: {dotted name: value} of the settings that differ from the defaults.
        run: identifier of the run that the tracker is to continue, 32 hexadecimal digits; None for a new run.
        calls: number of calls of `log` and `log_picture` so far.
    """

    name: str
    folder: Path
    settings: dict[str, Any]
    run: str | None
    calls: int


class Backend(NamedTuple):
    """An open tracker.

    Attributes:
        run: identifier of the run, 32 hexadecimal digits.
        log: writes numbers: `(values by name, step)`.
        log_picture: writes a picture: `(name, path of a PNG, step)`.
        close: ends the run: `(status)`.
        rewind: removes everything after a step: `(step)`; None if the package cannot do so.
    """

    run: str
    log: Callable[[dict[str, float], int], object]
    log_picture: Callable[[str, Path, int], object]
    close: Callable[[Status], object]
    rewind: Callable[[int], object] | None = None


def new_identifier() -> str:
    """Returns a random identifier of a run: 32 hexadecimal digits."""
    return secrets.token_hex(16)

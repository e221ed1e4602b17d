"""The process of one tracker: it reads messages from its standard input, one JSON object a line, and logs them.

The messages are {"rewind": step}, {"row": values, "step": step}, {"picture": path, "step": step},
{"figures": values, "step": step}, and at the end {"end": status}. Without the last one the run was killed.
"""

import json
import re
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from p2p_jax.files.decode import Mismatch, decode_dataclass, parse_json
from p2p_jax.files.writing import open_no_link, write_text
from p2p_jax.tracking.backend import Backend, Start

IDENTIFIER = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Progress:
    """What a tracker has logged, which is stored in WORKDIR/tracking/NAME.run.json.

    Attributes:
        run: identifier of the run.
        calls: number of rows, pictures and figures that were logged.
        row: step of the last row, or -1.
        picture: step of the last sample grid, or -1.
        figures: step of the last figures, or -1.
    """

    run: str
    calls: int = 0
    row: int = -1
    picture: int = -1
    figures: int = -1


def run_child(start: dict[str, Any]) -> None:
    """Runs a tracker until its standard input ends, in a new process.

    Args:
        start: {"tracker": its name, "run_name": the workdir's name, "folder": where its package writes, "progress": the
            file of its progress, "settings": the settings to log}.
    """
    # The process that trains decides when to end; Ctrl-C and signals to a whole job must not cut off the last rows.
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_IGN)
    path = Path(start["progress"])
    stored = read_progress(path)
    opened = import_module(f"p2p_jax.tracking.to_{start['tracker']}").open_run(
        Start(
            start["run_name"],
            Path(start["folder"]),
            start["settings"],
            stored.run if stored else None,
            stored.calls if stored else 0,
        )
    )
    is_same = stored is not None and stored.run == opened.run
    follow(map(json.loads, sys.stdin), opened, stored if stored and is_same else Progress(opened.run), path)


def follow(messages: Iterable[dict[str, Any]], backend: Backend, progress: Progress, path: Path) -> None:
    """Logs messages. What was logged before is skipped, unless the tracker can remove it.

    Args:
        messages: from the process that trains.
        backend: the open tracker.
        progress: what it has logged so far.
        path: where the progress is stored after each message.
    """
    status = "stopped"
    for message in messages:
        if "end" in message:
            status = message["end"]
        elif "rewind" in message:
            if backend.rewind is not None:
                backend.rewind(message["rewind"])
                kept = {name: min(getattr(progress, name), message["rewind"]) for name in ("row", "picture", "figures")}
                progress = replace(progress, **kept)
        else:
            kind = next(name for name in ("row", "picture", "figures") if name in message)
            if message["step"] <= getattr(progress, kind):
                continue
            if kind == "picture":
                backend.log_picture("samples", Path(message[kind]), message["step"])
            else:
                backend.log(message[kind], message["step"])
            progress = replace(progress, calls=progress.calls + 1, **{kind: message["step"]})
        write_text(path, json.dumps({field.name: getattr(progress, field.name) for field in fields(progress)}) + "\n")
    backend.close(status)


def read_progress(path: Path) -> Progress | None:
    """Reads the progress of a tracker; None if there is none, or if the file is damaged."""
    try:
        with open(open_no_link(path, 0), "rb") as file:
            progress = decode_dataclass(Progress, parse_json(file.read(10_000)))
    except FileNotFoundError:
        return None
    except Mismatch as error:
        print(f"{path} is damaged ({error}), so the tracker begins a new run.", flush=True)
        return None
    return progress if IDENTIFIER.fullmatch(progress.run) and progress.calls >= 0 else None

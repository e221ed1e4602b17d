"""Fake trackers, and what real ones have written."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from p2p_jax.tracking.backend import Backend

RUN = "0123456789abcdef" * 2


def noting_backend(calls: list[tuple[Any, ...]], *, rewinds: bool = False, run: str = RUN) -> Backend:
    """A tracker that appends every call to a list."""

    def note(kind: str) -> Any:
        return lambda *arguments: calls.append((kind, *arguments))

    return Backend(run, note("log"), note("picture"), note("close"), note("rewind") if rewinds else None)


def write_module(folder: Path, name: str, source: str) -> None:
    """Writes a package of one file, which takes the place of an installed one."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(source)


def tensorboard_events(folder: Path) -> list[Any]:
    """All events in the files of a folder, in their order."""
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore

    found = []
    for path in sorted(folder.glob("events*")):
        data = path.read_bytes()
        while data:  # 8 bytes of length, 4 of its checksum, the event, 4 of its checksum
            size = int.from_bytes(data[:8], "little")
            found.append(Event.FromString(data[12 : 12 + size]))
            data = data[16 + size :]
    return found


def wandb_steps(folder: Path) -> list[tuple[int, int, bool]]:
    """(step of the package, step of training, whether it is a picture) of everything that offline runs hold."""
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore

    found = []
    for path in sorted(folder.glob("offline-run-*/run-*.wandb")):
        for record in map(Record.FromString, _records(path.read_bytes())):
            if record.WhichOneof("record_type") == "history":
                values = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
                found.append((values["_step"], values["step"], "samples" in values))
    return found


def _records(data: bytes) -> Iterator[bytes]:
    """The records in a file of the format that LevelDB uses for its log, after a header of 7 bytes."""
    place, record = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        record += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the end of one
            yield record
            record = b""


def query(database: Path, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a query in an SQLite file."""
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute(statement).fetchall()

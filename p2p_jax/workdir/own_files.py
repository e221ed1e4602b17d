"""Which files in a folder this program wrote. Only these may be removed, and a new run must not mix with others."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.errors import UserError
from p2p_jax.files.writing import UNFINISHED
from p2p_jax.workdir.bucket.local_copy import URL_FILE
from p2p_jax.workdir.init_from import IMPORTED
from p2p_jax.workdir.lock import LOCK_FILE
from p2p_jax.workdir.record import RECORD, hash_file, read_record

REPLACED = "replaced.txt"
"""The file that lists unreadable pairs and the pairs that replaced them."""

EXPERIMENT_FILE = "experiment.py"
"""The copy of the experiment's file."""

RUN_FOLDERS = {
    "checkpoints": re.compile(r"\d+(\.(orbax-checkpoint-tmp|damaged).*)?"),
    "samples": re.compile(r"step_\d+\.png"),
    "report": re.compile(r"(index|live|pictures-\d+)\.html|(curves|test)\.png|figures\.json"),
    "profile": re.compile(r"plugins"),
    "tensorboard": re.compile(r"events.*tfevents.*"),
    "tracking": re.compile(r"(tensorboard|wandb|trackio|mlflow)(\.run\.json|\.log)?"),
}
"""{folder of a run: the names of the files and folders that a run writes into it}."""

MADE = {
    "samples": "step_*.png", "report": "index.html", "tensorboard": "events*", "profile": "plugins",
    "tracking": "*.run.json",
}  # fmt: skip
"""Patterns of the files by which the folders of a run are recognised where there is no record."""

RUN_FILES = ("metrics.jsonl", EXPERIMENT_FILE, REPLACED, IMPORTED, RECORD)
"""The files of a run. The record is last: a folder without it does not count as a workdir."""

CHECKPOINT_PARTS = frozenset(
    {"_CHECKPOINT_METADATA", "commit_success.txt", "generator", "discriminator", "ema", "training", "meta", "metrics"}
)
"""The names in the folder of a checkpoint. A damaged checkpoint may lack some, but it has no others."""

OF_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that operating systems put into every folder that somebody looks at."""

TRACE = re.compile(r"plugins(/profile(/[^/]+(/[^/]+\.(pb|gz|json))?)?)?")
"""Files and folders that JAX's profiler writes, relative to the folder `profile`."""

TRACKED = re.compile(
    r"wandb(/(offline-)?run-\d{8}_\d{6}-\w+(/.*)?)?"
    r"|trackio(/(p2p-jax\.(db|lock)(-\w+)?|media(/.*)?))?"
    r"|mlflow(/(mlflow\.db(-\w+)?|artifacts(/.*)?))?",
    re.DOTALL,
)
"""Files and folders that the packages of trackers write, relative to the folder `tracking`."""

LINKED = re.compile(r"wandb/[^/]+/logs/debug-core\.log")
"""The link that wandb makes."""

HELD = re.compile(r"(process \d+ on .*\n?)?")
"""The content of the lock file."""


class Contents(NamedTuple):
    """What lies in the folders and under the names of a run.

    Attributes:
        own: files and folders that the run wrote, with the record last.
        others: files and folders of somebody else in the folders of the run.
    """

    own: list[Path]
    others: list[Path]


def is_unfinished(path: Path, names: re.Pattern[str]) -> bool:
    """Whether a path is an unfinished file of one of these names, or one whose name was chosen at random."""
    ending = re.escape(UNFINISHED)
    named = re.fullmatch(rf"\.?({names.pattern})(\..*)?{ending}|\.p2p_jax-.*{ending}", path.name)
    return named is not None and path.is_file() and not path.is_symlink()


def find_contents(workdir: Path) -> Contents:
    """Finds the files of a run that can be proven to be its own.

    Args:
        workdir: holds a record.

    Raises:
        UserError: the record cannot be read, so nothing can be proven; the workdir or a part of it is a link; or a file of
            somebody else lies where the next run would write or would take it for its own.
    """
    record = _read_own_record(workdir)
    if workdir.is_symlink():
        _refuse(workdir, f"is a link to {workdir.resolve()}", "give that folder as the workdir")
    own: list[Path] = []
    others: list[Path] = []
    for name in RUN_FOLDERS:
        for path in _children(workdir, workdir / name):
            (own if _is_own(path) else others).append(path)
    for path in (workdir / name for name in RUN_FILES):
        if os.path.lexists(path):
            if path.is_symlink() or not path.is_file():
                _refuse(workdir, f"holds {path.name}, which is {_kind(path)}", "move it away")
            own.append(path)
    for path in others:
        if path.parent.name == "checkpoints" and path.name.isdecimal():
            _refuse(workdir, f"holds checkpoints/{path.name}, which this program did not write", "move it away")
    _refuse_own_code(workdir, record)
    return Contents(own, others)


def _read_own_record(workdir: Path) -> dict[str, Any]:
    try:
        return read_record(workdir)
    except (UserError, OSError, UnicodeDecodeError):
        raise UserError(
            f"{workdir / RECORD} is damaged, or is not the record of a run, so nothing in {workdir} is removed: give "
            "another workdir, or remove what you do not need yourself."
        ) from None


def _children(workdir: Path, folder: Path) -> Iterator[Path]:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        _refuse(workdir, f"holds {folder.name}, which is {_kind(folder)}", "move it away")
    return iter(sorted(folder.iterdir()) if folder.is_dir() else ())


def _kind(path: Path) -> str:
    return "a link" if path.is_symlink() else "a folder" if path.is_dir() else "no folder"


def _refuse(workdir: Path, what: str, instead: str) -> None:
    raise UserError(f"{workdir} {what}, so nothing is removed: {instead}, or give another workdir.")


def _is_own(path: Path) -> bool:
    """Whether a run wrote this file or folder in one of its folders."""
    names = RUN_FOLDERS[path.parent.name]
    if path.is_symlink():
        return False
    if path.parent.name == "checkpoints":
        return path.is_dir() and names.fullmatch(path.name) is not None and _is_own_checkpoint(path)
    if path.parent.name == "profile":
        inside = [path, *path.rglob("*")]
        return all(TRACE.fullmatch(each.relative_to(path.parent).as_posix()) for each in inside)
    if path.parent.name == "tracking" and path.is_dir():
        return all(_is_tracked(each, path.parent) for each in (path, *path.rglob("*")))
    return path.is_file() and (names.fullmatch(path.name) is not None or is_unfinished(path, names))


def _is_tracked(path: Path, folder: Path) -> bool:
    """Whether the package of a tracker wrote a file or folder in the folder `tracking` of a run."""
    name = path.relative_to(folder).as_posix()
    return TRACKED.fullmatch(name) is not None and (not path.is_symlink() or LINKED.fullmatch(name) is not None)


def _is_own_checkpoint(folder: Path) -> bool:
    names = {path.name.partition(".orbax-checkpoint-tmp")[0] for path in folder.iterdir()}
    return names <= CHECKPOINT_PARTS | OF_THE_SYSTEM


def _refuse_own_code(workdir: Path, record: dict[str, Any]) -> None:
    """Refuses to remove an experiment file that is not the copy that the run made."""
    path = workdir / EXPERIMENT_FILE
    if path.is_file() and hash_file(path) != record["sha256"]:
        _refuse(workdir, f"holds {path.name}, which is not the file that the run was made with", "move it away")


def refuse_unrecorded(workdir: Path, file: Path | None) -> None:
    """Refuses a folder that holds files of a run, but no record that tells of which run.

    Args:
        workdir: of the run that is to start; it need not exist.
        file: of its experiment, which may lie there already.

    Raises:
        UserError: the new run would be mixed with another one, or would replace files of somebody else.
    """
    if os.path.lexists(workdir / RECORD) or not workdir.is_dir():
        return
    found = [name for name in ("checkpoints", "metrics.jsonl", IMPORTED, REPLACED) if _holds_something(workdir / name)]
    found += [f"{name}/" for name, pattern in MADE.items() if any((workdir / name).glob(pattern))]
    found += [name for name in MADE if os.path.lexists(workdir / name) and not (workdir / name).is_dir()]
    copy = workdir / EXPERIMENT_FILE
    if copy.is_file() and (file is None or hash_file(copy) != hash_file(file)) and (found or file is not None):
        found.append(copy.name)
    if found:
        raise UserError(
            f"{workdir} holds {', '.join(found)}, but no {RECORD} that says of which run: put that file back to resume the "
            "run, or give another --workdir."
        )
    if os.path.lexists(workdir / LOCK_FILE) and not _is_own_lock(workdir / LOCK_FILE):
        raise UserError(f"{workdir / LOCK_FILE} is not the lock of a run: move it away, or give another --workdir.")


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else os.path.lexists(path)


def refuse_other_things(workdir: Path, allowed: frozenset[str] = frozenset()) -> None:
    """Refuses a folder that holds anything but a lock file, and what marks the local copy of a bucket.

    Args:
        workdir: the folder; it need not exist.
        allowed: names that it may hold.

    Raises:
        UserError: it is a file, or holds something else.
    """
    if not os.path.lexists(workdir):
        return
    if not workdir.is_dir():
        raise UserError(f"the workdir {workdir} is {'a broken link' if workdir.is_symlink() else 'a file'}: give a folder.")
    for path in sorted(workdir.iterdir()):
        if path.name not in allowed | OF_THE_SYSTEM | {URL_FILE} and not (path.name == LOCK_FILE and _is_own_lock(path)):
            raise UserError(
                f"{workdir} holds other things, such as {path.name}: give a new or an empty folder as --workdir."
            )


def _is_own_lock(path: Path) -> bool:
    """Whether a file is the lock of a workdir, and not another program's file of the same name."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 1000:
        return False
    return HELD.fullmatch(path.read_text(errors="replace")) is not None

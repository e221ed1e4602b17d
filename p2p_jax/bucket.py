"""Workdirs in a bucket (gs://, s3://, az://), as fsspec reaches them.

A command works in a folder of this machine, into which the workdir is fetched, and what it changes there is sent: whenever
a checkpoint is finished, and in the end. Of several processes each has such a folder, with whole checkpoints, and the first
one sends. How, see `mirror`.
"""

import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import fields
from pathlib import Path

from p2p_jax import lock, processes
from p2p_jax.mirror import EXTRAS, KEPT, PREFIX, Mirror
from p2p_jax.options import Evaluate, ExportTorch, Report, Translate
from p2p_jax.stand_in import MARK

TRAINING = ("train", "import-torch")
"""Commands that let no other one send."""

READING = ("translate", "evaluate", "report", "export-torch")
"""Commands whose first argument is a workdir."""

YOUNG = 60.0  # seconds that a folder may be without its lock


def is_url(word: str) -> bool:
    """Whether a word names a place in a bucket."""
    return re.match(rf"({'|'.join(EXTRAS)})://", word) is not None


def is_stand_in(folder: Path) -> bool:
    """Whether a folder stands for a workdir in a bucket."""
    return (folder / MARK).is_file()


def name(path: Path) -> str:
    """A path as a person knows it: in a folder that stands for a workdir in a bucket, the URL."""
    for folder in (path, *path.parents):
        if is_stand_in(folder):
            return "/".join(((folder / MARK).read_text(), *path.relative_to(folder).parts))
    return str(path)


@contextmanager
def opened(argv: list[str]) -> Iterator[list[str]]:
    """A command line of `p2p-jax` with a folder in the place of a workdir in a bucket.

    Raises:
        ValueError: the bucket cannot be reached, or something else than a workdir was given as a URL.
        Stopped: not all could be sent; the rest is kept in the folder.
    """
    place = _find_workdir(argv)
    if place is None:
        yield argv
        return
    option, url = re.fullmatch(r"(--workdir=)?(.*)", argv[place]).groups("")  # pyright: ignore
    command = argv[0]
    with fetched(url, sending=command in (*TRAINING, "report"), alone=command in TRAINING) as folder:
        yield [*argv[:place], f"{option}{folder}", *argv[place + 1 :]]


def _find_workdir(argv: list[str]) -> int | None:
    """Where in a command line the URL of a workdir is; all other URLs are refused."""
    found, positionals = None, 0
    for place, word in enumerate(argv[1:], 1):
        before = argv[place - 1] if argv[place - 1].startswith("-") and "=" not in argv[place - 1] else ""
        if word.startswith("-"):
            before, _, word = word.partition("=")
        elif not before or before.replace("_", "-") in _FLAGS:
            before, positionals = "", positionals + 1
        of_workdir = before == "--workdir" or (not before and positionals == 1 and argv[0] in READING)
        if of_workdir and re.match(r"[a-z][a-z0-9+.-]*://", word) and not is_url(word):
            raise ValueError(f"{word} was given: a workdir is a folder, or lies in a bucket (gs://, s3:// or az://).")
        if not is_url(word):
            continue
        if not of_workdir:
            raise ValueError(
                f"{word} was given, but only a workdir can be in a bucket: give a folder (a bucket can be mounted as one)."
            )
        found = place
    return found


_FLAGS = {
    f"--{each.name.replace('_', '-')}"
    for command in (Translate, Evaluate, Report, ExportTorch)
    for each in fields(command)
    if each.type is bool
}


_open: dict[Path, Mirror] = {}


def send_before_parting(workdir: Path) -> None:
    """Has all processes wait until the first one has sent what is saved, for when some have left JAX ends the others."""
    if processes.count() == 1 or workdir not in _open:
        return
    if processes.is_first():
        with suppress(Exception):  # it is sent once more in the end, and told then
            _open[workdir].send()
    processes.wait_for_all("what is saved is sent")


@contextmanager
def fetched(url: str, *, sending: bool = False, alone: bool = False) -> Iterator[Path]:
    """A folder with what a workdir in a bucket holds, for as long as it is needed.

    Args:
        url: of the workdir.
        sending: send what is changed in the folder.
        alone: end where somebody else sends, too.

    Raises:
        ValueError: the bucket cannot be reached.
        Stopped: not all could be sent; the rest is kept in the folder.
    """
    _remove_orphans()
    mirror = Mirror(url.rstrip("/"), alone=alone)
    try:
        with lock.hold(mirror.folder.parent):
            mirror.fetch(probing=sending)
            _open[mirror.folder] = mirror
            with mirror.sending() if sending else nullcontext():
                yield mirror.folder
    except ValueError as error:
        if str(mirror.folder) not in str(error):
            raise
        raise ValueError(str(error).replace(str(mirror.folder), mirror.url)) from error
    finally:
        _open.pop(mirror.folder, None)
        if not mirror.kept:
            shutil.rmtree(mirror.folder.parent, ignore_errors=True)


def _remove_orphans() -> None:
    """Removes folders whose processes were killed, unless they hold what could not be sent."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # It is somebody else's, or its process goes on, or nobody can say whether it does.
        with suppress(OSError, ValueError, UserWarning), warnings.catch_warnings():
            warnings.simplefilter("error")
            if not (path / KEPT).exists() and time.time() - path.stat().st_mtime > YOUNG:
                with lock.hold(path):
                    shutil.rmtree(path, ignore_errors=True)

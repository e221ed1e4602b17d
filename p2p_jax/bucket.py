"""Workdirs in a bucket (gs://, s3://, az://), as fsspec reaches them.

A command works in a folder of this machine, into which the workdir is fetched, and what it changes there is sent: whenever
a checkpoint is finished, and in the end. Of several processes each has such a folder, with whole checkpoints, and the first
one sends. How, see `mirror`.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from p2p_jax import lock
from p2p_jax.mirror import EXTRAS, MARK, PREFIX, Mirror

TRAINING = ("train", "import-torch")
"""Commands that let no other one send."""

READING = ("translate", "evaluate", "report", "export-torch")
"""Commands whose first argument is a workdir."""

KEPT = "unsent"
"""The file beside a folder whose contents could not be sent."""

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
    found = None
    for place, word in enumerate(argv):
        option, _, value = word.rpartition("=") if word.startswith("--") else (argv[place - 1], "", word)
        if not is_url(value):
            continue
        first = argv[0] in READING and found is None and not re.match(r"(-o|--output|--data.path)$", option)
        if option != "--workdir" and not first:
            raise ValueError(
                f"{value} was given, but only a workdir can be in a bucket: give a folder (a bucket can be mounted as one)."
            )
        found = place
    return found


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
            with mirror.sending() if sending else nullcontext():
                yield mirror.folder
    except ValueError as error:
        if str(mirror.folder) not in str(error):
            raise
        raise ValueError(str(error).replace(str(mirror.folder), mirror.url)) from error
    finally:
        if mirror.kept:
            (mirror.folder.parent / KEPT).touch()
        else:
            shutil.rmtree(mirror.folder.parent, ignore_errors=True)


def _remove_orphans() -> None:
    """Removes folders whose processes were killed, unless they hold what could not be sent."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):  # it is somebody else's, or its process goes on
            if not (path / KEPT).exists() and time.time() - path.stat().st_mtime > YOUNG:
                with lock.hold(path):
                    shutil.rmtree(path, ignore_errors=True)

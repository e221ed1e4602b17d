"""Workdirs in a bucket (gs://, s3://, az://), as fsspec reaches them.

A command works in a folder of this machine, into which the workdir is fetched, and what it changes there is sent: whenever
a checkpoint is finished, and in the end. Of several processes each has such a folder, with whole checkpoints, and the first
one sends. How, see `mirror`.
"""

import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.workdir import lock
from p2p_jax.workdir.bucket.mirror import KEPT, PREFIX, Mirror

YOUNG = 60.0  # seconds that a folder may be without its lock


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
        UserError: the bucket cannot be reached.
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
        raise UserError(str(error).replace(str(mirror.folder), mirror.url)) from error
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

"""Workdirs in a bucket (gs://, s3://, az://), accessed with fsspec.

A command works on a local copy of the remote workdir. Changed files are uploaded after each finished checkpoint and at the
end, see `mirror`. In training every process has a local copy with all complete checkpoints, and the first process uploads;
other commands fetch only what they read of the checkpoint that is wanted.
"""

import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path
from p2p_jax.storage.urls import is_url
from p2p_jax.workdir import lock
from p2p_jax.workdir.bucket.mirror import FOLDER_PREFIX, KEEP_FILE, Mirror

ORPHAN_AGE = 60.0
"""Seconds after which an unlocked local copy may be removed. Its process may not have locked a younger one yet."""

_open_mirrors: dict[Path, Mirror] = {}


def upload_before_exit(workdir: Path) -> None:
    """Waits in all processes until the first one has uploaded, because JAX ends all processes once one has exited.

    Args:
        workdir: of the run; a folder that is not a local copy is ignored.
    """
    if processes.count() == 1 or workdir not in _open_mirrors:
        return
    if processes.is_first():
        with suppress(Exception):  # the last upload tries again, and reports the error
            _open_mirrors[workdir].upload()
    processes.wait_for_all("all saved files are uploaded")


def fetch_items(workdir: Path, step: int, items: Iterable[str]) -> None:
    """Fetches items of a checkpoint, such as "generator", into a local copy that lacks them.

    Args:
        workdir: of the run; a folder that is not a local copy is ignored.
        step: of the checkpoint.
        items: their names; those that the checkpoint lacks are ignored.

    Raises:
        UserError: the bucket cannot be read, or the checkpoint was removed from it.
    """
    if workdir in _open_mirrors:
        _open_mirrors[workdir].fetch_items(step, items)


@contextmanager
def local_copy_of(url: str, *, upload: bool = False, exclusive: bool = False, whole: bool = True) -> Iterator[Path]:
    """Yields a temporary folder with the files of a remote workdir.

    Args:
        url: of the workdir.
        upload: whether changed files are uploaded.
        exclusive: whether this process ends if another process uploads to the same URL.
        whole: whether to fetch all complete checkpoints; otherwise the folder holds only their descriptions, and
            `checkpoint.restore_items` fetches what it restores.

    Raises:
        UserError: the bucket cannot be reached. In a UserError that the block raises, the URL replaces the folder.
        Stopped: some files could not be uploaded and are kept in the folder.
    """
    _remove_orphans()
    mirror = Mirror(url.rstrip("/"), exclusive=exclusive, whole=whole)
    try:
        with lock.hold(mirror.folder.parent):
            mirror.fetch(check_write=upload)
            _open_mirrors[mirror.folder] = mirror
            with mirror.uploading() if upload else nullcontext():
                yield mirror.folder
    except UserError as error:
        if str(mirror.folder) not in str(error):
            raise
        raise UserError(str(error).replace(str(mirror.folder), mirror.url)) from error
    finally:
        _open_mirrors.pop(mirror.folder, None)
        if not mirror.keep_folder:
            shutil.rmtree(mirror.folder.parent, ignore_errors=True)


@contextmanager
def local_folder(workdir: str | Path, *, upload: bool = False, exclusive: bool = False) -> Iterator[Path]:
    """Yields the folder of a workdir: the workdir itself, or a local copy of a remote one.

    Args:
        workdir: a folder, or a URL of a bucket.
        upload: whether changed files of a local copy are uploaded.
        exclusive: whether this process trains there: it ends if another process uploads to the same URL, and all
            checkpoints are fetched, not just what is read of the one that is wanted.

    Raises:
        UserError: the workdir is empty text, or the bucket cannot be reached.
        Stopped: some files could not be uploaded and are kept in the local copy.
    """
    if not is_url(str(workdir)):
        yield as_path(workdir, "the workdir")
        return
    with local_copy_of(str(workdir), upload=upload, exclusive=exclusive, whole=exclusive) as folder:
        yield folder


def _is_private(status: os.stat_result) -> bool:
    """Whether it is a folder of this user, and no link, in which nobody else can write."""
    is_own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return stat.S_ISDIR(status.st_mode) and is_own and (os.name == "nt" or not status.st_mode & 0o022)


def _remove_orphans() -> None:
    """Removes local copies of processes that were killed, unless they hold files that were not uploaded."""
    for path in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        # A copy is kept if it belongs to another user, is locked, or is on a file system without locks.
        with suppress(OSError, UserError, UserWarning), warnings.catch_warnings():
            warnings.simplefilter("error")
            status = path.lstat()
            if not _is_private(status) or os.path.lexists(path / KEEP_FILE):
                continue
            if time.time() - status.st_mtime > ORPHAN_AGE:
                with lock.hold(path):
                    shutil.rmtree(path, ignore_errors=True)

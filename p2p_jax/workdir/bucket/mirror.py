"""A remote workdir and its local copy: the first fetch, uploads during the run, and the last upload.

An upload may be interrupted anywhere: the marker of a checkpoint is uploaded last, and a checkpoint without a marker is not
fetched. Buckets have no locks. Instead, the bucket holds the name of the last writer, and a run that finds the name of
another writer ends.
"""

import os
import signal
import socket
import sys
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from p2p_jax.console import open_console
from p2p_jax.devices import processes
from p2p_jax.errors import EXIT_CODES, RESTART, USAGE_ERROR, Stopped, UserError
from p2p_jax.signals import ended_by_sigterm
from p2p_jax.storage.urls import first_line
from p2p_jax.workdir.bucket.local_copy import (
    PICTURES,
    UNKNOWN,
    URL_FILE,
    Version,
    checkpoint_folder,
    is_array,
    is_local_only,
    is_marker,
    item_of,
    list_files,
    marker_of,
    read_progress,
    read_record_bytes,
)
from p2p_jax.workdir.bucket.remote import WRITER, Remote, open_remote

FOLDER_PREFIX = "p2p-jax-bucket-"
"""The start of the names of the temporary folders that hold local copies."""

KEEP_FILE = "unsent"
"""An empty file beside a local copy, which marks that some files of the copy were not uploaded."""

POLL_INTERVAL = 0.5  # seconds between two checks for finished checkpoints

RETRY_INTERVAL = 20.0  # seconds until a failed upload is tried again

FETCH_ATTEMPTS = 5  # while another run uploads


class _OtherWriter(Exception):
    """Another run has uploaded to the same URL."""


class Mirror:
    """A remote workdir and its local copy.

    Attributes:
        url: of the remote workdir.
        folder: the local copy.
        exclusive: whether this run ends if another run uploads to the URL.
        whole: whether all complete checkpoints are fetched at once; otherwise only their descriptions are, and arrays when
            they are needed.
        keep_folder: whether the local copy holds files that were not uploaded, and so must not be removed.
    """

    remote: Remote

    def __init__(self, url: str, *, exclusive: bool, whole: bool = True):
        self.url, self.exclusive, self.whole, self.keep_folder = url, exclusive, whole, False
        name = url.rpartition("/")[2]
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX)) / (name if name not in ("", ".", "..") else "run")
        self.folder.mkdir()
        (self.folder / URL_FILE).write_text(self.url, encoding="utf-8", errors="backslashreplace")
        self._own_name = f"process {os.getpid()} on {socket.gethostname()} {uuid.uuid4()}\n".encode()
        self._writer_at_fetch: bytes | None = None
        self._remote_record: bytes | None = None
        self._remote_versions: dict[str, Version] = {}
        self._arrays: list[str] = []
        self._lock = threading.Lock()

    def fetch(self, *, check_write: bool) -> None:
        """Fetches all files but those of incomplete checkpoints; unless `whole`, only what is needed to load a run.

        Args:
            check_write: also find out whether the bucket can be written, and fetch what a report shows.

        Raises:
            UserError: the bucket cannot be read or written.
        """
        try:
            self.remote = open_remote(self.url)
            with open_console().status(f"fetching {self.url}"):
                incomplete = self._fetch_consistent(pictures=self.whole or check_write)
                if check_write:
                    probe = f"probe-{uuid.uuid4()}"
                    self.remote.write(probe, b"")
                    self.remote.remove_file(probe)
        except UserError:
            raise
        except Exception as error:  # each package of fsspec raises its own types of errors
            raise self._refuse(error, "written and read" if check_write else "read") from error
        self._remote_versions, self._remote_record = list_files(self.folder), read_record_bytes(self.folder)
        if self.exclusive:  # no other run is uploading the incomplete checkpoints, so the next upload removes them
            self._remote_versions |= dict.fromkeys(incomplete, UNKNOWN)

    def fetch_items(self, step: int, items: Iterable[str]) -> None:
        """Fetches items of a checkpoint, such as "generator", unless they are here.

        Raises:
            UserError: the bucket cannot be read, or the checkpoint was removed from it.
        """
        folder, items = f"checkpoints/{step}", set(items)
        names = [each for each in self._arrays if checkpoint_folder(each) == folder and item_of(each) in items]
        if not names:
            return
        try:
            with open_console().status(f"fetching checkpoint {step} of {self.url}"):
                self.remote.download(names, self.folder)
        except FileNotFoundError:
            raise UserError(
                f"checkpoint {step} of {self.url} was removed meanwhile, because a run trains there: give the same command "
                "again."
            ) from None
        except Exception as error:  # each package of fsspec raises its own types of errors
            raise self._refuse(error, "read") from error
        with self._lock:
            versions = list_files(self.folder)
            self._remote_versions |= {each: versions[each] for each in names}
            self._arrays = [each for each in self._arrays if each not in names]

    def _refuse(self, error: Exception, done: str) -> UserError:
        return UserError(
            f"{self.url} cannot be {done} ({first_line(error)}): check that the bucket exists, and that you have access to "
            "it."
        )

    def _fetch_consistent(self, *, pictures: bool) -> list[str]:
        """Fetches until no other run has uploaded meanwhile; returns the names of the files of incomplete checkpoints."""
        for _ in range(FETCH_ATTEMPTS - 1):
            with suppress(FileNotFoundError):  # another run removes old checkpoints
                incomplete = self._fetch_once(pictures=pictures)
                if self.remote.read_writer() == self._writer_at_fetch:
                    return incomplete
        return self._fetch_once(pictures=pictures)

    def _fetch_once(self, *, pictures: bool) -> list[str]:
        self._writer_at_fetch = self.remote.read_writer()
        found = self.remote.list_names()
        incomplete = [each for each in found if checkpoint_folder(each) and marker_of(each) not in found]
        rmtree(self.folder / "checkpoints", ignore_errors=True)
        wanted = sorted({each for each in found if not is_local_only(each)} - {*incomplete, WRITER})
        if not self.whole:
            self._arrays = [each for each in wanted if is_array(each)]
        left_out = {*self._arrays, *(each for each in wanted if not pictures and PICTURES.fullmatch(each))}
        self.remote.download([each for each in wanted if each not in left_out], self.folder)
        return incomplete

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """Uploads changed files when a run begins, after each finished checkpoint, and at the end.

        Raises:
            Stopped: some files could not be uploaded.
        """
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(read_progress(self.folder), over), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            self._upload_at_end(watcher)

    def _watch(self, uploaded: Any, over: threading.Event) -> None:
        pause = POLL_INTERVAL
        while not over.wait(pause):
            progress = read_progress(self.folder)
            if progress == uploaded:
                continue
            try:
                self.upload()
                uploaded, pause = progress, POLL_INTERVAL
            except _OtherWriter:
                signal.raise_signal(signal.SIGTERM)
                return
            except Exception as error:  # each package of fsspec raises its own types of errors
                versions = self._remote_versions
                if any(versions[each] == UNKNOWN and not (self.folder / each).exists() for each in versions):
                    continue  # the run has just removed an old checkpoint
                if pause == POLL_INTERVAL:
                    warnings.warn(f"{self.url} cannot be written for now ({first_line(error)}).", stacklevel=2)
                pause = RETRY_INTERVAL

    def _upload_at_end(self, watcher: threading.Thread) -> None:
        failing = sys.exc_info()[0] is not None
        keep_file = self.folder.parent / KEEP_FILE
        keep_file.touch()  # until all files are uploaded, however this process ends
        self.keep_folder = True
        kept = f"files that were not uploaded are kept in {self.folder}"
        try:
            interrupted = f"Stopped while files were uploaded to {self.url}: {kept}."
            with ended_by_sigterm(interrupted), open_console().status(f"uploading to {self.url}"):
                watcher.join()
                self.upload()
        except _OtherWriter:
            sentence = f"another run has written to {self.url} since this one started, so this one ended; {kept}."
            raise Stopped(sentence, USAGE_ERROR) from None
        except KeyboardInterrupt:
            sentence = f"interrupted while files were uploaded to {self.url}: {kept}."
            raise Stopped(sentence, EXIT_CODES[signal.SIGINT]) from None
        except Stopped:
            raise
        except Exception as error:  # each package of fsspec raises its own types of errors
            sentence = (
                f"{self.url} cannot be written ({first_line(error)}): {kept}; the same command resumes from the last "
                "checkpoint that was uploaded."
            )
            if not failing:
                raise Stopped(sentence, RESTART) from error
            warnings.warn(sentence, stacklevel=2)
        else:
            keep_file.unlink()
            self.keep_folder = False
        finally:
            if self.keep_folder:
                if not self.whole:
                    rmtree(self.folder / "checkpoints", ignore_errors=True)  # arrays are missing there
                (self.folder / URL_FILE).unlink()  # this makes the local copy an ordinary workdir

    def upload(self) -> None:
        """Uploads the files that have changed since they were fetched or uploaded.

        The order ensures that an interruption leaves no checkpoint that has its marker but lacks other files.

        Raises:
            _OtherWriter: another run has uploaded meanwhile.
        """
        with self._lock:
            self._upload()

    def _upload(self) -> None:
        now, remote = list_files(self.folder), self._remote_versions
        for marker in {marker_of(each) for each in remote if checkpoint_folder(each) and each not in now}:
            if marker in now and now[marker] == remote.get(marker):  # the run is removing this checkpoint
                del now[marker]
        changed = [each for each in now if remote.get(each) != now[each]]
        gone = [each for each in remote if each not in now]
        if not (changed or gone) or not processes.is_first():
            return
        if self.exclusive:
            self._claim()
        if read_record_bytes(self.folder) != self._remote_record:  # a new run: no old checkpoint may stay beside its own
            self._remove(gone)
        markers = [each for each in changed if is_marker(each)]
        others = [each for each in changed if not is_marker(each)]
        self._remove([marker_of(each) for each in others])
        for some in (others, markers):
            self._remote_versions |= dict.fromkeys(some, UNKNOWN)
            self.remote.upload(some, self.folder)
            self._remote_versions |= {each: now[each] for each in some}
        self._remote_record = read_record_bytes(self.folder)
        self._remove(gone)

    def _claim(self) -> None:
        """Writes this process's name as that of the last writer, unless another process has done so."""
        found = self.remote.read_writer()
        if found not in (self._writer_at_fetch, self._own_name):
            raise _OtherWriter
        if found != self._own_name:
            self.remote.write(WRITER, self._own_name)

    def _remove(self, names: list[str]) -> None:
        """Removes files from the bucket: markers first, then the folders of removed checkpoints, then other files."""
        names = sorted({*names} & self._remote_versions.keys())
        found = self.remote.list_names() if names else []
        for each in filter(is_marker, names):
            if each in found:
                self.remote.remove_file(each)
        remaining = {"", *map(checkpoint_folder, self._remote_versions.keys() - names)}
        for folder in {checkpoint_folder(each) for each in names} - remaining:
            if any(checkpoint_folder(each) == folder and not is_marker(each) for each in found):
                self.remote.remove_folder(folder)
        others = {each for each in names if checkpoint_folder(each) in remaining and not is_marker(each)}
        self.remote.remove_files(each for each in found if each in others)
        for each in names:
            del self._remote_versions[each]

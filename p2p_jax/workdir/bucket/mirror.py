"""Fetching a workdir from a bucket and sending what has changed, in such an order that it may be cut off anywhere.

A checkpoint is whole in the bucket once its last file, the marker, is there; one without it is not fetched. A bucket knows
no locks. In their place it holds the name of who sent last: a run that finds another one's ends.
"""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from p2p_jax.console import open_console
from p2p_jax.devices import processes
from p2p_jax.errors import EXIT_CODES, Stopped, UserError
from p2p_jax.signals import ended_by_sigterm
from p2p_jax.workdir.bucket.local_copy import (
    LAST_FILE,
    UNKNOWN,
    URL_FILE,
    Version,
    is_last_file,
    list_files,
    milestones,
    read_record,
    step_folder,
)
from p2p_jax.workdir.bucket.paths import EXTRAS

PREFIX = "p2p-jax-bucket-"
"""Of the names of folders that stand for workdirs, among temporary ones."""


WRITER = "writer"
"""The object that names who sent last."""


KEPT = "unsent"
"""The file beside a folder that holds what is not sent."""


AGAIN = EXIT_CODES[signal.SIGTERM]
"""The exit code that asks for another start."""


LOOK = 0.5  # seconds between two looks for finished checkpoints


PAUSE = 20.0  # seconds until what could not be sent is sent again


TRIES = 5  # of fetching while something is removed


class _Taken(Exception):
    """Another run has sent."""


class Mirror:
    """A workdir in a bucket and the folder that stands for it.

    Attributes:
        url: of the workdir.
        folder: that stands for it.
        alone: end where somebody else sends, too.
        kept: whether the folder holds what could not be sent.
    """

    def __init__(self, url: str, *, alone: bool):
        self.url, self.alone, self.kept = url, alone, False
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX)) / (url.rpartition("/")[2] or "run")
        self.folder.mkdir()
        (self.folder / URL_FILE).write_text(self.url)
        self.before: bytes | None = None  # who sent last when this was fetched
        self.own = f"process {os.getpid()} on {socket.gethostname()} {uuid.uuid4()}\n".encode()
        self.record: bytes | None = None
        self.known: dict[str, Version] = {}
        self.one_at_a_time = threading.Lock()

    def fetch(self, *, probing: bool) -> None:
        """Fetches everything but half sent checkpoints; finds out whether anything can be sent, if asked to."""
        import fsspec

        scheme = self.url.partition(":")[0]
        options = {"auto_mkdir": True} if scheme == "file" else {}
        try:
            self.files, self.root = fsspec.core.url_to_fs(self.url, **options)
            with open_console().status(f"fetching {self.url}"):
                half_sent = self._fetch_whole()
                if probing:
                    self._probe()
        except ImportError:
            raise UserError(
                f"{scheme}:// needs a package that is not installed: install p2p-jax[{EXTRAS[scheme]}], or give a folder."
            ) from None
        except Exception as error:  # of many kinds, each package has its own
            raise UserError(
                f"{self.url} cannot be {'written and ' if probing else ''}read ({_first_line(error)}): see that the bucket "
                "is there, and that you may use it."
            ) from error
        self.known, self.record = list_files(self.folder), read_record(self.folder)
        if self.alone:  # what is half sent is not here, and so will be removed there; unless somebody else is sending it
            self.known |= dict.fromkeys(half_sent, UNKNOWN)

    def _fetch_whole(self) -> list[str]:
        """Fetches what is whole, as one run has sent it; gives the names of what is not."""
        for last in (*[False] * (TRIES - 1), True):
            self.before = self._read_writer()
            try:
                half_sent = self._fetch_once()
            except FileNotFoundError:  # a run removes old checkpoints
                if last:
                    raise
                continue
            if last or self._read_writer() == self.before:
                return half_sent
        raise AssertionError

    def _fetch_once(self) -> list[str]:
        there = self._list()
        half_sent = [each for each in there if step_folder(each) and f"{step_folder(each)}/{LAST_FILE}" not in there]
        whole = sorted({*there} - {*half_sent, WRITER})
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        self.files.get([self._remote(each) for each in whole], [str(self.folder / each) for each in whole])
        return half_sent

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Sends what is changed in the folder: when a run begins, whenever a checkpoint is finished, and in the end.

        Raises:
            Stopped: not all could be sent.
        """
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(milestones(self.folder), over), daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            self._send_last(watching)

    def _watch(self, sent: Any, over: threading.Event) -> None:
        pause = LOOK
        while not over.wait(pause):
            now = milestones(self.folder)
            if now == sent:
                continue
            try:
                self.send()
                sent, pause = now, LOOK
            except _Taken:
                signal.raise_signal(signal.SIGTERM)
                return
            except Exception as error:  # as above
                if any(self.known[each] == UNKNOWN and not (self.folder / each).exists() for each in self.known):
                    continue  # an old checkpoint was removed just now
                if pause == LOOK:
                    warnings.warn(f"{self.url} cannot be written for now ({_first_line(error)}).", stacklevel=2)
                pause = PAUSE

    def _send_last(self, watching: threading.Thread) -> None:
        failing = sys.exc_info()[0] is not None
        kept = self.folder.parent / KEPT
        kept.touch()  # until all is sent, however this ends
        self.kept = True
        where = f"what was not sent is kept in {self.folder}"
        try:
            stopped = f"Stopped while {self.url} was written: {where}."
            with ended_by_sigterm(stopped), open_console().status(f"sending to {self.url}"):
                watching.join()
                self.send()
        except _Taken:
            raise Stopped(
                f"another run has written to {self.url} since this one started, so this one ended; {where}.", 2
            ) from None
        except KeyboardInterrupt:
            raise Stopped(f"interrupted while {self.url} was written: {where}.", EXIT_CODES[signal.SIGINT]) from None
        except Stopped:
            raise
        except Exception as error:  # as above
            sentence = (
                f"{self.url} cannot be written ({_first_line(error)}): {where}; the same command goes on from the last "
                "checkpoint that was sent."
            )
            if not failing:
                raise Stopped(sentence, AGAIN) from error
            warnings.warn(sentence, stacklevel=2)
        else:
            kept.unlink()
            self.kept = False
        finally:
            if self.kept:  # it becomes an ordinary workdir
                (self.folder / URL_FILE).unlink()

    def send(self) -> None:
        """Sends what has changed since it was fetched or sent, in such an order that it may be cut off anywhere.

        Raises:
            _Taken: another run has sent meanwhile.
        """
        with self.one_at_a_time:
            self._send()

    def _send(self) -> None:
        now = list_files(self.folder)
        for marker in {f"{step_folder(each)}/{LAST_FILE}" for each in self.known if step_folder(each) and each not in now}:
            if marker in now and now[marker] == self.known.get(marker):  # the checkpoint is being removed just now
                del now[marker]
        changed = [each for each in now if self.known.get(each) != now[each]]
        gone = [each for each in self.known if each not in now]
        if not (changed or gone) or not processes.is_first():
            return
        if self.alone:
            self._sign()
        if read_record(self.folder) != self.record:  # another run in the old one's place, whose checkpoints are not its own
            self._remove(gone)
        markers = [each for each in changed if is_last_file(each)]
        others = [each for each in changed if not is_last_file(each)]
        self._remove([f"{step_folder(each)}/{LAST_FILE}" for each in others])
        for some in (others, markers):
            self.known |= dict.fromkeys(some, UNKNOWN)
            self.files.put([str(self.folder / each) for each in some], [self._remote(each) for each in some])
            self.known |= {each: now[each] for each in some}
        self.record = read_record(self.folder)
        self._remove(gone)

    def _sign(self) -> None:
        found = self._read_writer()
        if found not in (self.before, self.own):
            raise _Taken
        if found != self.own:
            self.files.pipe_file(self._remote(WRITER), self.own)

    def _remove(self, names: list[str]) -> None:
        """Removes those of some files that are in the bucket: markers first, and whole checkpoints with their folders."""
        names = sorted({*names} & self.known.keys())
        there = self._list() if names else []
        for each in filter(is_last_file, names):
            if each in there:
                self.files.rm_file(self._remote(each))
        left = {"", *map(step_folder, self.known.keys() - names)}
        for step in {step_folder(each) for each in names} - left:
            if any(step_folder(each) == step and not is_last_file(each) for each in there):
                self.files.rm(self._remote(step), recursive=True)
        others = {each for each in names if step_folder(each) in left and not is_last_file(each)}
        if others := [self._remote(each) for each in there if each in others]:
            self.files.rm(others)
        for each in names:
            del self.known[each]

    def _probe(self) -> None:
        probe = self._remote(f"probe-{uuid.uuid4()}")
        self.files.pipe_file(probe, b"")
        self.files.rm_file(probe)

    def _read_writer(self) -> bytes | None:
        self.files.invalidate_cache()
        return self.files.cat_file(self._remote(WRITER)) if self.files.exists(self._remote(WRITER)) else None

    def _list(self) -> list[str]:
        self.files.invalidate_cache()
        try:
            return [path.removeprefix(self.root).lstrip("/") for path in self.files.find(self.root)]
        except FileNotFoundError:
            return []

    def _remote(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"

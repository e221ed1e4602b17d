"""A prepared set in a bucket, and its copy in the local cache, whose files are fetched one by one.

A file is fetched into a partial file, checked, and renamed, so a file of the set's folder is always complete. Each file has
a lock: of several processes of a machine one fetches it, and after a kill the next one resumes the partial file.
"""

import hashlib
import os
import threading
import uuid
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.errors import RESTART, USAGE_ERROR, NotFetched
from p2p_jax.storage import set_cache
from p2p_jax.storage.locks import trying
from p2p_jax.storage.urls import first_line, open_files

CHUNK = 2**23
"""Bytes of one request."""

ATTEMPTS = 5
"""Attempts to read a chunk."""

WAIT_SECONDS = 1.0
"""Seconds before the second attempt; each later pause is twice as long."""

POLL_SECONDS = 0.1
"""Seconds between two looks at a file that another process fetches."""

FETCHERS = 4
"""Threads of a process that fetch files before they are read."""

_opened: weakref.WeakSet[Any] = weakref.WeakSet()


class Listed(NamedTuple):
    """A file in a bucket: its size in bytes, and a text that changes when the file is replaced."""

    size: int
    version: str


class _Unusable(Exception):
    """A fetched file is not the one that was expected."""


@dataclass(eq=False)
class Shards:
    """The files of one version of a prepared set.

    Attributes:
        url: of the folder in the bucket.
        folder: the local copy.
        files: those of the set, by name.
        sums: SHA-256 as hexadecimal text, by name, of those files whose checksum is known.
    """

    url: str
    folder: Path
    files: dict[str, Listed]
    sums: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._closed, self._mutex = threading.Event(), threading.Lock()
        self._expected: deque[Iterator[str]] = deque()
        self._seen: set[str] = set()
        self._working = 0
        _opened.add(self)

    def __reduce__(self) -> Any:
        return type(self), (self.url, self.folder, self.files, self.sums)

    def is_there(self, name: str) -> bool:
        """Whether a file has been fetched."""
        try:
            return (self.folder / name).stat().st_size == self.files[name].size
        except FileNotFoundError:
            return False

    def fetch(self, name: str) -> None:
        """Returns once a file is there: fetches it, or waits while another process of this machine does so.

        Raises:
            NotFetched: the file cannot be fetched, or the local copy cannot be written.
        """
        while not self.try_fetch(name):
            self._pause(POLL_SECONDS)

    def try_fetch(self, name: str) -> bool:
        """Fetches a file unless it is there; returns False if another process or thread is fetching it.

        Errors are those of `fetch`.
        """
        try:
            return self._try_fetch(name)
        except OSError as error:
            reason = str(error.strerror or error).lower()
            raise NotFetched(
                f"{self.folder} cannot be written ({reason}): make room there, or set XDG_CACHE_HOME to another folder.",
                USAGE_ERROR,
            ) from error

    def _try_fetch(self, name: str) -> bool:
        if self.is_there(name):
            return True
        for kind in ("locks", "partial"):
            (self.folder / kind).mkdir(mode=0o700, exist_ok=True)
        with trying(self.folder / "locks" / name) as state:
            if state == "busy":
                return False
            if not self.is_there(name):
                # Without locks another process may fetch the same file, so each writes a partial file of its own.
                partial = self.folder / "partial" / (name if state == "held" else f"{name}-{uuid.uuid4().hex}")
                self._fetch_whole(name, partial)
        return True

    def expect(self, names: Iterator[str]) -> None:
        """Fetches files in the background, in this order and after those that were expected before.

        Files that another process of this machine is fetching are left to it. Errors are ignored here, because reading the
        file later tries again.
        """
        with self._mutex:
            self._expected.append(names)
            missing = FETCHERS - self._working
            self._working = FETCHERS
        for _ in range(missing):
            threading.Thread(target=self._work, daemon=True).start()

    def close(self) -> None:
        """Ends all reads that wait, and the fetching in the background."""
        self._closed.set()

    def _work(self) -> None:
        try:
            while (name := self._next_expected()) is not None:
                self.try_fetch(name)
        except NotFetched:
            pass  # whoever reads the file tries again and raises the error
        finally:
            with self._mutex:
                self._working -= 1

    def _next_expected(self) -> str | None:
        with self._mutex:
            while self._expected and not self._closed.is_set():
                for name in self._expected[0]:
                    if name not in self._seen:
                        self._seen.add(name)
                        return name
                self._expected.popleft()
        return None

    def _fetch_whole(self, name: str, partial: Path) -> None:
        """Fetches a file, a second time if the first result is not the expected file."""
        problem = ""
        for _ in range(2):
            self._append(name, partial)
            try:
                self._check(name, partial)
            except _Unusable as error:
                problem = str(error)
                partial.unlink()
                continue
            os.replace(partial, self.folder / name)
            return
        raise NotFetched(f"{self.url}/{name} {problem}.", USAGE_ERROR)

    def _append(self, name: str, partial: Path) -> None:
        """Reads the part of a file that its partial file lacks."""
        size = self.files[name].size
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, 0o600), "r+b") as file:
            done = file.seek(0, os.SEEK_END)
            if done > size:
                done = file.truncate(0)
            while done < size:
                data = self._read(name, done, min(done + CHUNK, size))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # after a power failure, what the partial file seems to hold is what it holds
                done += len(data)

    def _read(self, name: str, start: int, end: int) -> bytes:
        reason = ""
        for attempt in range(ATTEMPTS):
            self._pause(WAIT_SECONDS * 2 ** (attempt - 1) if attempt else 0.0)
            try:
                data = self._files.cat_file(self._path(name), start=start, end=end)
            except FileNotFoundError:
                raise NotFetched(
                    f"{self.url}/{name} is no longer there: copy the set to the bucket again.", USAGE_ERROR
                ) from None
            except Exception as error:  # each package of fsspec raises its own types of errors
                reason = first_line(error)
                continue
            if len(data) == end - start:
                return data
            reason = f"{len(data)} bytes came in place of {end - start}"
        raise NotFetched(
            f"{self.url}/{name} cannot be read ({reason}): check the connection and your access, then give the same "
            "command again; what was fetched is kept.",
            RESTART,
        )

    def _check(self, name: str, partial: Path) -> None:
        """Checks a complete partial file against the bucket and the checksum.

        Raises:
            _Unusable: it is not the expected file.
        """
        try:
            found = version_of(self._info(name))
        except Exception as error:  # each package of fsspec raises its own types of errors
            raise NotFetched(f"{self.url}/{name} cannot be looked up ({first_line(error)}): try again.", RESTART) from None
        if found != self.files[name].version:
            raise _Unusable("was replaced after the set was opened: give the same command again")
        if name in self.sums:
            with partial.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self.sums[name]:
                raise _Unusable("does not have the checksum in the set's record: copy the set to the bucket again")

    def _info(self, name: str) -> dict[str, Any]:
        self._files.invalidate_cache()
        return self._files.info(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._place[1].rstrip('/')}/{name}"

    @property
    def _files(self) -> Any:
        return self._place[0]

    @cached_property
    def _place(self) -> tuple[Any, str]:
        return open_files(self.url)

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise NotFetched(f"fetching from {self.url} was interrupted.", RESTART)


def version_of(info: dict[str, Any]) -> str:
    """A text that changes when a file is replaced, from what fsspec knows about it; "" if it knows nothing of the kind."""
    keys = ("generation", "ETag", "etag", "md5Hash", "mtime", "last_modified", "LastModified", "created")
    # Azure quotes a tag in one kind of reply and not in the other.
    return next((f"{key} {str(info[key]).strip(chr(34))}" for key in keys if info.get(key) is not None), "")


def close_all() -> None:
    """Ends everything that this process does with sets in buckets, and lets other processes remove them from the cache."""
    for shards in list(_opened):
        shards.close()
    set_cache.leave_all()

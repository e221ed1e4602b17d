"""Downloading one large file so that nothing is fetched twice: broken off anywhere, it goes on where it stopped."""

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from p2p_jax.errors import UserError

TIMEOUT = 30.0  # seconds without a sign of life, connecting or reading
TRIES = 5  # in a row that bring nothing new
WAIT = 1.0  # seconds before the second try; twice as long before each further one
CHUNK = 2**20

INSTEAD = "give another address with --mirror URL, or an archive that you have with --archive FILE"


class _Broken(Exception):
    """A try that ended early; the next one goes on from what was stored."""

    def __init__(self, reason: str, *, unreachable: bool = False):
        super().__init__(reason)
        self.unreachable = unreachable


class _Partial(NamedTuple):
    """What is stored of a download.

    Attributes:
        file: the bytes so far.
        notes: a file that says what they are the beginning of: {"url", "etag", "last_modified", "total"}.
    """

    file: Path
    notes: Path

    def size(self) -> int:
        """How many bytes there are."""
        return self.file.stat().st_size if self.file.exists() else 0

    def read_notes(self) -> dict[str, Any]:
        """The notes, empty where they are missing or were cut off."""
        try:
            return dict(json.loads(self.notes.read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def remove(self) -> None:
        """Forgets everything."""
        self.file.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    on_progress: Callable[[int, int | None], Any] = lambda done, total: None,
) -> Path:
    """Downloads a file, or goes on with it: what is there already is not fetched again.

    The bytes are collected in PATH.part, with PATH.part.json beside it; both are gone when the file is complete. If the
    file on the server is another one by then (by its ETag, Last-Modified or length), it is fetched from the beginning.

    Args:
        url: http or https.
        path: where to write it; its folder is made. If it exists it is checked and left as it is.
        sha256: what its SHA-256 checksum must be, in hexadecimal digits.
        size: how many bytes it must have.
        on_progress: called with the bytes that are there and how many there will be, None if the server does not say.

    Returns:
        the path.

    Raises:
        UserError: the address is none, cannot be reached, has no such file, or what came has another size or checksum
            (a new download is removed then); or the connection broke again and again (what came is kept).
        OSError: the disk is full or the folder cannot be written; what came is kept.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UserError(f"{url} is no address of a file to download: it must start with http:// or https://.")
    if path.exists():
        _check(path, f"{path}", sha256, size, f"remove it, so that it is downloaded again, or {INSTEAD}")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Partial(path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json"))
    if part.read_notes().get("url") != url:
        part.remove()
    _collect(url, part, size, on_progress)
    try:
        _check(part.file, f"what was downloaded from {url}", sha256, size, INSTEAD)
    except ValueError:
        part.remove()
        raise
    os.replace(part.file, path)
    part.remove()
    return path


def _collect(url: str, part: _Partial, size: int | None, on_progress: Callable[[int, int | None], Any]) -> None:
    """Tries until all is there, as long as tries bring something new."""
    at_first, failures = part.size(), 0
    while True:
        before = part.size()
        try:
            return _fetch(url, part, size, on_progress)
        except _Broken as broken:
            failures = 1 if part.size() > before else failures + 1
            if broken.unreachable and part.size() == at_first:
                raise UserError(
                    f"{urlsplit(url).hostname} cannot be reached ({broken}): check the network, {INSTEAD}."
                ) from None
            if failures >= TRIES:
                raise UserError(
                    f"the download of {url} broke off {failures} times in a row ({broken}) with {part.size()} bytes "
                    f"stored: start the same command later, it goes on from there, or {INSTEAD}."
                ) from None
        time.sleep(WAIT * 2 ** (failures - 1))


def _fetch(url: str, part: _Partial, size: int | None, on_progress: Callable[[int, int | None], Any]) -> None:
    """One try: asks for what is missing and stores what comes.

    Raises:
        _Broken: it ended early.
        UserError: there is no point in another try.
    """
    notes, start = part.read_notes(), part.size()
    if start and start == notes.get("total"):
        return
    with _open(url, part, notes, start) as response:
        if response.status != 206:
            start = 0  # the server sends all of it: it knows no ranges, or it is another file by now
        elif not _is_rest(response.headers, notes, start):
            part.remove()
            raise _Broken("the file on the server has changed")
        total = _total(response.headers, start)
        if size is not None and total is not None and total != size:
            part.remove()
            raise UserError(f"{url} has {total} bytes, but {size} were expected: {INSTEAD}.")
        if start == 0:
            headers = response.headers
            part.file.write_bytes(b"")
            noted = {"url": url, "etag": headers["ETag"], "last_modified": headers["Last-Modified"], "total": total}
            part.notes.write_text(json.dumps(noted))
        on_progress(start, total)
        with part.file.open("ab", buffering=0) as file:  # unbuffered: what came is kept even by a kill
            while chunk := _read(response):
                start += _write(file, chunk)
                on_progress(start, total)
    if total is not None and start < total:
        raise _Broken("the connection was closed early")


def _open(url: str, part: _Partial, notes: dict[str, Any], start: int) -> Any:
    """Asks the server, for what is missing only if `start` bytes are there."""
    headers = {"User-Agent": "p2p-jax"}
    if start:
        headers["Range"] = f"bytes={start}-"
        etag = notes.get("etag")
        validator = etag if etag and not etag.startswith("W/") else notes.get("last_modified")
        if validator:
            headers["If-Range"] = validator  # the server then sends all of it if it is another file by now
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is less on the server than here: it is another file
            part.remove()
            raise _Broken("the file on the server became shorter") from None
        if error.code >= 500:
            raise _Broken(f"the server answers {error.code} {error.reason}") from None
        raise UserError(f"{url} cannot be had (the server answers {error.code} {error.reason}): {INSTEAD}.") from None
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise _Broken(str(reason).lower(), unreachable=True) from None
    except (TimeoutError, ConnectionError) as error:
        raise _Broken(_reason(error)) from None
    except (http.client.InvalidURL, UnicodeError):
        raise UserError(f"{url} is no address of a file to download: it has characters that must be encoded.") from None
    except http.client.HTTPException as error:
        raise _Broken(_reason(error)) from None


def _read(response: Any) -> bytes:
    try:
        return response.read1(CHUNK)  # what has come, without waiting for more
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_reason(error)) from None


def _write(file: Any, chunk: bytes) -> int:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
    return len(chunk)


def _is_rest(headers: Message, notes: dict[str, Any], start: int) -> bool:
    """Whether an answer holds the rest of what is stored, from byte `start` on, and of the same file."""
    first, _, total = (headers["Content-Range"] or "").removeprefix("bytes ").partition("/")
    same = all(headers[name] == notes.get(note) for name, note in (("ETag", "etag"), ("Last-Modified", "last_modified")))
    same_length = notes.get("total") in (None, int(total) if total.isdecimal() else None)
    return start > 0 and first.split("-")[0] == str(start) and same and same_length


def _total(headers: Message, start: int) -> int | None:
    """How many bytes the whole file has."""
    length = headers["Content-Length"]
    return start + int(length) if length and length.isdecimal() else None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came for {TIMEOUT:.0f} seconds"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _check(path: Path, what: str, sha256: str | None, size: int | None, advice: str) -> None:
    """Refuses a file of another size or checksum."""
    have = path.stat().st_size
    if size is not None and have != size:
        raise UserError(f"{what} has {have} bytes, but {size} were expected: {advice}.")
    if sha256 is not None:
        check_sha256(file_sha256(path), sha256, what, advice)


def check_sha256(found: str, expected: str, what: str, advice: str) -> None:
    """Refuses a checksum other than the expected one; `what` has it, and `advice` says what to do about it."""
    if found != expected.lower():
        raise UserError(f"{what} has the SHA-256 checksum {found}, but {expected.lower()} was expected: {advice}.")


def file_sha256(path: Path) -> str:
    """The SHA-256 checksum of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

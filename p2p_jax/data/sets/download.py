"""Downloading a large file. An interrupted download resumes where it stopped."""

import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from p2p_jax.errors import UserError
from p2p_jax.files.writing import open_no_link, write_text

TIMEOUT = 30.0  # seconds without data, while connecting or reading
TRIES = 5  # consecutive tries without new data
WAIT = 1.0  # seconds before the second try; doubled before each further one
CHUNK = 2**20  # bytes
MAX_BYTES = 2**34  # of a file; the largest of the paper's sets has half of that

INSTEAD = "give another address with --mirror URL, or an archive that you have with --archive FILE"


class _Broken(Exception):
    """A try ended early; the next one resumes from the stored bytes."""

    def __init__(self, reason: str, *, unreachable: bool = False):
        super().__init__(reason)
        self.unreachable = unreachable


class _Partial(NamedTuple):
    """The stored beginning of a download.

    Attributes:
        file: the bytes so far.
        notes: a JSON file that identifies the download: {"url", "etag", "last_modified", "total"}.
    """

    file: Path
    notes: Path

    def size(self) -> int:
        """The number of stored bytes."""
        return self.file.stat().st_size if self.file.exists() else 0

    def read_notes(self) -> dict[str, Any]:
        """The notes; empty where they are missing or damaged."""
        try:
            notes = json.loads(self.notes.read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        kinds = {"url": str, "etag": str, "last_modified": str, "total": int}
        known = notes if isinstance(notes, dict) else {}
        return {name: known[name] for name, kind in kinds.items() if isinstance(known.get(name), kind)}

    def remove(self) -> None:
        """Removes both files."""
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
    """Downloads a file, or resumes its download.

    The bytes are collected in PATH.part, with PATH.part.json beside it; both are removed when the file is complete. If the
    file on the server has changed (by its ETag, Last-Modified or length), the download starts from the beginning.

    Args:
        url: http or https.
        path: of the file; its folder is made. An existing file is checked and kept.
        sha256: the expected SHA-256 checksum, in hexadecimal digits.
        size: the expected number of bytes.
        on_progress: called with the number of stored bytes and that of the whole file, None if it is unknown.

    Returns:
        The path.

    Raises:
        UserError: the address is invalid, cannot be reached, or has no such file; the file has another size or checksum, or
            is larger than `MAX_BYTES` or than the disk (a new download is then removed); or the connection broke
            repeatedly (the stored bytes are kept).
        OSError: the disk is full or the folder cannot be written; the stored bytes are kept.
    """
    if not _is_address(url):
        raise UserError(f"{url} is not the address of a file to download: it must start with http:// or https://.")
    if path.exists():
        _check(path, f"{path}", sha256, size, f"remove it to download it again, or {INSTEAD}")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Partial(path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json"))
    if part.read_notes().get("url") != url:
        part.remove()
    _collect(url, part, size, on_progress)
    try:
        _check(part.file, f"the file downloaded from {url}", sha256, size, INSTEAD)
    except UserError:
        part.remove()
        raise
    os.replace(part.file, path)
    part.remove()
    return path


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed bracket
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _collect(url: str, part: _Partial, size: int | None, on_progress: Callable[[int, int | None], Any]) -> None:
    """Tries until the file is complete. It gives up after `TRIES` tries without new data."""
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
                    f"stored: run the same command later to resume it, or {INSTEAD}."
                ) from None
        time.sleep(WAIT * 2 ** (failures - 1))


def _fetch(url: str, part: _Partial, size: int | None, on_progress: Callable[[int, int | None], Any]) -> None:
    """One try: requests the missing bytes and stores them.

    Raises:
        _Broken: it ended early.
        UserError: another try would not help.
    """
    notes, start = part.read_notes(), part.size()
    if start and start == notes.get("total"):
        return
    with _open(url, part, notes, start) as response:
        if response.status != 206:
            start = 0  # the server sends the whole file: it does not support ranges, or the file has changed
        elif not _is_rest(response.headers, notes, start):
            part.remove()
            raise _Broken("the file on the server has changed")
        total = _total(response.headers, start)
        if size is not None and total is not None and total != size:
            part.remove()
            raise UserError(f"{url} has {total} bytes, but {size} were expected: {INSTEAD}.")
        limit = _limit(url, part, total, start)
        if start == 0:
            headers = response.headers
            part.remove()
            noted = {"url": url, "etag": headers["ETag"], "last_modified": headers["Last-Modified"], "total": total}
            write_text(part.notes, json.dumps(noted))
        on_progress(start, total)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with open(open_no_link(part.file, flags), "ab", buffering=0) as file:  # so that stored bytes survive a kill
            while chunk := _read(response):
                if start + len(chunk) > limit:
                    part.remove()
                    raise UserError(f"{url} sends more than {limit} bytes and does not say how many there are: {INSTEAD}.")
                start += _write(file, chunk)
                on_progress(start, total)
    if total is not None and start < total:
        raise _Broken("the connection was closed early")


def _limit(url: str, part: _Partial, total: int | None, start: int) -> int:
    """The largest number of bytes that a file may have; half of the free disk if the server does not say how many it has.

    Raises:
        UserError: the server says that the file has more.
    """
    free = shutil.disk_usage(part.file.parent).free
    if total is None:
        return min(MAX_BYTES, start + free // 2)
    if total > MAX_BYTES:
        part.remove()
        raise UserError(f"{url} has {total} bytes, far more than the archive of a set: {INSTEAD}.")
    if total - start > free:
        raise UserError(f"{url} has {total} bytes, but the disk has only {free} free: free some space, or {INSTEAD}.")
    return total


def _open(url: str, part: _Partial, notes: dict[str, Any], start: int) -> Any:
    """Sends the request, for the rest only if `start` bytes are stored."""
    headers = {"User-Agent": "p2p-jax"}
    if start:
        headers["Range"] = f"bytes={start}-"
        etag = notes.get("etag")
        validator = etag if etag and not str(etag).startswith("W/") else notes.get("last_modified")
        if isinstance(validator, str) and validator.isascii() and validator.isprintable():
            headers["If-Range"] = validator  # the server sends the whole file if it has changed
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the file on the server is shorter than the stored bytes: it has changed
            part.remove()
            raise _Broken("the file on the server became shorter") from None
        if error.code >= 500:
            raise _Broken(f"the server answers {error.code} {error.reason}") from None
        raise UserError(
            f"{url} cannot be downloaded (the server answers {error.code} {error.reason}): {INSTEAD}."
        ) from None
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise _Broken(str(reason).lower(), unreachable=True) from None
    except (TimeoutError, ConnectionError) as error:
        raise _Broken(_reason(error)) from None
    except (http.client.InvalidURL, UnicodeError):
        raise UserError(
            f"{url} is not the address of a file to download: it has characters that must be encoded."
        ) from None
    except http.client.HTTPException as error:
        raise _Broken(_reason(error)) from None


def _read(response: Any) -> bytes:
    try:
        return response.read1(CHUNK)  # returns the available bytes without waiting for more
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_reason(error)) from None


def _write(file: Any, chunk: bytes) -> int:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
    return len(chunk)


def _is_rest(headers: Message, notes: dict[str, Any], start: int) -> bool:
    """Whether a response holds the rest of the same file, from byte `start` on."""
    first, _, total = (headers["Content-Range"] or "").removeprefix("bytes ").partition("/")
    same = all(headers[name] == notes.get(note) for name, note in (("ETag", "etag"), ("Last-Modified", "last_modified")))
    same_length = notes.get("total") in (None, int(total) if total.isdecimal() else None)
    return start > 0 and first.split("-")[0] == str(start) and same and same_length


def _total(headers: Message, start: int) -> int | None:
    """The number of bytes of the whole file."""
    length = headers["Content-Length"]
    return start + int(length) if length and length.isdecimal() else None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no data for {TIMEOUT:.0f} seconds"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _check(path: Path, what: str, sha256: str | None, size: int | None, advice: str) -> None:
    """Refuses a file with another size or checksum."""
    have = path.stat().st_size
    if size is not None and have != size:
        raise UserError(f"{what} has {have} bytes, but {size} were expected: {advice}.")
    if sha256 is not None:
        check_sha256(file_sha256(path), sha256, what, advice)


def check_sha256(found: str, expected: str, what: str, advice: str) -> None:
    """Raises UserError if a checksum is not the expected one; `what` names the file, `advice` says what to do."""
    if found != expected.lower():
        raise UserError(f"{what} has the SHA-256 checksum {found}, but {expected.lower()} was expected: {advice}.")


def file_sha256(path: Path) -> str:
    """The SHA-256 checksum of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Downloads that are interrupted, from a server on this machine."""

import hashlib
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.file_server import Server, serve

from p2p_jax.data.sets import download as module
from p2p_jax.data.sets.download import download
from p2p_jax.errors import UserError

CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve({"/set.tar.gz": CONTENT}) as running:
        yield running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT", 0.0)


def interrupted(server: Server, path: Path, at: int) -> None:
    """A download stopped by Ctrl-C after `at` bytes."""

    def stop(done: int, _total: int | None) -> None:
        if done >= at:
            raise KeyboardInterrupt

    server.stall_after = at  # otherwise more bytes may arrive before the stop
    with pytest.raises(KeyboardInterrupt):
        download(server.url("/set.tar.gz"), path, on_progress=stop)
    server.stall_after = None


def test_a_file_is_downloaded_and_progress_reported(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = tmp_path / "new" / "folder" / "set.tar.gz"
    assert download(server.url("/set.tar.gz"), path, on_progress=lambda *x: seen.append(x)) == path
    assert path.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [file.name for file in path.parent.iterdir()] == ["set.tar.gz"]
    download(server.url("/set.tar.gz"), path)
    assert len(server.requests) == 1, "an existing file is not requested"


def test_an_interrupted_download_requests_only_the_rest(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "set.tar.gz"
    interrupted(server, path, 100_000)
    stored = (tmp_path / "set.tar.gz.part").stat().st_size
    assert stored == 100_000
    assert not path.exists()
    server.sent = 0
    download(server.url("/set.tar.gz"), path)
    assert path.read_bytes() == CONTENT
    assert server.requests[1]["Range"] == f"bytes={stored}-"
    assert server.requests[1]["If-Range"] == server.etag
    assert server.sent == len(CONTENT) - stored
    assert [file.name for file in tmp_path.iterdir()] == ["set.tar.gz"]


def test_a_killed_download_keeps_the_stored_bytes(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "set.tar.gz"
    server.stall_after = 50_000
    code = "import sys, pathlib, p2p_jax.data.sets.download as d; d.download(sys.argv[1], pathlib.Path(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", code, server.url("/set.tar.gz"), str(path)])
    part = tmp_path / "set.tar.gz.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size == 50_000):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    server.stall_after = None
    download(server.url("/set.tar.gz"), path)
    assert path.read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == "bytes=50000-"


def test_broken_connections_are_resumed(server: Server, tmp_path: Path) -> None:
    server.break_after = 40_000
    path = download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 8
    assert server.sent == len(CONTENT), "no byte is sent twice"


def test_a_connection_that_always_breaks_is_given_up(server: Server, tmp_path: Path) -> None:
    server.break_after = 40_000
    server.ranges = False
    with pytest.raises(
        ValueError, match=r"broke off 5 times in a row .* with 40000 bytes stored: run the same command later to resume it"
    ):
        download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz.part").stat().st_size == 40_000


def test_a_server_without_ranges_sends_the_whole_file(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    server.ranges = False
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("honours_if_range", [True, False])
@pytest.mark.parametrize("etag", [True, False])
def test_a_changed_file_is_downloaded_from_the_beginning(
    server: Server, tmp_path: Path, honours_if_range: bool, etag: bool
) -> None:
    server.with_etag = etag
    server.honours_if_range = honours_if_range
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    changed = CONTENT[::-1]
    server.replace("/set.tar.gz", changed)
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == changed


def test_a_shortened_file_is_downloaded_from_the_beginning(server: Server, tmp_path: Path) -> None:
    server.with_etag = server.with_date = False  # only the length shows the change
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    server.replace("/set.tar.gz", CONTENT[:5000])
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT[:5000]
    assert 416 in server.answers


def test_a_longer_file_is_downloaded_from_the_beginning(server: Server, tmp_path: Path) -> None:
    server.with_etag = server.with_date = False
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    server.replace("/set.tar.gz", b"more" + CONTENT)
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == b"more" + CONTENT


def test_a_range_that_was_not_requested_is_refused(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    server.skips = 10
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT


def test_a_weak_etag_is_no_condition(server: Server, tmp_path: Path) -> None:
    server.weak = True
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert server.requests[1]["If-Range"] == server.dates["/set.tar.gz"]
    assert server.answers == [200, 206]


def test_another_address_is_downloaded_from_the_beginning(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    server.replace("/other.tar.gz", CONTENT[1:])
    download(server.url("/other.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT[1:]
    assert server.requests[1]["Range"] is None


def test_damaged_notes_are_ignored(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path / "set.tar.gz", 100_000)
    (tmp_path / "set.tar.gz.part.json").write_text('{"url": "ht')
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT


def test_a_download_stopped_after_the_last_byte_is_complete(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path / "set.tar.gz", len(CONTENT))
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_the_checksum_is_compared(server: Server, tmp_path: Path) -> None:
    right, wrong = hashlib.sha256(CONTENT).hexdigest(), "0" * 64
    with pytest.raises(ValueError, match=rf"has the SHA-256 checksum {right}, but {wrong} was expected") as caught:
        download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz", sha256=wrong)
    assert "--archive FILE" in str(caught.value)
    assert list(tmp_path.iterdir()) == [], "the bad file is gone"
    path = download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz", sha256=right.upper())
    with pytest.raises(ValueError, match="remove it to download it again"):
        download(server.url("/set.tar.gz"), path, sha256=wrong)
    assert path.exists(), "a complete file is never removed"


def test_the_size_is_compared(server: Server, tmp_path: Path) -> None:
    seen: list[Any] = []
    with pytest.raises(ValueError, match="has 300000 bytes, but 300001 were expected"):
        download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz", size=300_001, on_progress=lambda *x: seen.append(x))
    assert list(tmp_path.iterdir()) == []
    assert seen == [], "the size is checked before anything is downloaded"
    server.with_length = False
    with pytest.raises(ValueError, match="has 300000 bytes, but 300001 were expected"):
        download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz", size=300_001)
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz", size=300_000)


def test_a_missing_file_is_not_tried_again(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.tar\.gz cannot be downloaded \(the server answers 404 .*--mirror URL"):
        download(server.url("/nothing.tar.gz"), tmp_path / "set.tar.gz")
    assert len(server.requests) == 1


def test_a_busy_server_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.busy = 2
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert server.answers == [503, 503, 200]


def test_an_unreachable_server_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ValueError, match=r"127.0.0.1 cannot be reached \(connection refused\): check the network"):
        download(f"http://127.0.0.1:{port}/set.tar.gz", tmp_path / "set.tar.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["set.tar.gz", "ftp://host/set.tar.gz", "file:///etc/passwd", "http:///set", "http://[::1/set"]
)
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must start with http"):
        download(url, tmp_path / "set.tar.gz")


def test_a_silent_server_is_given_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    monkeypatch.setattr(module, "TRIES", 2)
    server.stall_after = 10_000
    server.ranges = False
    with pytest.raises(ValueError, match=r"broke off 2 times in a row \(no data for"):
        download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")


FULL = """
import pathlib, resource, signal, sys
from p2p_jax.data.sets.download import download
from p2p_jax.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    download(sys.argv[1], pathlib.Path(sys.argv[2]))
except OSError as error:
    print(error.strerror)
"""


def test_a_full_disk_keeps_the_stored_bytes(server: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, server.url("/set.tar.gz"), str(tmp_path / "set.tar.gz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "File too large\n", done.stderr
    assert (tmp_path / "set.tar.gz.part").stat().st_size == 50_000
    assert json.loads((tmp_path / "set.tar.gz.part.json").read_text())["total"] == len(CONTENT)
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == "bytes=50000-"


@pytest.mark.parametrize("name", ["set.tar.gz.part", "set.tar.gz.part.json"])
def test_links_beside_a_download_are_not_followed(server: Server, tmp_path: Path, name: str) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / name).symlink_to(tmp_path / "victim")
    assert download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz").read_bytes() == CONTENT
    assert (tmp_path / "victim").read_text() == "precious"


def test_bytes_are_not_appended_through_a_link(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "set.tar.gz"
    interrupted(server, path, at=100_000)
    part = tmp_path / "set.tar.gz.part"
    (tmp_path / "victim").write_bytes(part.read_bytes())
    part.unlink()
    part.symlink_to(tmp_path / "victim")
    before = (tmp_path / "victim").read_bytes()
    with pytest.raises(UserError, match=r"set\.tar\.gz\.part is a link"):
        download(server.url("/set.tar.gz"), path)
    assert (tmp_path / "victim").read_bytes() == before


@pytest.mark.parametrize("etag", ["a\r\nHost: evil", 3, ["x"], {"a": 1}, "é\x00"])
def test_notes_that_somebody_else_wrote_are_no_header(server: Server, tmp_path: Path, etag: Any) -> None:
    path = tmp_path / "set.tar.gz"
    interrupted(server, path, at=100_000)
    notes = tmp_path / "set.tar.gz.part.json"
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"etag": etag, "last_modified": etag}))
    assert download(server.url("/set.tar.gz"), path).read_bytes() == CONTENT

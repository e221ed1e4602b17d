"""Files of a set are fetched once, completely, checked, and resumed after a kill."""

import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from helpers.sets import count_reads
from helpers.shards import NAMES, opened

from p2p_jax.errors import NotFetched
from p2p_jax.storage import shards
from p2p_jax.storage.shards import Shards, version_of

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bucket with three files of 10240 bytes, which are read 1000 bytes at a time."""
    monkeypatch.setattr(shards, "CHUNK", 1000)
    monkeypatch.setattr(shards, "WAIT_SECONDS", 0.0)
    (tmp_path / "bucket").mkdir()
    for i, name in enumerate(NAMES):
        (tmp_path / "bucket" / name).write_bytes(bytes([i]) + CONTENT[1:])
    return tmp_path / "bucket"


def check(bucket: Path, found: Shards, name: str) -> None:
    assert (found.folder / name).read_bytes() == (bucket / name).read_bytes()


def test_a_file_is_fetched_once(bucket, monkeypatch):
    reads, found = count_reads(monkeypatch), opened(bucket)
    for _ in range(2):
        found.fetch(NAMES[1])
    check(bucket, found, NAMES[1])
    assert sum(size for _, size in reads) == len(CONTENT)
    assert [name for name in NAMES if found.is_there(name)] == [NAMES[1]]


@pytest.mark.parametrize("there", [1, 4321, 10239, 10240])
def test_a_partial_file_is_resumed_and_not_taken_for_the_file(bucket, monkeypatch, there):
    reads, found = count_reads(monkeypatch), opened(bucket)
    (found.folder / "partial").mkdir()
    (found.folder / "partial" / NAMES[0]).write_bytes((bucket / NAMES[0]).read_bytes()[:there])
    assert not found.is_there(NAMES[0])
    found.fetch(NAMES[0])
    check(bucket, found, NAMES[0])
    assert sum(size for _, size in reads) == len(CONTENT) - there


@pytest.mark.parametrize("wrong", [b"x" * 10241, b"x" * 10240, b"x" * 5])
def test_a_wrong_partial_file_is_found_by_the_checksum(bucket, wrong):
    sums = {name: hashlib.sha256((bucket / name).read_bytes()).hexdigest() for name in NAMES}
    found = opened(bucket, sums=sums)
    (found.folder / "partial").mkdir()
    (found.folder / "partial" / NAMES[0]).write_bytes(wrong)
    found.fetch(NAMES[0])
    check(bucket, found, NAMES[0])


def test_a_cut_file_of_the_cache_is_fetched_again(bucket):
    found = opened(bucket)
    found.fetch(NAMES[2])
    (found.folder / NAMES[2]).write_bytes(b"cut")
    found.fetch(NAMES[2])
    check(bucket, found, NAMES[2])


def test_a_damaged_file_and_a_replaced_one_are_refused(bucket):
    found = opened(bucket, sums={NAMES[0]: "0" * 64})
    with pytest.raises(NotFetched, match="does not have the checksum in the set's record") as caught:
        found.fetch(NAMES[0])
    assert caught.value.code == 2
    (bucket / NAMES[1]).write_bytes(CONTENT[::-1])
    with pytest.raises(NotFetched, match="was replaced after the set was opened"):
        found.fetch(NAMES[1])
    assert not any(map(found.is_there, NAMES[:2]))


def test_the_version_of_a_file_is_the_same_from_both_kinds_of_reply():
    assert version_of({"etag": '"0x8D"', "size": 1}) == version_of({"etag": "0x8D", "name": "x"}) == "etag 0x8D"
    assert version_of({"ETag": '"a"'}) != version_of({"ETag": '"b"'})
    assert version_of({"generation": "7", "etag": "x"}) == version_of({"generation": 7, "etag": "y"})
    assert version_of({"name": "x"}) == ""


def test_a_file_that_was_removed_is_named_at_once(bucket):
    found = opened(bucket)
    (bucket / NAMES[0]).unlink()
    with pytest.raises(NotFetched, match=r"file://.* is no longer there: copy the set to the bucket again"):
        found.fetch(NAMES[0])


@pytest.mark.parametrize("fault", [ConnectionError("gone"), TimeoutError(), RuntimeError("503")])
def test_a_connection_that_breaks_now_and_then_is_tried_again(bucket, monkeypatch, fault):
    real, failures = LocalFileSystem.cat_file, 0

    def unreliable(self, *args, **options):
        nonlocal failures
        failures += 1
        if failures % 3:
            raise fault
        return real(self, *args, **options)

    monkeypatch.setattr(LocalFileSystem, "cat_file", unreliable)
    found = opened(bucket)
    found.fetch(NAMES[0])
    check(bucket, found, NAMES[0])
    monkeypatch.setattr(LocalFileSystem, "cat_file", lambda *_, **__: b"short")
    with pytest.raises(NotFetched, match=r"5 bytes came in place of 1000.*give the same command again") as caught:
        found.fetch(NAMES[1])
    assert caught.value.code == 75


def test_a_cache_that_cannot_be_written_is_named(bucket):
    found = opened(bucket)
    (found.folder / "partial").write_bytes(b"")
    with pytest.raises(NotFetched, match=f"{found.folder} cannot be written .*set XDG_CACHE_HOME"):
        found.fetch(NAMES[0])


FETCH = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from fsspec.implementations.local import LocalFileSystem
from helpers.shards import NAMES, opened
from p2p_jax.storage import shards
shards.CHUNK = 1000
real = LocalFileSystem.cat_file
def slow(self, path, start, end):
    time.sleep(float(sys.argv[2]))
    with open(sys.argv[1] + ".log", "a") as file:
        file.write(f"{Path(path).name} {start} {end}\\n")
    return real(self, path, start=start, end=end)
LocalFileSystem.cat_file = slow
found = opened(Path(sys.argv[1]))
for name in NAMES[::int(sys.argv[4])]:
    found.fetch(name)
"""


def start(bucket: Path, seconds: float, order: int = 1) -> subprocess.Popen:
    tests = str(Path(__file__).parents[1])
    return subprocess.Popen([sys.executable, "-c", FETCH, str(bucket), str(seconds), tests, str(order)])


def logged(bucket: Path) -> list[str]:
    log = Path(f"{bucket}.log")
    return log.read_text().splitlines() if log.exists() else []


def test_processes_share_the_work_and_the_next_one_resumes_what_a_killed_one_began(bucket):
    killed = start(bucket, 0.02)
    while len(logged(bucket)) < 15:
        assert killed.poll() is None
        time.sleep(0.005)
    killed.kill()
    killed.wait()
    found = opened(bucket)
    assert [found.is_there(name) for name in NAMES] == [True, False, False]
    before = len(logged(bucket))
    both = [start(bucket, 0.01, order) for order in (1, -1)]
    assert [process.wait() for process in both] == [0, 0]
    for name in NAMES:
        check(bucket, found, name)
    lines = logged(bucket)
    assert len(set(lines[:before]) & set(lines[before:])) <= 1, "at most the read that was interrupted is done again"
    assert len(lines[before:]) == len(set(lines[before:])) <= 3 * 11 - before + 1


def test_a_reader_waits_for_the_thread_that_fetches_and_can_be_interrupted(bucket, monkeypatch):
    going = threading.Event()
    real = LocalFileSystem.cat_file
    monkeypatch.setattr(LocalFileSystem, "cat_file", lambda *a, **o: going.wait(30) and real(*a, **o))
    found = opened(bucket)
    found.expect(iter(NAMES))
    other = opened(bucket)
    reader = threading.Thread(target=other.fetch, args=(NAMES[2],))
    reader.start()
    assert reader.is_alive()
    going.set()
    reader.join(30)
    check(bucket, found, NAMES[2])
    shards.close_all()
    found.folder.joinpath(NAMES[0]).unlink(missing_ok=True)
    with pytest.raises(NotFetched, match="was interrupted"):
        found.fetch(NAMES[0])

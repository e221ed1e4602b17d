"""The cache of prepared sets is bounded, and never loses a set that a process uses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from p2p_jax.errors import UserError
from p2p_jax.storage import set_cache

GIB = 2**30


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("P2P_JAX_SET_CACHE_GIB", str(1000 / GIB))
    yield
    set_cache.leave_all()


def filled(name: str, size: int, *, age: float = 0.0) -> Path:
    """A set in the cache that no process uses, opened `age` seconds ago."""
    folder = set_cache.join(name, size, f"gs://b/{name}")
    (folder / "shard").write_bytes(bytes(size))
    set_cache.leave_all()
    os.utime(folder, (1e9 - age, 1e9 - age))
    return folder


HOLD = "from p2p_jax.storage import set_cache; set_cache.join('{}', {}, 'gs://b/x'); print('held', flush=True); input()"


@contextmanager
def other_process(name: str, size: int) -> Iterator[subprocess.Popen]:
    """Another process that uses a set."""
    code = HOLD.format(name, size)
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_least_recently_opened_sets_are_removed():
    oldest, middle, newest = (filled(name, 300, age=age) for name, age in (("a", 3), ("b", 1), ("c", 2)))
    assert oldest.exists()
    set_cache.join("d", 450, "gs://b/d")
    assert [folder.exists() for folder in (oldest, newest, middle)] == [False, False, True]


def test_opening_a_set_again_makes_it_recent():
    first, second = filled("a", 400, age=2), filled("b", 400, age=1)
    set_cache.join("a", 400, "gs://b/a")
    set_cache.leave_all()
    set_cache.join("c", 300, "gs://b/c")
    assert first.exists()
    assert not second.exists()


@pytest.mark.parametrize("size", [601, 900, 1000])
def test_a_set_that_another_process_uses_stays(size):
    unused = filled("a", 100)
    with other_process("b", 400):
        used = set_cache.find_root() / "b"
        (used / "shard").write_bytes(bytes(400))
        with pytest.raises(UserError, match=r"gs://b/c has .* and running processes use .* of other sets, but the cache"):
            set_cache.join("c", size, "gs://b/c")
        assert (used / "shard").exists()
        assert (unused / "shard").exists(), "nothing is removed for a set that has no room"
        set_cache.join("c", 600, "gs://b/c")
        assert (used / "shard").exists()
        assert not unused.exists()


def test_a_set_of_a_killed_process_can_be_removed():
    with other_process("a", 900):
        (set_cache.find_root() / "a" / "shard").write_bytes(bytes(900))
    set_cache.join("b", 900, "gs://b/b")
    assert not (set_cache.find_root() / "a").exists()


def test_this_process_keeps_its_sets_until_it_leaves_them():
    own = set_cache.join("a", 600, "gs://b/a")
    (own / "shard").write_bytes(bytes(600))
    with pytest.raises(UserError, match="P2P_JAX_SET_CACHE_GIB"):
        set_cache.join("b", 600, "gs://b/b")
    assert own.exists()
    set_cache.leave_all()
    set_cache.join("b", 600, "gs://b/b")
    assert not own.exists()


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("P2P_JAX_SET_CACHE_GIB", text)
    with pytest.raises(UserError, match=r"P2P_JAX_SET_CACHE_GIB is .*: it must be a positive number of GiB"):
        set_cache.join("a", 1, "gs://b/a")


def test_the_default_limit_is_64_gib(monkeypatch):
    monkeypatch.delenv("P2P_JAX_SET_CACHE_GIB")
    assert set_cache.limit_in_bytes() == 64 * GIB


def test_a_cache_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    set_cache.find_root().parent.mkdir(parents=True)
    set_cache.find_root().symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match=r"is a link, or belongs to another user: set XDG_CACHE_HOME"):
        set_cache.join("a", 1, "gs://b/a")
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_link_in_the_cache_is_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_bytes(bytes(900))
    set_cache.join("a", 1, "gs://b/a")
    (set_cache.find_root() / "planted").symlink_to(tmp_path / "mine")
    set_cache.join("b", 900, "gs://b/b")
    assert (tmp_path / "mine" / "thesis.tex").exists()

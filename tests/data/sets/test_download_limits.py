"""Downloads that are too large, and replies without an end, from a server on this machine."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

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


def test_a_reply_without_an_end_does_not_fill_the_disk(server: Server, tmp_path: Path, monkeypatch) -> None:
    server.with_length = False
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=len(CONTENT)))
    with pytest.raises(UserError, match=f"sends more than {len(CONTENT) // 2} bytes and does not say how many there are"):
        download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=3 * len(CONTENT)))
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")


@pytest.mark.parametrize(
    ("free", "most", "said"),
    [(200_000, 2**34, "the disk has only 200000 free"), (2**40, 299_999, "has 300000 bytes, far more than")],
)
def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    server: Server, tmp_path: Path, monkeypatch, free: int, most: int, said: str
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=free))
    monkeypatch.setattr(module, "MAX_BYTES", most)
    with pytest.raises(UserError, match=said):
        download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "notes", [b'{"url": 1}', b"[" * 100_000, b"\xff", b'{"etag": 3, "total": "x", "url": ' + b'"URL"}']
)
def test_damaged_notes_start_the_download_again(server: Server, tmp_path: Path, notes: bytes) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(b"something else")
    (tmp_path / "set.tar.gz.part.json").write_bytes(notes.replace(b"URL", server.url("/set.tar.gz").encode()))
    download(server.url("/set.tar.gz"), tmp_path / "set.tar.gz")
    assert (tmp_path / "set.tar.gz").read_bytes() == CONTENT

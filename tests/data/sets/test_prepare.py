"""Preparing sets from Python: downloads that are interrupted or killed, archives, and one's own pictures."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.file_server import Server
from helpers.small_archives import COUNTS, litter, pictures, read_all, serve_archives, state, write_own

from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets import archives
from p2p_jax.data.sets.prepare import compare_with_published, find_address, prepare_data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve_archives(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def own_pictures(tmp_path: Path) -> Path:
    return write_own(tmp_path / "my pictures")


def interrupted(name: str, root: Path, stage: str, at: int) -> None:
    """A preparation that Ctrl-C stops when `at` bytes or pairs of a stage are done."""

    def stop(doing: str, done: int, _total: int | None) -> None:
        if doing == stage and done >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_data(name, data_dir=root, on_progress=stop)


@pytest.mark.parametrize("name", PAPER_SETS)
def test_every_set_is_downloaded_once_and_prepared(name: str, server: Server, root: Path) -> None:
    archive = server.files[f"/sets/{name}.tar.gz"]
    stored = server.stall_after = len(archive) // 2
    interrupted(name, root, "download", stored)
    server.stall_after = None
    assert (root / "downloads" / "pix2pix" / f"{name}.tar.gz.part").stat().st_size == stored

    server.sent = 0
    prepared = prepare_data(name, data_dir=root)
    assert server.sent == len(archive) - stored, "only the rest is downloaded"
    assert prepared == (root / "pix2pix" / name / "1.0.0", COUNTS[name], True)
    assert sorted(litter(root)) == ["pix2pix", f"pix2pix/{name}"]

    before, requests = state(root), len(server.requests)
    assert prepare_data(f"pix2pix/{name}", data_dir=root) == prepared._replace(new=False)
    assert state(root) == before
    assert len(server.requests) == requests
    found = {split: read_all(records) for split, records in open_prepared(name, root).splits.items()}
    assert found == pictures(name, side=48)


def test_progress_of_every_stage_is_reported(server: Server, root: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    prepare_data("facades", data_dir=root, on_progress=lambda *args: seen.append(args))
    size = len(server.files["/sets/facades.tar.gz"])
    assert seen[0] == ("download", 0, None), "before the connection"
    last = {stage: (done, total) for stage, done, total in seen}
    assert last == {"download": (size, size), "read": (size, size), "write": (19, 19)}


def test_other_numbers_of_pairs_than_published_are_named() -> None:
    published = PAPER_SETS["maps"].pairs
    assert compare_with_published("maps", published) == []
    (sentence,) = compare_with_published("maps", {**published, "val": 7})
    assert "val has 7 pairs, but 1098 were published" in sentence


def test_the_address_of_the_paper_is_the_default() -> None:
    assert archives.MIRROR == "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
    assert find_address("facades") == f"{archives.MIRROR}/facades.tar.gz"
    assert find_address("facades", "http://host/sets/") == "http://host/sets/facades.tar.gz"
    assert find_address("facades", "http://host/other.tar.gz") == "http://host/other.tar.gz"


@pytest.mark.parametrize("stage", ["read", "write"])
def test_an_interrupted_preparation_does_not_download_again(stage: str, server: Server, root: Path) -> None:
    interrupted("facades", root, stage, 5)
    assert litter(root) == ["downloads", "downloads/pix2pix", "downloads/pix2pix/facades.tar.gz"]
    assert prepare_data("facades", data_dir=root).new
    assert len(server.requests) == 1
    assert sorted(litter(root)) == ["pix2pix", "pix2pix/facades"]


PREPARE = """
import os, signal, sys
from p2p_jax.data.sets.prepare import prepare_data
def kill(stage, done, total):
    if (stage, done) == ("write", 13):
        os.kill(os.getpid(), signal.SIGKILL)
prepare_data(sys.argv[1], data_dir=sys.argv[2], mirror=sys.argv[3], on_progress=kill)
"""


def test_a_killed_preparation_does_not_download_again(server: Server, root: Path) -> None:
    command = [sys.executable, "-c", PREPARE, "facades", str(root), server.url("/sets/")]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert any("incomplete" in path for path in litter(root))
    assert prepare_data("facades", data_dir=root).new
    assert len(server.requests) == 1
    assert sorted(litter(root)) == ["pix2pix", "pix2pix/facades"]


def test_a_killed_download_is_resumed(server: Server, root: Path) -> None:
    address = server.url("/sets/maps.tar.gz")
    server.stall_after = 20_000
    process = subprocess.Popen([sys.executable, "-c", PREPARE, "maps", str(root), address])
    part = root / "downloads" / "pix2pix" / "maps.tar.gz.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size == 20_000):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    server.stall_after = None
    assert prepare_data("maps", data_dir=root, mirror=address).new
    assert server.requests[-1]["Range"] == "bytes=20000-"


def test_an_archive_of_the_user_is_used_and_kept(server: Server, root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(server.files["/sets/night2day.tar.gz"])
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest().upper()
    assert prepare_data("pix2pix/night2day", data_dir=root, archive=archive, sha256=checksum).new
    assert server.requests == []
    assert archive.exists()
    with pytest.raises(ValueError, match=r"was prepared from an archive with the SHA-256 .* add --overwrite"):
        prepare_data("night2day", data_dir=root, archive=archive, sha256="0" * 64)
    with pytest.raises(ValueError, match=rf"{archive} has the SHA-256 checksum .*, but 0+ was expected"):
        prepare_data("night2day", data_dir=root, archive=archive, sha256="0" * 64, overwrite=True)


def test_the_download_is_kept_on_request(server: Server, root: Path) -> None:
    prepare_data("facades", data_dir=root, keep_archive=True)
    kept = root / "downloads" / "pix2pix" / "facades.tar.gz"
    assert kept.read_bytes() == server.files["/sets/facades.tar.gz"]
    prepare_data("facades", data_dir=root)
    assert kept.exists()
    prepare_data("facades", data_dir=root, overwrite=True)
    assert not kept.exists()
    assert len(server.requests) == 1


def test_a_wrong_checksum_is_refused(server: Server, root: Path) -> None:
    with pytest.raises(ValueError, match=r"has the SHA-256 checksum [0-9a-f]{64}, but 1{64} was expected"):
        prepare_data("facades", data_dir=root, sha256="1" * 64)
    assert not root.exists()


def test_a_damaged_download_is_downloaded_again(server: Server, root: Path) -> None:
    complete = server.files["/sets/facades.tar.gz"]
    server.replace("/sets/facades.tar.gz", complete[: len(complete) // 2])
    with pytest.raises(ValueError, match="is damaged or truncated"):
        prepare_data("facades", data_dir=root)
    server.replace("/sets/facades.tar.gz", complete)
    assert prepare_data("facades", data_dir=root).new


def test_a_damaged_archive_of_the_user_is_kept(root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=r"mine\.tar\.gz is damaged"):
        prepare_data("facades", data_dir=root, archive=archive)
    assert archive.exists()
    assert not root.exists()


def test_an_archive_of_the_user_is_kept_where_downloads_are_stored(server: Server, root: Path) -> None:
    archive = root / "downloads" / "pix2pix" / "facades.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(server.files["/sets/facades.tar.gz"])
    assert prepare_data("facades", data_dir=root, archive=archive).new
    assert archive.exists()
    archive.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"facades\.tar\.gz is damaged"):
        prepare_data("facades", data_dir=root, archive=archive, overwrite=True)
    assert archive.exists()


def test_missing_files_and_servers_are_named(server: Server, root: Path) -> None:
    with pytest.raises(ValueError, match=r"other/facades\.tar\.gz cannot be downloaded \(the server answers 404"):
        prepare_data("facades", data_dir=root, mirror=server.url("/other"))
    with pytest.raises(ValueError, match=r"cannot be reached .*--archive FILE"):
        prepare_data("facades", data_dir=root, mirror="http://127.0.0.1:1/sets")
    assert not root.exists()


def test_own_pictures_are_prepared_once(own_pictures: Path, root: Path) -> None:
    prepared = prepare_data("mine", folder=own_pictures, data_dir=root)
    assert prepared == (root / "mine" / "1.0.0", {"train": 11, "test": 2}, True)
    records = open_prepared("mine", root).splits["train"]
    assert [records[i]["name"] for i in (1, 2, 10)] == [b"1", b"2", b"10"]
    assert records[10]["B"] == (own_pictures / "train" / "B" / "10.png").read_bytes()
    before = state(root)
    assert not prepare_data("mine", folder=str(own_pictures), data_dir=str(root)).new
    assert state(root) == before


def test_the_name_of_another_folder_needs_overwrite(own_pictures: Path, root: Path) -> None:
    prepare_data("mine", folder=own_pictures, data_dir=root)
    with pytest.raises(ValueError, match="holds the pictures of another folder"):
        prepare_data("mine", folder=own_pictures / "test", data_dir=root)
    assert prepare_data("mine", folder=own_pictures / "test", data_dir=root, overwrite=True).new
    assert len(open_prepared("mine", root).splits["train"]) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_os_error(own_pictures: Path, root: Path) -> None:
    root.mkdir()
    root.chmod(0o500)
    with pytest.raises(PermissionError):
        prepare_data("mine", folder=own_pictures, data_dir=root)

"""The command `p2p-jax data prepare`, with the archives on a server of this machine."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.file_server import Server, serve
from helpers.runs import quick_experiment, rows_of
from helpers.small_archives import COUNTS, pictures, write_archive
from PIL import Image

from p2p_jax.cli import data_prepare as module
from p2p_jax.cli import main
from p2p_jax.cli.data_prepare import prepare
from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets import archives, download
from p2p_jax.training import trainer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves all six archives; the paper's address leads nowhere but here."""
    files = {}
    for name in PAPER_SETS:
        path = write_archive(tmp_path / f"{name}.tar.gz", name, pictures(name, side=48))
        files[f"/sets/{name}.tar.gz"] = path.read_bytes()
        path.unlink()
    monkeypatch.setattr(download, "WAIT", 0.0)
    with serve(files) as running:
        monkeypatch.setattr(module, "MIRROR", running.url("/sets"))
        yield running


def litter(root: Path) -> list[str]:
    """Everything below the data folder that is not of a finished set."""
    return [str(p.relative_to(root)) for p in root.rglob("*") if "1.0.0" not in p.parts or "incomplete" in str(p)]


def state(root: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*")}


def interrupted(arguments: list[str], what: str, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, stopped by Ctrl-C when `at` bytes or pairs of some work are done."""
    with monkeypatch.context() as patch:
        from contextlib import contextmanager

        @contextmanager
        def stopping(_console: object) -> Iterator[object]:
            def stop(doing: str, done: int, _total: int | None) -> None:
                if doing == what and done >= at:
                    raise KeyboardInterrupt

            yield stop

        patch.setattr(module, "_progress", stopping)
        with pytest.raises(KeyboardInterrupt):
            prepare(arguments)


@pytest.mark.parametrize("name", PAPER_SETS)
def test_every_set(
    name: str, server: Server, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [name, "--data-dir", str(root)]
    archive = server.files[f"/sets/{name}.tar.gz"]
    stored = server.stall_after = len(archive) // 2
    interrupted(arguments, "download", stored, monkeypatch)
    server.stall_after = None
    assert (root / "downloads" / "pix2pix" / f"{name}.tar.gz.part").stat().st_size == stored

    server.sent = 0
    assert prepare(arguments) == 0
    assert server.sent == len(archive) - stored, "only what was missing is fetched"
    said = capsys.readouterr().out
    assert f"train {COUNTS[name]['train']}, val {COUNTS[name]['val']}" in said
    assert f"train has {COUNTS[name]['train']} pairs, but {PAPER_SETS[name].pairs['train']} were published" in said
    assert said.splitlines()[-1].startswith(f"Next:  p2p-jax train {name} ")
    assert said.splitlines()[-1].endswith(f"--data.tfds-dir {root}")
    assert sorted(litter(root)) == ["pix2pix", f"pix2pix/{name}"]

    before, asked = state(root), len(server.requests)
    assert prepare(arguments) == 0
    assert "Already prepared" in capsys.readouterr().out
    assert state(root) == before
    assert len(server.requests) == asked

    splits = open_prepared(name, root).splits
    found = {
        split: {records[i]["name"].decode(): records[i]["pair"] for i in range(len(records))}
        for split, records in splits.items()
    }
    assert found == pictures(name, side=48)

    monkeypatch.setattr(trainer, "_write_report", lambda *_: None)
    line = ["train", quick_experiment(root.parent), "--workdir", str(root.parent / "run"), "--data.tfds", f"pix2pix/{name}"]
    assert main([*line, "--data.tfds-dir", str(root)]) == 0
    assert rows_of(root.parent / "run")[-1]["step"] == 1


def test_the_paper_address() -> None:
    assert archives.MIRROR == "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
    options = module.Prepare(set="facades")
    assert module._address(options, "facades") == f"{archives.MIRROR}/facades.tar.gz"


@pytest.mark.parametrize("what", ["read", "write"])
def test_interrupted_preparation_does_not_download_again(
    what: str, server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["facades", "--data-dir", str(root)]
    interrupted(arguments, what, 5, monkeypatch)
    assert litter(root) == ["downloads", "downloads/pix2pix", "downloads/pix2pix/facades.tar.gz"]
    assert prepare(arguments) == 0
    assert len(server.requests) == 1
    assert sorted(litter(root)) == ["pix2pix", "pix2pix/facades"]


KILLED = """
import os, signal, sys
from p2p_jax.data.sets import shards
real = shards._write_shard
def killing(path, records):
    if "validation" in str(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, records)
shards._write_shard = killing
from p2p_jax.data.sets.prepare import prepare
prepare(sys.argv[1:])
"""


def test_killed_preparation(server: Server, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["facades", "--data-dir", str(root), "--mirror", server.url("/sets/")]
    assert subprocess.run([sys.executable, "-c", KILLED, *arguments]).returncode == -signal.SIGKILL
    assert any("incomplete" in path for path in litter(root))
    assert prepare(arguments) == 0
    assert len(server.requests) == 1
    assert sorted(litter(root)) == ["pix2pix", "pix2pix/facades"]


def test_killed_download(server: Server, root: Path) -> None:
    arguments = ["maps", "--data-dir", str(root), "--mirror", server.url("/sets/maps.tar.gz")]
    server.stall_after = 20_000
    code = "import sys; from p2p_jax.data.sets.prepare import prepare; prepare(sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)
    part = root / "downloads" / "pix2pix" / "maps.tar.gz.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size == 20_000):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    server.stall_after = None
    assert prepare(arguments) == 0
    assert server.requests[-1]["Range"] == "bytes=20000-"


def test_archive_at_hand_is_left_alone(server: Server, root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(server.files["/sets/night2day.tar.gz"])
    arguments = ["pix2pix/night2day", "--data-dir", str(root), "--archive", str(archive)]
    assert prepare([*arguments, "--sha256", hashlib.sha256(archive.read_bytes()).hexdigest().upper()]) == 0
    assert server.requests == []
    assert archive.exists()
    with pytest.raises(ValueError, match=r"was prepared from an archive with the SHA-256 .* add --overwrite"):
        prepare([*arguments, "--sha256", "0" * 64])
    with pytest.raises(ValueError, match=rf"{archive} has the SHA-256 checksum .*, but 0+ was expected"):
        prepare([*arguments, "--sha256", "0" * 64, "--overwrite"])


def test_keep_archive(server: Server, root: Path) -> None:
    arguments = ["facades", "--data-dir", str(root)]
    prepare([*arguments, "--keep-archive"])
    kept = root / "downloads" / "pix2pix" / "facades.tar.gz"
    assert kept.read_bytes() == server.files["/sets/facades.tar.gz"]
    prepare(arguments)
    assert kept.exists()
    prepare([*arguments, "--overwrite"])
    assert not kept.exists()
    assert len(server.requests) == 1


def test_wrong_checksum(server: Server, root: Path) -> None:
    with pytest.raises(ValueError, match=r"has the SHA-256 checksum [0-9a-f]{64}, but 1{64} was expected"):
        prepare(["facades", "--data-dir", str(root), "--sha256", "1" * 64])
    assert not root.exists()


def test_damaged_download_is_fetched_anew(server: Server, root: Path) -> None:
    whole = server.files["/sets/facades.tar.gz"]
    server.replace("/sets/facades.tar.gz", whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is damaged or cut off"):
        prepare(["facades", "--data-dir", str(root)])
    server.replace("/sets/facades.tar.gz", whole)
    assert prepare(["facades", "--data-dir", str(root)]) == 0


def test_damaged_archive_of_the_user_is_kept(root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=r"mine\.tar\.gz is damaged"):
        prepare(["facades", "--data-dir", str(root), "--archive", str(archive)])
    assert archive.exists()
    assert not root.exists()


def test_no_network_and_no_such_file(server: Server, root: Path) -> None:
    with pytest.raises(ValueError, match=r"other/facades\.tar\.gz cannot be had \(the server answers 404"):
        prepare(["facades", "--data-dir", str(root), "--mirror", server.url("/other")])
    with pytest.raises(ValueError, match=r"cannot be reached .*--archive FILE"):
        prepare(["facades", "--data-dir", str(root), "--mirror", "http://127.0.0.1:1/sets"])
    assert not root.exists()


# One's own pictures


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "my pictures"
    for split, count in (("train", 11), ("test", 2)):
        for part in "AB":
            (folder / split / part).mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / part / f"{i}.png")
    return folder


def test_own_pictures(own: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--from", str(own), "--name", "mine", "--data-dir", str(root)]
    assert prepare(arguments) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("train 11, test 2 pairs.")
    assert said[-1] == f"Next:  p2p-jax train pix2pix --data.tfds mine --data.tfds-dir {root}"
    records = open_prepared("mine", root).splits["train"]
    assert [records[i]["name"] for i in (1, 2, 10)] == [b"1", b"2", b"10"]
    assert records[10]["B"] == (own / "train" / "B" / "10.png").read_bytes()
    before = state(root)
    assert prepare(arguments) == 0
    assert "Already prepared" in capsys.readouterr().out
    assert state(root) == before


def test_own_name_taken_by_another_folder(own: Path, root: Path) -> None:
    arguments = ["--name", "mine", "--data-dir", str(root)]
    prepare(["--from", str(own), *arguments])
    with pytest.raises(ValueError, match="holds the pictures of another folder"):
        prepare(["--from", str(own / "test"), *arguments])
    assert prepare(["--from", str(own / "test"), *arguments, "--overwrite"]) == 0
    assert len(open_prepared("mine", root).splits["train"]) == 2


def test_default_folder_is_that_of_tfds(own: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(root))
    prepare(["--from", str(own), "--name", "mine"])
    assert (root / "mine" / "1.0.0" / "features.json").exists()
    assert module._next_line(module.Prepare(source=own, name="mine")) == "p2p-jax train pix2pix --data.tfds mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no set was named: give one of facades, maps"),
        (["facade"], r"there is no set facade; did you mean facades\?; it must be one of"),
        (["facades", "--name", "mine"], "--name was given without --from"),
        (["--from", "."], "--from was given without --name"),
        (["facades", "--from", ".", "--name", "x"], "both --from and NAME were given"),
        (["--from", ".", "--name", "x", "--archive", "a"], "both --from and --archive were given"),
        (["facades", "--archive", "a", "--mirror", "b"], "both --archive and --mirror were given"),
        (["facades", "--sha256", "12"], "--sha256 was given 12: a SHA-256 checksum has 64"),
        (["facades", "--mirror", "ftp://host/"], r"ftp://host/facades\.tar\.gz is no address"),
        (["facades", "--archiv", "a"], "there is no option --archiv"),
    ],
)
def test_mistakes(arguments: list[str], message: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(root))
    with pytest.raises(ValueError, match=message):
        prepare(arguments)
    assert not root.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written(own: Path, root: Path) -> None:
    root.mkdir()
    root.chmod(0o500)
    with pytest.raises(PermissionError):
        prepare(["--from", str(own), "--name", "mine", "--data-dir", str(root)])


def test_progress_bars(server: Server, root: Path) -> None:
    """On a terminal of 80 columns every bar is shown in turn."""
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), force_terminal=True, width=80)
    with module._progress(console) as on_progress:
        for what, total in (("download", 5_000_000), ("read", 5_000_000), ("write", 19)):
            on_progress(what, 0, total)
            on_progress(what, total, total)
    shown = console.file.getvalue()
    assert "5.0/5.0 MB" in shown
    assert "19/19" in shown

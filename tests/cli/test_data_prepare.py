"""The command `p2p-jax data prepare`: its output, progress bars and mistakes, and training from a prepared set."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from helpers.cases import tiers
from helpers.file_server import Server
from helpers.runs import NO_REPORT, quick_experiment, rows_of
from helpers.small_archives import COUNTS, serve_archives, write_own
from rich.console import Console

from p2p_jax.cli import main
from p2p_jax.cli.data_prepare import prepare, progress_bars
from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.training import trainer


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


@pytest.mark.parametrize("name", tiers(PAPER_SETS, 0, slow=3))
def test_every_set_is_prepared_and_can_be_trained_on(
    name: str, server: Server, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [name, "--data-dir", str(root)]
    assert prepare(arguments) == 0
    printed = capsys.readouterr().out
    assert (
        f"Downloading {server.url(f'/sets/{name}.tar.gz')}; if it is interrupted, the same command resumes it." in printed
    )
    assert f"train {COUNTS[name]['train']}, val {COUNTS[name]['val']}" in printed
    assert f"train has {COUNTS[name]['train']} pairs, but {PAPER_SETS[name].pairs['train']} were published" in printed
    assert printed.splitlines()[-1].startswith(f"Next:  p2p-jax train {name} ")
    assert printed.splitlines()[-1].endswith(f"--data.tfds-dir {root}")
    assert prepare(arguments) == 0
    assert "Already prepared" in capsys.readouterr().out

    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    line = ["train", quick_experiment(root.parent), "--workdir", str(root.parent / "run"), "--data.tfds", f"pix2pix/{name}"]
    assert main([*line, "--data.tfds-dir", str(root)]) == 0
    assert rows_of(root.parent / "run")[-1]["step"] == 1


def test_an_archive_is_used_without_a_download(server: Server, root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(server.files["/sets/maps.tar.gz"])
    assert prepare(["pix2pix/maps", "--data-dir", str(root), "--archive", str(archive)]) == 0
    assert server.requests == []


def test_the_download_is_kept_on_request(server: Server, root: Path) -> None:
    assert prepare(["facades", "--data-dir", str(root), "--keep-archive", "--mirror", server.url("/sets")]) == 0
    assert (root / "downloads" / "pix2pix" / "facades.tar.gz").read_bytes() == server.files["/sets/facades.tar.gz"]


def test_own_pictures_are_prepared_and_the_next_command_is_named(
    own_pictures: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--from", str(own_pictures), "--name", "mine", "--data-dir", str(root)]
    assert prepare(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("train 11, test 2 pairs.")
    assert printed[-1] == f"Next:  p2p-jax train pix2pix --data.tfds mine --data.tfds-dir {root}"
    assert prepare(arguments) == 0
    assert "Already prepared" in capsys.readouterr().out
    assert prepare(["--from", str(own_pictures / "test"), *arguments[2:], "--overwrite"]) == 0
    assert "train 2 pairs" in capsys.readouterr().out


def test_the_default_folder_is_that_of_tfds(
    own_pictures: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(root))
    prepare(["--from", str(own_pictures), "--name", "mine"])
    assert (root / "mine" / "1.0.0" / "features.json").exists()
    assert capsys.readouterr().out.splitlines()[-1] == "Next:  p2p-jax train pix2pix --data.tfds mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no set was named: give one of facades, maps"),
        (["facade"], r"there is no set facade \(did you mean facades\?\): give one of"),
        (["facades", "--name", "mine"], "--name was given without --from"),
        (["--from", "."], "--from was given without --name"),
        (["facades", "--from", ".", "--name", "x"], "both --from and NAME were given"),
        (["--from", ".", "--name", "x", "--archive", "a"], "--archive, .* are for the paper's sets: omit them for --from"),
        (["facades", "--archive", "a", "--mirror", "b"], "both --archive and --mirror were given"),
        (["facades", "--sha256", "12"], "--sha256 was given 12: a SHA-256 checksum has 64"),
        (["facades", "--mirror", "ftp://host/"], r"ftp://host/facades\.tar\.gz is not the address"),
        (["facades", "--archiv", "a"], r"there is no option --archiv \(did you mean --archive"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(
    arguments: list[str], message: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(root))
    with pytest.raises(ValueError, match=message):
        prepare(arguments)
    assert not root.exists()


def test_every_progress_bar_is_shown_in_turn() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=80)
    with progress_bars(console, "http://host/facades.tar.gz") as on_progress:
        for stage, total in (("download", 5_000_000), ("read", 5_000_000), ("write", 19)):
            on_progress(stage, 0, total)
            on_progress(stage, total, total)
    shown = console.file.getvalue()
    assert "5.0/5.0 MB" in shown
    assert "19/19" in shown

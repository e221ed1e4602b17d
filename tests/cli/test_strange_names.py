"""Names that are not UTF-8, or hold control characters or line breaks, end in no error and control no terminal."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.runs import change_record, finished_run, folder_of_pairs, quick_experiment

from p2p_jax.cli import main

NAMES = (b"caf\xe9", "café".encode(), b"a\x1b[2Jb", b"a\nb", "gnp.\u202eb".encode(), "x\u2028y".encode())


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Pairs with such names in a folder with such a name."""
    folder = folder_of_pairs(tmp_path / os.fsdecode(b"p\x1b[2J\n\xe9"))
    for index, name in enumerate(NAMES):
        (folder / f"{index}.png").rename(folder / f"{os.fsdecode(name)}.png")
    return folder


def assert_harmless(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command printed, which must be harmless."""
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert text.isprintable() or set(text) - set(map(chr, range(32, 127))) <= {"\n", *"é…━┏┃┡┩│└┘┓╇┳╃┴─╇━–↑↓→"}, repr(text)
    text.encode()
    assert "\x1b" not in text
    return text


@pytest.mark.slow
def test_a_set_with_such_names_is_checked_trained_on_and_translated(pairs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", str(pairs)]) == 0
    assert_harmless(capsys)
    assert main(["data", "check", str(pairs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(pairs)
    experiment, workdir = quick_experiment(tmp_path), str(pairs.parent / "run\x1b[2J\u202e")
    options = ["--data.path", str(pairs), "--data.val-fraction", "0.3", "--workdir", workdir]
    assert main(["train", experiment, *options]) == 0
    assert r"run\x1b[2J\u202e" in assert_harmless(capsys)
    assert (Path(workdir) / "report" / "index.html").is_file()
    assert main(["train", experiment, *options]) == 0
    assert_harmless(capsys)
    assert main(["translate", workdir, str(pairs), "--output", str(tmp_path / "out")]) == 0
    assert_harmless(capsys)
    assert {os.fsencode(path.stem) for path in (tmp_path / "out").rglob("*.png")} == set(NAMES)


@pytest.mark.slow
def test_a_set_with_such_names_is_prepared(pairs, tmp_path, capsys):
    assert main(["data", "prepare", "--from", str(pairs), "--name", "mine", "--data-dir", str(tmp_path / "sets")]) == 0
    assert "train 6 pairs" in assert_harmless(capsys)


def test_unreadable_pictures_with_such_names_are_named_on_one_line(pairs, tmp_path, capsys):
    finished_run()
    capsys.readouterr()
    for path in list(pairs.iterdir()):
        path.write_bytes(b"\x89PNG broken")
    assert main(["translate", str(finished_run()), str(pairs), "--output", str(tmp_path / "out")]) == 2
    lines = assert_harmless(capsys).splitlines()
    assert len(lines) == len(NAMES)
    assert main(["data", "check", str(pairs), "--output", str(tmp_path / "sheet.png")]) == 1
    assert r"caf\xe9.png" in assert_harmless(capsys)


def test_values_of_a_record_are_shown_without_harm(tmp_path, capsys):
    run = Path(shutil.copytree(finished_run(), tmp_path / "run"))
    for name in ("\x1b[2J\n", "a\u202eb"):
        change_record(run, name=name)
        assert main(["translate", str(run), str(run), "--output", str(tmp_path / "out")]) == 2
        assert assert_harmless(capsys).count("\n") == 1


@pytest.mark.exhaustive
def test_a_run_ends_well_in_an_ascii_locale(pairs, tmp_path):
    experiment = quick_experiment(tmp_path)
    (pairs / os.fsdecode(b"caf\xe9.png")).write_bytes(b"broken")
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    program = [sys.executable, "-c", "import sys; from p2p_jax.cli import main; sys.exit(main())"]
    options = ["--data.path", str(pairs), "--data.on-error", "skip", "--workdir", str(tmp_path / "run")]
    line = [*program, "train", experiment, *options]
    done = subprocess.run(line, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    assert (tmp_path / "run" / "report" / "index.html").is_file()
    again = subprocess.run(line, env=os.environ | {"PYTHONUTF8": "1"}, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr

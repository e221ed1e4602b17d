"""A record that somebody else wrote runs no code, whatever it names, and ends in one sentence, whatever it holds."""

import importlib.util
import os
import py_compile
import shutil
from pathlib import Path

import pytest
from helpers.runs import change_record, finished_run, train

import p2p_jax
from p2p_jax import experiment
from p2p_jax.cli import main
from p2p_jax.config import Config
from p2p_jax.errors import UserError
from p2p_jax.workdir import record

EVIL = """
from pathlib import Path
from p2p_jax.config import Config

CONFIG = Config(image_size=16, seed=7)
Path({ran!r}).touch()
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run with a file evil.py beside its record; the current folder lies above it."""
    run = Path(shutil.copytree(finished_run(), tmp_path / "theirs"))
    (run / "evil.py").write_text(EVIL.format(ran=str(tmp_path / "ran")))
    monkeypatch.chdir(tmp_path)
    return run


@pytest.mark.parametrize(
    "line",
    [
        "translate theirs theirs/samples -o out",
        "evaluate theirs",
        "report theirs",
        "export-torch theirs -o out",
        "train quickstart --workdir mine --init-from theirs --steps 1",
        "translate theirs theirs/samples -o out --trust",
    ],
)
def test_no_command_runs_a_file_that_a_record_names(theirs, tmp_path, capsys, line):
    change_record(theirs, name="theirs/evil.py", sha256=None)
    assert main(line.split()) == 2
    message = capsys.readouterr().err
    assert "theirs/evil.py, which is not installed" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["{theirs}/evil.py", "theirs/../theirs/evil.py", "link.py", "theirs.evil", "theirs.evil:CONFIG", "evil.py", ""]
)
def test_a_record_names_nothing_but_installed_experiments(theirs, tmp_path, monkeypatch, name):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "link.py").symlink_to(theirs / "evil.py")
    change_record(theirs, name=name.format(theirs=theirs), sha256=None)
    with pytest.raises(UserError):
        p2p_jax.load(theirs)
    assert not (tmp_path / "ran").exists()


def save_own(tmp_path: Path) -> Path:
    """A record of an experiment file that the user has trained with."""
    (tmp_path / "own.py").write_text("from p2p_jax.config import Config\nCONFIG = Config(image_size=16)\n")
    found = experiment.find(str(tmp_path / "own.py"))
    record.save_record(tmp_path / "run", found._replace(config=Config(image_size=16, epochs=None, steps=1)), "print")
    return tmp_path / "run" / "experiment.py"


def test_compiled_code_beside_a_trusted_file_is_not_run(tmp_path):
    file = save_own(tmp_path)
    status = file.stat()
    evil = tmp_path / "evil.py"
    text = EVIL.format(ran=str(tmp_path / "ran"))
    evil.write_text(text)
    for mode in (py_compile.PycInvalidationMode.TIMESTAMP, py_compile.PycInvalidationMode.UNCHECKED_HASH):
        compiled = Path(importlib.util.cache_from_source(str(file)))
        py_compile.compile(str(evil), str(compiled), invalidation_mode=mode)
        if mode is py_compile.PycInvalidationMode.TIMESTAMP:  # as if compiled from the trusted file
            content = bytearray(compiled.read_bytes())
            content[8:16] = int(status.st_mtime).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
            compiled.write_bytes(content)
        assert record.load_experiment(tmp_path / "run").config.steps == 1
        assert not (tmp_path / "ran").exists()


def test_a_file_that_changes_after_it_was_checked_is_not_run(tmp_path, monkeypatch):
    file, real = save_own(tmp_path), record.trusted_hashes
    evil = EVIL.format(ran=str(tmp_path / "ran"))
    monkeypatch.setattr(record, "trusted_hashes", lambda: file.write_text(evil) and real())
    record.load_experiment(tmp_path / "run")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("sha256", ["", "0" * 64, 0, False, [], {"a": 1}])
def test_other_hashes_run_nothing(theirs, tmp_path, sha256):
    os.rename(theirs / "evil.py", theirs / "experiment.py")
    change_record(theirs, name="maps", sha256=sha256)
    with pytest.raises(UserError):
        record.load_experiment(theirs)
    assert not (tmp_path / "ran").exists()


def test_training_writes_no_compiled_code_of_an_experiment_file(tmp_path):
    save_own(tmp_path)
    record.load_experiment(tmp_path / "run")
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_workdir_is_not_resumed_with_another_experiment(theirs, capsys):
    change_record(theirs, name="theirs/evil.py", sha256=None)
    assert train(theirs) == 2
    assert "holds a run of the experiment theirs/evil.py" in capsys.readouterr().err

"""A record that somebody else wrote runs no code, whatever it names, and ends in one sentence, whatever it holds."""

import functools
import importlib.util
import json
import os
import py_compile
import shutil
from contextlib import suppress
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


@pytest.mark.slow
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


def assert_one_sentence(error: UserError) -> None:
    assert str(error).count("\n") == 0
    assert "experiment.json" in str(error)


def test_a_changed_slope_is_noticed(theirs, capsys):
    stored = json.loads((theirs / "experiment.json").read_text())
    stored["config"]["generator"]["leaky_slope"] = 0.9
    (theirs / "experiment.json").write_text(json.dumps(stored))
    for line in ("translate theirs theirs/samples -o out", "evaluate theirs", "train quickstart --workdir theirs"):
        assert main(line.split()) == 2
        message = capsys.readouterr().err
        assert "was changed after the run had written it" in message
        assert message.count("\n") == 1


@pytest.mark.parametrize("field", ["name", "fingerprint", "init_from", "versions", "config"])
def test_every_field_is_in_the_checksum(theirs, field):
    stored = json.loads((theirs / "experiment.json").read_text())
    value = stored[field]
    stored[field] = {**value, "more": "1"} if isinstance(value, dict) else "other"
    (theirs / "experiment.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match="was changed after"):
        record.read_record(theirs)


def test_a_record_without_a_checksum_is_read(theirs):
    expected = record.read_record(theirs)
    change_record(theirs)
    assert record.read_record(theirs) == expected


TAMPERED = {
    "data.direction": ["<script>alert(1)</script>", "atob", 1],
    "generator": [[], None, "unet"],
    "generator.norm": ["layer", None],
    "generator.width": ["64", -3, 2**40, None, 1.5],
    "generator.widths": [[2, "x"], [], [1] * 1000, [2**40]],
    "generator.leaky_slope": [None, "0.2", -1, 1e999],
    "loss.discriminator_weight": [float("nan"), True],
    "image_size": [30_000, [16], 8, [16, 16, 16], "16"],
    "data.input": [None, {"kind": "image", "evil": 1}],
    "data.input.channels": [[0], 3, [2**20]],
    "data.input.palette": [["/etc/passwd"], ["theirs/evil.py"], "cmp", [""]],
    "data.target.range": [[0, 1, 2], [1, 0]],
    "data.tfds": [["a"], 3],
    "best_metric": ["val_x"],
    "batch_size": [True, 0, 10**30],
    "seed": [10**30, -1],
}


@pytest.mark.parametrize("path", TAMPERED)
def test_tampered_configs_end_in_one_sentence(theirs, path):
    for value in TAMPERED[path]:
        config = json.loads((theirs / "experiment.json").read_text())["config"]
        *folders, last = path.split(".")
        functools.reduce(dict.__getitem__, folders, config)[last] = value
        change_record(theirs, config=config)
        with pytest.raises(UserError) as caught:
            record.load_experiment(theirs)
        assert_one_sentence(caught.value)
        shutil.copy(finished_run() / "experiment.json", theirs)


@pytest.mark.parametrize("value", [None, 3, True, [], {}, {"a": 1}, ["x"], "\x1b[2J\n", 1e999, 10**400, [[[[]]]]])
def test_tampered_fields_end_in_one_sentence_or_are_harmless(theirs, value):
    stored = (theirs / "experiment.json").read_text()
    for field in json.loads(stored):
        (theirs / "experiment.json").write_text(stored)
        change_record(theirs, **{field: value})
        with suppress(UserError):
            record.load_experiment(theirs)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"\xff\xfe", b'{"format": ' + b"9" * 5000 + b"}", b"\x00", b"null", b'"x"']
)
def test_files_that_are_no_record_end_in_one_sentence(theirs, content):
    (theirs / "experiment.json").write_bytes(content)
    with pytest.raises(UserError, match="is damaged") as caught:
        record.load_experiment(theirs)
    assert_one_sentence(caught.value)


@pytest.mark.parametrize("field", ["format", "name", "sha256", "config", "fingerprint", "init_from", "versions"])
def test_a_missing_field_ends_in_one_sentence(theirs, field):
    change_record(theirs)
    stored = json.loads((theirs / "experiment.json").read_text())
    del stored[field]
    (theirs / "experiment.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match=rf"is damaged \({field} is (missing|null)") as caught:
        record.load_experiment(theirs)
    assert_one_sentence(caught.value)

"""The record of a run: it rebuilds the run, and code in it runs only if it is trusted."""

import json
import os
from pathlib import Path

import pytest
from helpers.full_disk import fail_to_write
from helpers.runs import change_record

from p2p_jax import config as configs
from p2p_jax import experiment
from p2p_jax.config import Config, Generator
from p2p_jax.errors import UserError
from p2p_jax.workdir import record

FILE = """
from p2p_jax.config import Config
from p2p_jax.pix2pix import build as build

CONFIG = Config(image_size=16, seed=7)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path / "mine.py"


def save(workdir: Path, found: experiment.Experiment, **config) -> experiment.Experiment:
    found = found._replace(config=configs.resolve_length(Config(image_size=16, **config), 8))
    record.save_record(workdir, found, "print")
    return found


def test_a_run_is_rebuilt_from_its_record(tmp_path):
    stored = save(tmp_path / "run", experiment.find("maps"), generator=Generator(widths=(2, 4)), ema_decay=0.9)
    found = record.load_experiment(tmp_path / "run")
    assert found == stored
    stored = record.read_record(tmp_path / "run")
    assert (stored["name"], stored["fingerprint"], stored["sha256"], stored["init_from"]) == ("maps", "print", None, None)
    assert set(stored["versions"]) >= {"python", "p2p-jax", "jax", "flax", "optax", "numpy"}


def test_the_source_of_a_fine_tuned_run_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record.save_record(Path("run"), experiment.find("maps"), "print", init_from=Path("other"))
    assert record.read_record(Path("run"))["init_from"] == str(tmp_path / "other")


def test_an_experiment_file_is_copied_into_the_workdir(file, tmp_path):
    save(tmp_path / "run", experiment.find(str(file)), seed=3)
    file.unlink()
    found = record.load_experiment(tmp_path / "run")
    assert (found.name, found.config.seed, found.file) == ("mine", 3, tmp_path / "run" / "experiment.py")
    assert (tmp_path / "run" / "experiment.py").read_text() == FILE


def test_a_file_that_somebody_else_put_there_needs_trust(file, tmp_path, monkeypatch):
    file.write_text(FILE + f"\n(__import__('pathlib').Path({str(tmp_path / 'ran')!r})).touch()\n")
    save(tmp_path / "run", experiment.find(str(file)))
    assert record.load_experiment(tmp_path / "run").name == "mine"
    (tmp_path / "ran").unlink()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    with pytest.raises(UserError, match="give --trust") as caught:
        record.load_experiment(tmp_path / "run")
    assert str(tmp_path / "run" / "experiment.py") in str(caught.value)
    assert not (tmp_path / "ran").exists(), "code ran before it was trusted"
    assert record.load_experiment(tmp_path / "run", trust=True).name == "mine"
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("trust", [False, True])
def test_a_changed_or_missing_file_is_refused(file, tmp_path, trust):
    save(tmp_path / "run", experiment.find(str(file)))
    copy = tmp_path / "run" / "experiment.py"
    copy.write_text(FILE + "\n")
    with pytest.raises(UserError, match="is missing or is not the file that this run was made with"):
        record.load_experiment(tmp_path / "run", trust=trust)
    copy.unlink()
    with pytest.raises(UserError, match="is missing or is not the file that this run was made with"):
        record.load_experiment(tmp_path / "run", trust=trust)


def test_a_home_that_cannot_be_written_is_no_error(file, tmp_path, monkeypatch):
    (tmp_path / "state").write_text("a file, no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    save(tmp_path / "run", experiment.find(str(file)))
    with pytest.raises(UserError, match="--trust"):
        record.load_experiment(tmp_path / "run")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"format": 1}'])
def test_a_damaged_record_is_refused_by_name(tmp_path, text):
    (tmp_path / "experiment.json").write_text(text)
    with pytest.raises(UserError, match="is damaged") as caught:
        record.load_experiment(tmp_path)
    assert str(tmp_path / "experiment.json") in str(caught.value)


def test_a_record_of_a_later_version_is_refused(tmp_path):
    save(tmp_path, experiment.find("maps"))
    stored = json.loads((tmp_path / "experiment.json").read_text())
    (tmp_path / "experiment.json").write_text(json.dumps(stored | {"format": 2}))
    with pytest.raises(UserError, match="has format 2"):
        record.load_experiment(tmp_path)


def test_an_unknown_field_is_refused(tmp_path):
    save(tmp_path, experiment.find("maps"))
    stored = json.loads((tmp_path / "experiment.json").read_text())
    stored["config"]["generator"]["old"] = 1
    change_record(tmp_path, config=stored["config"])
    with pytest.raises(UserError, match=r"field generator\.old"):
        record.load_experiment(tmp_path)


def test_a_record_is_written_atomically(tmp_path):
    save(tmp_path, experiment.find("maps"))
    assert [path.name for path in tmp_path.iterdir()] == ["experiment.json"]


def test_the_list_of_trusted_code_survives_a_full_disk(tmp_path, monkeypatch):
    record.trust_hash("a" * 64)
    monkeypatch.setattr(os, "fsync", fail_to_write)
    record.trust_hash("b" * 64)
    assert record.trusted_hashes() == {"a" * 64}

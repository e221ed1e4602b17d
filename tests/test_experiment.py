"""Experiments: found by name or as a file, stored with a run, rebuilt from it, and trusted only where they came from."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from p2p_jax import config as configs
from p2p_jax import experiment
from p2p_jax.config import Config, Generator
from p2p_jax.config.checks import check_config
from p2p_jax.step import Pix2Pix
from p2p_jax.workdir import record

FILE = """
from p2p_jax.config import Config
from p2p_jax.pix2pix import build as build

CONFIG = Config(image_size=16, seed=7)
"""

INSTALLED = [
    "cityscapes",
    "edges2handbags",
    "edges2shoes",
    "facades",
    "facades_attention",
    "maps",
    "night2day",
    "quickstart",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path / "mine.py"


def save(workdir: Path, found: experiment.Experiment, **config) -> experiment.Experiment:
    found = found._replace(config=configs.resolve_length(Config(image_size=16, **config), 8))
    record.save_record(workdir, found, "print")
    return found


def test_the_experiments_of_the_paper_are_installed():
    assert set(INSTALLED) <= set(experiment.names())


@pytest.mark.parametrize("name", INSTALLED)
def test_every_installed_experiment_can_be_built(name):
    found = experiment.find(name)
    assert (found.name, found.file) == (name, None)
    check_config(found.config)
    model = found.build(configs.resolve_length(found.config, 400))
    assert isinstance(model, Pix2Pix)


def test_the_lengths_and_batches_are_those_of_the_paper():
    found = {name: experiment.find(name).config for name in INSTALLED}
    paper = {
        "facades": (200, 1), "maps": (200, 1), "cityscapes": (200, 1), "edges2shoes": (15, 4), "edges2handbags": (15, 4),
        "night2day": (17, 4),
    }  # fmt: skip
    assert {name: (found[name].epochs, found[name].batch_size) for name in paper} == paper
    assert found["facades"].data.direction == "BtoA"
    assert found["maps"].data.direction == "AtoB"


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"no experiment named facade: it is one of cityscapes, .*facades"):
        experiment.find("facade")


def test_a_file_is_read(file):
    found = experiment.find(str(file))
    assert (found.name, found.config.seed, found.file) == ("mine", 7, file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        experiment.find(str(tmp_path / "none.py"))


@pytest.mark.parametrize("text", ["CONFIG = 1", "def build(config): pass", ""])
def test_a_file_without_a_config_is_refused(tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ValueError, match="mine has no CONFIG"):
        experiment.find(str(tmp_path / "mine.py"))


def test_an_experiment_without_build_is_the_papers(tmp_path):
    (tmp_path / "mine.py").write_text("from p2p_jax.config import Config\nCONFIG = Config(steps=1, epochs=None)")
    found = experiment.find(str(tmp_path / "mine.py"))
    assert found.build(found.config).reconstruction_weight == 100


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


def test_a_file_goes_with_the_run_and_outlives_the_original(file, tmp_path):
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
    with pytest.raises(ValueError, match="give --trust") as caught:
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
    with pytest.raises(ValueError, match="is missing or is not the file that this run was made with"):
        record.load_experiment(tmp_path / "run", trust=trust)
    copy.unlink()
    with pytest.raises(ValueError, match="is missing or is not the file that this run was made with"):
        record.load_experiment(tmp_path / "run", trust=trust)


def test_a_home_that_cannot_be_written_is_no_error(file, tmp_path, monkeypatch):
    (tmp_path / "state").write_text("a file, no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    save(tmp_path / "run", experiment.find(str(file)))
    with pytest.raises(ValueError, match="--trust"):
        record.load_experiment(tmp_path / "run")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"format": 1}'])
def test_a_damaged_record_is_refused_by_name(tmp_path, text):
    (tmp_path / "experiment.json").write_text(text)
    with pytest.raises(ValueError, match="is damaged") as caught:
        record.load_experiment(tmp_path)
    assert str(tmp_path / "experiment.json") in str(caught.value)


def test_a_record_of_a_later_version_is_refused(tmp_path):
    save(tmp_path, experiment.find("maps"))
    stored = json.loads((tmp_path / "experiment.json").read_text())
    (tmp_path / "experiment.json").write_text(json.dumps(stored | {"format": 2}))
    with pytest.raises(ValueError, match="has format 2"):
        record.load_experiment(tmp_path)


def test_a_field_that_is_no_longer_known_is_refused(tmp_path):
    save(tmp_path, experiment.find("maps"))
    stored = json.loads((tmp_path / "experiment.json").read_text())
    stored["config"]["generator"]["old"] = 1
    (tmp_path / "experiment.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=r"field generator\.old"):
        record.load_experiment(tmp_path)


def test_a_record_is_there_whole_or_not_at_all(tmp_path):
    save(tmp_path, experiment.find("maps"))
    assert [path.name for path in tmp_path.iterdir()] == ["experiment.json"]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_an_experiment_runs_as_a_module(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["facades", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("experiments.facades", run_name="__main__")
    assert caught.value.code == 0
    assert "--data.path" in capsys.readouterr().out

"""Experiments are found by name or as a file."""

import runpy
import sys
from pathlib import Path

import pytest

from p2p_jax import config as configs
from p2p_jax import experiment
from p2p_jax.config.checks import check_config
from p2p_jax.errors import UserError
from p2p_jax.step import Pix2Pix

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
    "segmenter",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path / "mine.py"


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


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"no experiment named facade \(did you mean facades\?\): it is one of "):
        experiment.find("facade")


def test_a_file_is_read(file):
    found = experiment.find(str(file))
    assert (found.name, found.config.seed, found.file) == ("mine", 7, file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        experiment.find(str(tmp_path / "none.py"))


@pytest.mark.parametrize("text", ["CONFIG = 1", "def build(config): pass", ""])
def test_a_file_without_a_config_is_refused(tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match="mine has no CONFIG"):
        experiment.find(str(tmp_path / "mine.py"))


def test_an_experiment_without_build_uses_the_papers_composition(tmp_path):
    (tmp_path / "mine.py").write_text("from p2p_jax.config import Config\nCONFIG = Config(steps=1, epochs=None)")
    found = experiment.find(str(tmp_path / "mine.py"))
    assert found.build(found.config).reconstruction_weight == 100


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_an_experiment_runs_as_a_module(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["facades", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("experiments.facades", run_name="__main__")
    assert caught.value.code == 0
    assert "--data.path" in capsys.readouterr().out

"""The guide in p2p_jax/data/README.md: its commands and examples run as they stand there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers.small_archives import write_own

import p2p_jax.data
from p2p_jax.cli.data import data
from p2p_jax.cli.options import TranslateOptions, train_options
from p2p_jax.cli.parsing import parse
from p2p_jax.config import Config
from p2p_jax.config.checks import check_config
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.procedural import facade

GUIDE = Path(p2p_jax.data.__path__[0], "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


COMMANDS = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that the guide names."""
    path = tmp_path_factory.mktemp("guide")
    write_own(path / "pictures")
    for i in range(10):
        photo, labels = facade(0, i, size=64)
        write_picture(path / "photos" / f"{i}.png", photo)
        write_picture(path / "labels" / f"{i}.png", labels)
        write_picture(path / "ids" / f"{i}.png", np.full((16, 16, 1), i, np.uint8))
    return path


def test_the_data_commands_run_in_their_order(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder / "sets"))
    commands = [words[2:] for words in COMMANDS if words[:2] == ["p2p-jax", "data"]]
    assert len(commands) == 12
    for words in commands:
        if words != ["prepare", "facades"]:  # it downloads, see test_prepare.py
            assert data(words) == 0, words


@pytest.mark.parametrize("words", [words[2:] for words in COMMANDS if words[1] == "train"])
def test_the_options_of_the_train_commands_are_valid(words):
    check_config(parse(train_options(words[0], Config()), words[1:], "p2p-jax train").config)


def test_every_command_is_one_of_the_program():
    (translate,) = [words[2:] for words in COMMANDS if words[1] == "translate"]
    parse(TranslateOptions, translate, "p2p-jax translate")
    assert {words[1] for words in COMMANDS} == {"data", "train", "translate"}


@pytest.mark.parametrize("option", re.findall(r"^\| `(--[^`]+)`", GUIDE, re.MULTILINE))
def test_every_option_of_the_tables_exists(option):
    words = shlex.split(option)
    if words == ["--data.preprocess"]:  # the heading of a table, whose rows are its values
        return
    parse(train_options("pix2pix", Config()), words, "p2p-jax train")


@pytest.mark.parametrize("value", re.findall(r"^\| `([a-z_]+)` \|", GUIDE, re.MULTILINE))
def test_every_way_of_preprocessing_exists(value):
    parse(train_options("pix2pix", Config()), ["--data.preprocess", value], "p2p-jax train")


@pytest.mark.parametrize("example", blocks("python"))
def test_the_examples_run(folder, monkeypatch, capsys, example):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder / "prepared"))
    exec(example, {})
    assert capsys.readouterr().out

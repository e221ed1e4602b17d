"""The guide to models of the PyTorch original: its commands and its examples run in the order in which they stand."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import folder_of_pairs, skip_report
from helpers.torch_runs import QUICK, files

from p2p_jax.cli import main

FOLDER = Path(__file__).parents[2] / "p2p_jax" / "pytorch"
GUIDE = (FOLDER / "README.md").read_text()
# What makes the commands quick: the networks of the test are tiny.
EXTRA = {"import-torch": ("--image-size", "16"), "train": (*QUICK, "--steps", "1")}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the files that the guide names."""
    for path in files():
        shutil.copy(path, tmp_path)
    folder_of_pairs(tmp_path / "pairs", 2)
    shutil.copytree(tmp_path / "pairs", tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_commands_run(folder, monkeypatch):
    skip_report(monkeypatch)
    lines = [line.split(" ") for block in blocks("sh") for line in block.splitlines()]
    assert [line[0] for line in lines] == ["p2p-jax"] * 6
    for _, command, *arguments in lines:
        assert main([command, *arguments, *EXTRA.get(command, ())]) == 0, command
    assert {path.name for path in (folder / "theirs").iterdir()} == {path.name for path in files()}


def test_the_examples_run(folder):
    names = {"inputs": np.zeros((1, 16, 16, 3), np.float32)}
    for block in blocks("python"):
        exec(block, names)
    assert names["outputs"].shape == (1, 16, 16, 3)
    assert (folder / "copy_net_G.pth").read_bytes() == (folder / "latest_net_G.pth").read_bytes()
    assert (folder / "exported" / "latest_net_G.pth").is_file()


def test_the_guide_names_every_module():
    modules = {path.name for path in FOLDER.glob("*.py")} - {"__init__.py"}
    assert modules == set(re.findall(r"`(\w+\.py)`", GUIDE)) - {"test.py"}

"""The guide to models of the PyTorch original: its commands run one after the other, and its list of files is complete."""

import re
import shutil
from pathlib import Path

import pytest
from helpers.runs import folder_of_pairs, skip_report
from helpers.torch_runs import QUICK, files

from p2p_jax.cli import main

FOLDER = Path(__file__).parents[2] / "p2p_jax" / "pytorch"
GUIDE = (FOLDER / "README.md").read_text()
# What makes the commands quick: the networks of the test are tiny.
EXTRA = {"import-torch": ("--image-size", "16"), "train": (*QUICK, "--steps", "1")}


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
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    lines = [line.split(" ") for block in blocks for line in block.splitlines()]
    assert [line[0] for line in lines] == ["p2p-jax"] * 6
    for _, command, *arguments in lines:
        assert main([command, *arguments, *EXTRA.get(command, ())]) == 0, command
    assert {path.name for path in (folder / "theirs").iterdir()} == {path.name for path in files()}


def test_the_guide_names_every_module():
    modules = {path.name for path in FOLDER.glob("*.py")} - {"__init__.py"}
    assert modules == set(re.findall(r"`(\w+\.py)`", GUIDE)) - {"test.py"}

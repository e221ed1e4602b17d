"""The README's example runs as it stands there, and its commands are the ones that CI and newcomers use."""

import re
from pathlib import Path

import numpy as np
import pytest

import p2p_jax
from p2p_jax import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = next(block for block in blocks("python") if block.startswith("# my_experiment.py"))
    path = tmp_path_factory.mktemp("readme") / "my_experiment.py"
    path.write_text(text)
    return path


def test_the_example_trains_and_translates(example, tmp_path, capsys):
    workdir = tmp_path / "run"
    assert cli.main(["train", str(example), "--workdir", str(workdir), "--steps", "2", "--data.count", "8"]) == 0
    assert (workdir / "report" / "index.html").is_file()
    made = p2p_jax.load(workdir)(np.zeros((1, 64, 64, 3), np.uint8))
    assert made.shape == (1, 64, 64, 3)


def test_the_example_is_what_it_says(example, capsys):
    assert cli.main(["summary", str(example)]) == 0
    shown = capsys.readouterr().out
    assert "down2_block" in shown  # the attention block
    assert "merge0" in shown  # the gated skip
    assert re.search(r"│ b +│ +│ 256 +│", shown)  # the hand-written discriminator's second kernel: 4 x 4 x 16 x 1


def test_the_first_two_commands_do_everything():
    first, second = (block.strip() for block in blocks("sh")[:2])
    install = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt"
    assert first == f"{install} . && .venv/bin/p2p-jax train quickstart"
    assert second == f'{install} -e ".[test]" && .venv/bin/python -m pytest'


def test_every_file_named_exists():
    for name in re.findall(r"\((experiments/[\w./-]+)\)", README) + re.findall(r"`(tests/\w+\.py)`", README):
        assert (ROOT / name).is_file(), name

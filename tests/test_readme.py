"""The README's example runs as it stands there, and its commands are the ones that CI and newcomers use."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.weights import random_weights

import p2p_jax
from p2p_jax.cli import program
from p2p_jax.config import Generator

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
    options = ["--steps", "2", "--data.count", "8", "--image-size", "32"]  # half of what it says, for the test's sake
    assert program.main(["train", str(example), "--workdir", str(workdir), *options]) == 0
    assert (workdir / "report" / "index.html").is_file()
    made = p2p_jax.load(workdir)(np.zeros((1, 32, 32, 3), np.uint8))
    assert made.shape == (1, 32, 32, 3)


def test_the_example_is_what_it_says(example, capsys):
    assert program.main(["summary", str(example)]) == 0
    shown = capsys.readouterr().out
    assert "down2_block" in shown  # the attention block
    assert "merge0" in shown  # the gated skip
    assert re.search(r"│ b +│ +│ 256 +│", shown)  # the hand-written discriminator's second kernel: 4 x 4 x 16 x 1


def test_the_first_two_commands_do_everything():
    first, second = (block.strip() for block in blocks("sh")[:2])
    install = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt"
    assert first == f"{install} . && .venv/bin/p2p-jax train quickstart"
    assert second == f'{install} -e ".[test]" && .venv/bin/python -m pytest'


def test_the_example_of_conversion_gives_the_same_file(tmp_path, monkeypatch):
    text = next(block for block in blocks("python") if "from_torch" in block)
    options = Generator("resnet", width=2, num_blocks=0, dropout=0.0)
    monkeypatch.chdir(tmp_path)
    p2p_jax.write_state_dict("latest_net_G.pth", p2p_jax.to_torch(options, *random_weights(options)))
    before = Path("latest_net_G.pth").read_bytes()
    names = {"x": np.zeros((1, 16, 16, 3), np.float32)}
    exec(text, names)
    assert names["pictures"].shape == (1, 16, 16, 3)
    assert Path("latest_net_G.pth").read_bytes() == before


def test_every_file_named_exists():
    named = re.findall(r"\]\(((?:experiments|tests|p2p_jax)/[\w./-]+)\)", README)
    named += [f"tests/{name}" for name in re.findall(r"`(?:tests/)?(test_\w+\.py)`", README)]
    named += [f"p2p_jax/{name}" for name in re.findall(r"`((?:data/)?\w+\.py)`", README) if not name.startswith("test_")]
    assert len(named) > 30
    for name in named:
        assert (ROOT / name).is_file(), name

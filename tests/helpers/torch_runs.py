"""Tiny networks as files of the PyTorch original, and the workdir that they are imported into."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from helpers.runs import ROOT
from helpers.weights import random_weights
from p2p_jax.cli import main
from p2p_jax.config import Discriminator, Generator
from p2p_jax.pytorch import convert
from p2p_jax.weight_files.state_dict import write_state_dict

RESNET = Generator("resnet", width=2, num_blocks=1)
PATCHGAN = Discriminator("patchgan", num_layers=1, width=2)
QUICK = ("--data.load-size", "18", "--optimizer.learning-rate", "0.01", "--optimizer.schedule", "constant")


def arrays_of(options: Generator | Discriminator, seed: int = 0, channels: int | None = None, counts: int = 11):
    """The state_dict of a network with random weights."""
    in_channels = channels or (3 if isinstance(options, Generator) else 6)
    params, state = random_weights(options, in_channels, seed=seed)
    # With small weights and positive variances the pictures are neither flat nor saturated.
    params = {name: {key: 0.3 * value for key, value in layer.items()} for name, layer in params.items()}
    state = {
        kind: {name: {"mean": norm["mean"], "var": abs(norm["var"])} for name, norm in norms.items()}
        for kind, norms in state.items()
    }
    return convert.to_torch(options, params, state, counts=counts)


def write(folder: Path, **files: dict[str, np.ndarray]) -> list[Path]:
    """Writes state_dicts as NAME.pth."""
    for name, arrays in files.items():
        write_state_dict(folder / f"{name}.pth", arrays)
    return [folder / f"{name}.pth" for name in files]


def run(command: str, *arguments: object) -> int:
    """Runs a command of p2p-jax."""
    return main([command, *map(str, arguments)])


def refused(capsys: pytest.CaptureFixture[str], *line: object) -> str:
    """Runs a command that is refused, and returns the one line that it prints."""
    assert run(str(line[0]), *line[1:]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@cache
def files() -> tuple[Path, Path]:
    """latest_net_G.pth and latest_net_D.pth of a tiny resnet and a tiny PatchGAN."""
    g, d = write(ROOT / "pth", latest_net_G=arrays_of(RESNET), latest_net_D=arrays_of(PATCHGAN, 1))
    return g, d


@cache
def imported() -> Path:
    """A workdir with both networks. Copy it before you change it."""
    workdir = ROOT / "imported"
    assert run("import-torch", *files(), "--workdir", workdir, "--image-size", 16, "--direction", "BtoA") == 0
    return workdir


def copy_of_imported(folder: Path) -> Path:
    return Path(shutil.copytree(imported(), folder / "run"))


def largest_change(before, after) -> float:
    """The largest change of any weight between two trees of params."""
    return max(abs(after[layer][name] - value).max() for layer, params in before.items() for name, value in params.items())

"""What is said when a run starts about options that spoil each other."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.configs import change
from rich.console import Console

from p2p_jax.config import Config, Loss
from p2p_jax.training.messages import announce_run, explain_shared_statistics

SPOILED = replace(Config(steps=1, batch_size=4), loss=Loss(r1=1.0, r2=1.0))


@pytest.mark.parametrize(
    ("fields", "pairs"),
    [
        ({}, 4),
        ({"accumulate": 2}, 2),
        ({"accumulate": 4}, 1),
        ({"batch_size": 1}, 1),
        ({"discriminator.norm": "instance"}, 1),
        ({"discriminator.norm": "none"}, 1),
        ({"discriminator.statistics": "picture"}, 1),
        ({"discriminator.statistics": "running"}, 1),
        ({"discriminator.statistics": "group", "discriminator.group_size": 2}, 2),
        ({"discriminator.statistics": "group", "discriminator.group_size": 1}, 1),
        ({"loss.r1": 0.0, "loss.r2": 0.0}, 1),
    ],
)
def test_penalties_are_spoiled_where_pairs_share_the_statistics_of_batch_norm(fields, pairs):
    config = SPOILED
    for name, value in fields.items():
        config = change(config, name, value)
    said = explain_shared_statistics(config)
    assert (said is None) == (pairs == 1)
    if said:
        assert f"the statistics of {pairs} pairs together, which spoils R1 and R2" in said


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (Loss("wasserstein"), "spoils the gradient penalty,"),
        (Loss("wasserstein", gradient_penalty=0.0), None),
        (Loss(gradient_penalty=10.0, r2=1.0), "spoils the gradient penalty and R2,"),
    ],
)
def test_the_gradient_penalty_is_spoiled_too(loss, said):
    found = explain_shared_statistics(replace(SPOILED, loss=loss))
    assert found is None if said is None else said in (found or "")


@pytest.mark.parametrize(("batch_size", "warned"), [(4, True), (1, False)])
def test_a_run_says_so_when_it_starts(batch_size, warned):
    output = io.StringIO()
    experiment = SimpleNamespace(name="mine", config=replace(SPOILED, batch_size=batch_size))
    data = SimpleNamespace(splits={}, notes=[])
    console = Console(file=output, width=500)
    run: Any = SimpleNamespace(experiment=experiment, dataset=data, console=console, workdir=Path("runs/mine"))
    announce_run(run, 2)
    assert ("Batch norm in the discriminator" in output.getvalue()) == warned

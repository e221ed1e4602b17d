"""Training with larger batches: statistics by group, micro-batches, and rules for the learning rate."""

import json
import shutil
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from helpers.runs import NO_REPORT, SMALL, quick_experiment, rows_of, steps_of, train

from p2p_jax import experiment, pix2pix
from p2p_jax.cli import main
from p2p_jax.config import Config, Discriminator, Generator, Optimizer, resolve_length
from p2p_jax.config.checks import check_config
from p2p_jax.devices.sharding import make_mesh
from p2p_jax.training import trainer
from p2p_jax.workdir import checkpoint, init_from, record

BY_GROUP = ("--generator.statistics", "group", "--discriminator.statistics", "group")
FOUR = (*SMALL, "--batch-size", "4", "--steps", "4")
STEADY = (*FOUR, "--generator.dropout", "0", "--generator.statistics", "picture", "--discriminator.statistics", "picture")


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)


def on_one_device(monkeypatch):
    monkeypatch.setattr(trainer, "make_mesh", partial(make_mesh, devices=jax.devices()[:1]))


def config_of(workdir):
    return json.loads((workdir / "experiment.json").read_text())["config"]


def assert_close(run, other):
    (one, step), (two, other_step) = (
        checkpoint.restore_items(path, ("generator", "discriminator", "training")) for path in (run, other)
    )
    assert step == other_step
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=1e-3, atol=1e-5)


@pytest.mark.exhaustive
def test_the_group_size_is_kept_if_a_run_resumes_on_another_number_of_devices(tmp_path, monkeypatch, capsys):
    """Four steps on two devices equal three steps on two devices and the fourth on one."""
    assert train(tmp_path / "whole", *FOUR, *BY_GROUP) == 0
    assert config_of(tmp_path / "whole")["generator"]["group_size"] == 2
    assert config_of(tmp_path / "whole")["discriminator"]["group_size"] == 2
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "whole", moved)
    shutil.rmtree(moved / "checkpoints" / "4")
    on_one_device(monkeypatch)
    capsys.readouterr()
    assert train(moved, *FOUR, *BY_GROUP) == 0
    assert "Resuming from step 3 of 4" in capsys.readouterr().out
    assert config_of(moved) == config_of(tmp_path / "whole")
    assert_close(tmp_path / "whole", moved)
    assert train(tmp_path / "whole", "--generator.group-size", "4") == 2
    assert "generator.group_size is 2, not 4" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_micro_batches_with_several_steps_a_call_on_two_devices_equal_the_batch_at_once(tmp_path, capsys):
    assert train(tmp_path / "at_once", *STEADY) == 0
    assert train(tmp_path / "in_parts", *STEADY, "--accumulate", "2", "--steps-per-call", "2") == 0
    assert "4 steps on 2 x" in capsys.readouterr().out
    assert_close(tmp_path / "at_once", tmp_path / "in_parts")
    at_once, in_parts = ({row["step"]: row for row in rows_of(tmp_path / name)} for name in ("at_once", "in_parts"))
    assert (list(at_once), list(in_parts)) == ([2, 3, 4], [2, 4])
    for name in ("generator_l1", "discriminator_loss", "discriminator_fake_accuracy"):
        assert in_parts[2][name] == pytest.approx(at_once[2][name], rel=1e-4)
    assert train(tmp_path / "in_parts", "--accumulate", "4") == 2
    assert "accumulate is 2, not 4" in capsys.readouterr().err


@pytest.mark.slow
def test_micro_batches_of_one_pair_use_one_device_and_a_message_says_how_to_use_all(tmp_path, capsys):
    options = ("--batch-size", "2", "--accumulate", "2", "--data.source", "procedural", "--data.count", "8")
    assert main(["train", quick_experiment(tmp_path), "--workdir", str(tmp_path / "run"), *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "1 of 2 devices are used: a micro-batch of 1 cannot be split over more; give --batch-size 4 or a multiple of it."
        in said
    )
    assert steps_of(tmp_path / "run") == [1]


def test_fine_tuning_does_not_inherit_the_group_size_of_its_source(tmp_path):
    by_group = {"statistics": "group", "group_size": 8}
    stored = Config(batch_size=16, generator=Generator(**by_group), discriminator=Discriminator(**by_group))
    record.save_record(tmp_path, experiment.find("pix2pix")._replace(config=stored), None)
    config = init_from.networks_of(Config(batch_size=4), tmp_path, trust=False)
    check_config(config)
    for network in (config.generator, config.discriminator):
        assert (network.statistics, network.group_size) == ("group", None)


@pytest.mark.parametrize(("rule", "factor"), [("none", 1), ("linear", 9), ("root", 3)])
def test_a_batch_rule_multiplies_the_learning_rates_of_both_networks(rule, factor):
    optimizer = Optimizer(discriminator_learning_rate=1e-3, batch_rule=rule)
    config = resolve_length(Config(epochs=None, steps=4, batch_size=9, accumulate=3, optimizer=optimizer), 10)
    model = pix2pix.build(config)
    falling = [1, 1, 2 / 3, 1 / 3]
    for name, rate in (("learning_rate", 2e-4), ("discriminator_learning_rate", 1e-3)):
        rates = [float(model.learning_rates[name](step)) for step in range(4)]
        np.testing.assert_allclose(rates, factor * rate * np.array(falling), rtol=1e-6)
    assert config.optimizer.learning_rate == 2e-4, "what was typed is stored"
    for made, rate in ((model.generator_optimizer, 2e-4), (model.discriminator_optimizer, 1e-3)):
        moved, _ = made.update(np.ones(1, np.float32), made.init(np.zeros(1, np.float32)))
        np.testing.assert_allclose(moved, -factor * rate, rtol=1e-4)


@pytest.mark.parametrize("schedule", ["linear", "constant", "step", "cosine"])
def test_the_warm_up_multiplies_every_schedule_and_reaches_the_optimizer(schedule):
    plain = resolve_length(Config(epochs=None, steps=8, optimizer=Optimizer(schedule=schedule)), 10)
    warmed = replace(plain, optimizer=replace(plain.optimizer, warmup_steps=4))
    rates, expected = (
        np.array([float(pix2pix.build(config).learning_rates["learning_rate"](step)) for step in range(8)])
        for config in (warmed, plain)
    )
    np.testing.assert_allclose(rates, expected * [0, 0.25, 0.5, 0.75, 1, 1, 1, 1], rtol=1e-6)
    optimizer = pix2pix.build(warmed).generator_optimizer
    state, moves = optimizer.init(np.zeros(1, np.float32)), []
    for _ in range(3):
        moved, state = optimizer.update(np.ones(1, np.float32), state)
        moves.append(float(moved[0]))
    np.testing.assert_allclose(moves, -rates[:3], rtol=1e-4)

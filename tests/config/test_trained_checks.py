"""Losses by trained networks are refused for targets that no such network has seen."""

import re

import pytest
from helpers.configs import change

from p2p_jax.config import Config, Data, Discriminator, Loss, Side
from p2p_jax.config.checks import check_config
from p2p_jax.errors import UserError

BOTH = Config(loss=Loss(perceptual=10.0, perceptual_network="lite0"), discriminator=Discriminator(projected=True))


@pytest.mark.parametrize("target", [Side(), Side(channels=(1,)), Side(depth="16", range=(0, 4000), ignore=0)])
def test_grey_and_colour_pictures_are_accepted(target):
    check_config(change(BOTH, "data.target", target))


@pytest.mark.parametrize(
    "target",
    [Side(channels=(4,)), Side(channels=(3, 1)), Side(kind="labels"), Side(kind="labels", channels=(1,), classes=3)],
)
def test_other_targets_are_refused(target):
    for config, option in (
        (Config(loss=Loss(perceptual=10.0)), "--loss.perceptual 10.0"),
        (Config(discriminator=Discriminator(projected=True)), "--discriminator.projected"),
    ):
        with pytest.raises(UserError, match=rf"^{re.escape(option)} was given, but the targets are no pictures of 1 or 3"):
            check_config(change(config, "data.target", target))
    check_config(Config(data=Data(target=target)))


def test_a_network_without_its_loss_and_a_negative_factor_are_refused():
    with pytest.raises(UserError, match=r"^--loss\.perceptual-network was given alex, but .* no factor: give --loss\.p"):
        check_config(Config(loss=Loss(perceptual_network="alex")))
    with pytest.raises(UserError, match=r"^--loss\.perceptual was given -1\.0: it must be at least 0"):
        check_config(Config(loss=Loss(perceptual=-1.0)))

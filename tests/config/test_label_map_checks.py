"""Options that are made for label maps are refused for other inputs, and where another option contradicts."""

import re

import pytest
from helpers.configs import change

from p2p_jax.config import Augment, Config, Data, Discriminator, Loss, Side
from p2p_jax.config.checks import check_config
from p2p_jax.errors import UserError

LABELS = Data(input=Side(kind="labels", channels=(1,), classes=3))
SEGMENTATION = Config(
    data=LABELS,
    discriminator=Discriminator("segmentation", norm="none", spectral_norm=True, noise=0.1),
    loss=Loss(label_mix=10.0, label_smoothing=0.1, penalty_every=4),
    augment=Augment(input_warp=0.03, input_noise=0.1),
)


def test_a_segmentation_discriminator_of_label_maps_passes_the_check():
    check_config(SEGMENTATION)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("loss.adversarial", "hinge", "--loss.adversarial hinge was given"),
        ("loss.relativistic", True, "--loss.relativistic was given"),
        ("loss.feature_matching", 10.0, "--loss.feature-matching 10.0 was given"),
        ("loss.gradient_penalty", 10.0, "--loss.gradient-penalty 10.0 was given"),
        ("loss.r1", 1.0, "--loss.r1 1.0 was given"),
        ("loss.r2", 1.0, "--loss.r2 1.0 was given"),
        ("discriminator.conditional", False, "--discriminator.no-conditional was given"),
        ("discriminator.scales", 2, "--discriminator.scales 2 was given"),
        ("discriminator.projected", True, "--discriminator.projected was given"),
        ("discriminator.antialias", True, "--discriminator.antialias was given"),
    ],
)
def test_what_a_segmentation_discriminator_cannot_do_is_refused(name, value, said):
    with pytest.raises(UserError, match=rf"^{re.escape(said)}, but the segmentation discriminator .*: omit it\.$"):
        check_config(change(SEGMENTATION, name, value))


@pytest.mark.parametrize("side", [Side(), Side(kind="labels"), Side(channels=(1,))])
def test_a_segmentation_discriminator_needs_inputs_with_classes(side):
    config = change(change(SEGMENTATION, "data.input", side), "augment", Augment())
    with pytest.raises(UserError, match=r"^--discriminator\.architecture was given segmentation, but the input is no"):
        check_config(config)


def test_label_mix_needs_a_segmentation_discriminator():
    with pytest.raises(UserError, match=r"^--loss\.label-mix was given 10\.0, but only a segmentation discriminator"):
        check_config(Config(data=LABELS, loss=Loss(label_mix=10.0)))


def test_only_label_maps_are_warped():
    with pytest.raises(UserError, match=r"^--augment\.input-warp was given 0\.1, but the inputs are no label maps"):
        check_config(Config(augment=Augment(input_warp=0.1)))
    check_config(Config(augment=Augment(input_warp=0.1), data=Data(input=Side(kind="labels"))))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss.label_mix", -1.0),
        ("discriminator.noise", -0.1),
        ("augment.input_warp", 1.0),
        ("augment.input_warp", -0.1),
        ("augment.input_noise", -0.1),
    ],
)
def test_a_number_out_of_its_range_is_refused(name, value):
    with pytest.raises(UserError, match=rf"^--{name.replace('_', '-')} was given {value}: it "):
        check_config(change(SEGMENTATION, name, value))

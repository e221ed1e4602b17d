"""What is built from a config."""

import pytest

from p2p_jax.config import Config, Discriminator, Generator
from p2p_jax.pix2pix import build

SMALL = {"generator": Generator(widths=(2, 2)), "discriminator": Discriminator(width=2, num_layers=1), "image_size": 16}


@pytest.mark.parametrize(
    ("options", "decay"),
    [({}, None), ({"ema_decay": 0.9}, 0.9), ({"ema_share": 0.05}, 1 - 1 / 50), ({"ema_share": 0.0001}, 0)],
)
def test_the_moving_average_may_be_over_a_share_of_the_run(options, decay):
    assert build(Config(**SMALL, epochs=None, steps=1000, **options)).ema_decay == pytest.approx(decay)

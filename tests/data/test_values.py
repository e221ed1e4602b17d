"""Stored values to [-1, 1] and back without loss, and what is shown of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax.config import Side
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.sides import show
from p2p_jax.data.values import decode, encode, to_255
from p2p_jax.training.resolve_config import resolve_palettes

PALETTE = tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in COLOURS.tolist())
EVERY = {
    "8": (Side(), np.arange(256, dtype=np.uint8)),
    "16": (Side(depth="16"), np.arange(65536).astype(np.uint16)),
    "12 of 16": (Side(depth="16", range=(0, 4095)), np.arange(4096).astype(np.uint16)),
    "float": (Side(depth="float", range=(-1000, 3000)), np.linspace(-1000, 3000, 1001, dtype=np.float32)),
}


@pytest.mark.parametrize("kind", EVERY)
def test_every_value_comes_back(kind):
    side, stored = EVERY[kind]
    values = encode(side, jnp.asarray(stored))
    assert values.dtype == jnp.float32
    assert (float(values[0]), float(values[-1])) == (-1, 1)
    np.testing.assert_allclose(values, np.linspace(-1, 1, len(stored)), atol=1e-6)
    back = np.asarray(decode(side, values))
    assert back.dtype == stored.dtype
    if kind == "float":
        np.testing.assert_allclose(back, stored, atol=1e-3)
    else:
        assert np.array_equal(back, stored)


def test_what_the_generator_makes_stays_in_range():
    for side, stored in EVERY.values():
        made = np.asarray(decode(side, jnp.array([-1.5, 1.5])))
        assert (made[0], made[1]) == (stored[0], stored[-1])


def test_truncation_cuts_off_where_rounding_does_not():
    value = jnp.array([2 * 10.7 / 255 - 1])
    assert decode(Side(), value)[0] == 11
    assert decode(Side(), value, truncate=True)[0] == 10


@pytest.mark.parametrize("side", [Side(kind="labels", classes=12), Side(kind="labels", palette=PALETTE)])
def test_classes_become_one_channel_each_and_come_back(side):
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    values = np.asarray(encode(side, jnp.asarray(ids)))
    assert values.shape == (3, 4, 12)
    assert np.array_equal(values.reshape(12, 12), 2 * np.eye(12) - 1)
    assert np.array_equal(decode(side, jnp.asarray(values)), ids)
    noisy = values + np.random.default_rng(0).uniform(-0.9, 0.9, values.shape)
    assert np.array_equal(decode(side, jnp.asarray(noisy)), ids)


def test_figures_are_on_the_scale_of_8_bits():
    assert np.array_equal(to_255(Side(), jnp.array([0, 255], jnp.uint8)), [0, 255])
    np.testing.assert_allclose(
        to_255(Side(depth="16"), jnp.array([0, 32768, 65535], jnp.uint16)), [0, 127.502, 255], rtol=1e-5
    )
    classes = to_255(Side(kind="labels", classes=2), jnp.array([[1]], jnp.uint8))
    assert np.array_equal(classes, [[0, 255]])


def test_what_is_shown_can_be_looked_at():
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (8, 8, 3), np.uint8)
    ids = random.integers(0, 12, (8, 8, 1), np.uint8)
    assert np.array_equal(show(Side(), rgb)[0], rgb)
    first, second = show(Side(channels=(3, 1)), np.concatenate([rgb, rgb[..., :1]], -1))
    assert np.array_equal(first, rgb)
    assert np.array_equal(second, rgb[..., :1])
    assert np.array_equal(show(Side(channels=(5,)), np.concatenate([rgb, rgb[..., :2]], -1))[0], rgb)
    assert np.array_equal(show(Side(depth="16"), rgb.astype(np.uint16) * 257)[0], rgb)
    real = Side(depth="float", range=(-1, 1))
    assert np.array_equal(show(real, (rgb / np.float32(127.5) - 1).astype(np.float32))[0], rgb)
    assert np.array_equal(show(Side(kind="labels", palette=PALETTE), ids)[0], COLOURS[ids[..., 0]])
    shown = show(Side(kind="labels", classes=12), np.arange(12, dtype=np.uint8).reshape(3, 4, 1))[0]
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 12


def test_a_palette_in_a_file_is_kept_in_the_config(tmp_path):
    from p2p_jax.config import Config, Data

    (tmp_path / "colours.txt").write_text("0 0 222 background\n255 0 0\n")
    data = Data(
        target=Side(kind="labels", palette=(str(tmp_path / "colours.txt"),)), input=Side(kind="labels", palette=("cmp",))
    )
    settled = resolve_palettes(Config(data=data)).data
    assert settled.target.palette == ("#0000de", "#ff0000")
    assert settled.input.palette == PALETTE
    assert resolve_palettes(Config(data=settled)).data == settled

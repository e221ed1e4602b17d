"""Converting stored values to [-1, 1] and back without loss."""

import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax.config import Config, Data, Side
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.values import decode, encode, to_255
from p2p_jax.training.resolve_config import resolve_files

PALETTE = tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in COLOURS.tolist())


EVERY = {
    "8": (Side(), np.arange(256, dtype=np.uint8)),
    "16": (Side(depth="16"), np.arange(65536).astype(np.uint16)),
    "12 of 16": (Side(depth="16", range=(0, 4095)), np.arange(4096).astype(np.uint16)),
    "float": (Side(depth="float", range=(-1000, 3000)), np.linspace(-1000, 3000, 1001, dtype=np.float32)),
}


@pytest.mark.parametrize("kind", EVERY)
def test_every_value_survives_encoding_and_decoding(kind):
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


def test_outputs_of_the_generator_are_clipped_to_the_range():
    for side, stored in EVERY.values():
        made = np.asarray(decode(side, jnp.array([-1.5, 1.5])))
        assert (made[0], made[1]) == (stored[0], stored[-1])


def test_truncation_differs_from_rounding():
    value = jnp.array([2 * 10.7 / 255 - 1])
    assert decode(Side(), value)[0] == 11
    assert decode(Side(), value, truncate=True)[0] == 10


@pytest.mark.parametrize("side", [Side(kind="labels", classes=12), Side(kind="labels", palette=PALETTE)])
def test_classes_become_one_channel_each_and_survive_decoding(side):
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    values = np.asarray(encode(side, jnp.asarray(ids)))
    assert values.shape == (3, 4, 12)
    assert np.array_equal(values.reshape(12, 12), 2 * np.eye(12) - 1)
    assert np.array_equal(decode(side, jnp.asarray(values)), ids)
    noisy = values + np.random.default_rng(0).uniform(-0.9, 0.9, values.shape)
    assert np.array_equal(decode(side, jnp.asarray(noisy)), ids)


def test_metrics_use_the_scale_of_8_bits():
    assert np.array_equal(to_255(Side(), jnp.array([0, 255], jnp.uint8)), [0, 255])
    np.testing.assert_allclose(
        to_255(Side(depth="16"), jnp.array([0, 32768, 65535], jnp.uint16)), [0, 127.502, 255], rtol=1e-5
    )
    classes = to_255(Side(kind="labels", classes=2), jnp.array([[1]], jnp.uint8))
    assert np.array_equal(classes, [[0, 255]])


def test_the_colours_of_a_palette_file_are_kept_in_the_config(tmp_path):
    (tmp_path / "colours.txt").write_text("0 0 222 background\n255 0 0\n")
    data = Data(
        target=Side(kind="labels", palette=(str(tmp_path / "colours.txt"),)), input=Side(kind="labels", palette=("cmp",))
    )
    resolved = resolve_files(Config(data=data)).data
    assert resolved.target.palette == ("#0000de", "#ff0000")
    assert resolved.input.palette == PALETTE
    assert resolve_files(Config(data=resolved)).data == resolved

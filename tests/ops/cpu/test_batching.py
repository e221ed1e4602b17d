"""Convolutions in micro-batches equal those of the batch at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers

from p2p_jax.ops import convolution
from p2p_jax.ops.cpu import batching
from p2p_jax.ops.geometry import ConvGeometry, Cost

FORMULATIONS = {
    "im2col": (convolution.IM2COL, 2),
    "output im2col": (convolution.OUTPUT_IM2COL, 1),
    "winograd 2": (convolution.by_winograd(2), 2),
    "polyphase": (convolution.POLYPHASE, 1),
    "winograd 3": (convolution.by_winograd(3), 1),
}
PICTURES = 6


def maps_of(name, *, features_first, dtype):
    """Returns the three maps of a formulation, each with its two arrays, for six pictures."""
    formulation, stride = FORMULATIONS[name]
    side, channels, features = 8 // stride + 1, 3, 2
    geometry = ConvGeometry(4, 4, stride, 1, 10, 10, side, side, features_first)
    shape = (features, 4, 4, channels) if features_first else (4, 4, channels, features)
    normal = np.random.default_rng(0).normal
    x, y, kernel = (normal(size=size) for size in ((PICTURES, 10, 10, channels), (PICTURES, side, side, features), shape))
    arrays = {"conv": (x, kernel), "conv_transpose": (y, kernel), "kernel_gradient": (x, y)}
    return {
        name: (partial(getattr(formulation, name), geometry), tuple(jnp.asarray(a, dtype) for a in both))
        for name, both in arrays.items()
    }


@pytest.mark.parametrize("features_first", tiers([False, True]))
@pytest.mark.parametrize("name", tiers(FORMULATIONS, 2))
@pytest.mark.parametrize("count", tiers([1, 3], slow=1))
def test_micro_batches_give_the_result_of_the_batch(name, features_first, count, monkeypatch):
    with jax.enable_x64(True):
        for what, (fn, arrays) in maps_of(name, features_first=features_first, dtype=jnp.float64).items():
            expected = jax.jit(fn)(*arrays)
            with monkeypatch.context() as patch:
                patch.setattr(jax, "device_count", lambda: 1)
                patch.setattr(batching, "micro_batch_size", lambda *_: count)
                looped = jax.jit(partial(fn))
                assert "while" in looped.lower(*arrays).as_text()
                np.testing.assert_allclose(looped(*arrays), expected, rtol=1e-10, atol=1e-10, err_msg=what)


@pytest.mark.parametrize("name", tiers(FORMULATIONS, slow=2))
@pytest.mark.parametrize("dtype", tiers([jnp.bfloat16, jnp.float16]))
def test_micro_batches_of_16_bit_floats_give_the_result_of_the_batch(name, dtype, monkeypatch):
    for what, (fn, arrays) in maps_of(name, features_first=False, dtype=dtype).items():
        expected = jax.jit(fn)(*arrays)
        monkeypatch.setattr(jax, "device_count", lambda: 1)
        monkeypatch.setattr(batching, "micro_batch_size", lambda *_: 2)
        compiled = jax.jit(partial(fn))
        assert "xui16>" in compiled.lower(*arrays).as_text()
        found = compiled(*arrays)
        monkeypatch.undo()
        assert found.dtype == expected.dtype
        scale = float(jnp.abs(expected).max())
        tolerance = 1e-5 if what == "kernel_gradient" else float(jnp.finfo(dtype).eps)
        narrow = found.astype(jnp.float32), expected.astype(jnp.float32)
        np.testing.assert_allclose(*narrow, atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize(
    ("n", "values", "count"), [(1, 9, 1), (8, 5, 2), (8, 2, 4), (8, 1, 8), (6, 3, 3), (7, 2, 1), (8, 99, 1)]
)
def test_a_micro_batch_is_as_large_as_the_cache_allows(n, values, count, monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    cost = Cost(multiply_adds=0, values=values, kernel_values=0, matrices=0)
    assert batching.micro_batch_size(jnp.zeros((n, 1)), cost, 40.0) == count
    assert batching.micro_batch_size(jnp.zeros((n, 1), jnp.bfloat16), cost, 40.0) == count, "sums are computed in float32"


def test_a_batch_on_several_devices_is_not_split():
    assert jax.device_count() == 2, "conftest.py simulates two"
    cost = Cost(multiply_adds=0, values=99, kernel_values=0, matrices=0)
    assert batching.micro_batch_size(jnp.zeros((8, 1)), cost, 40.0) == 8

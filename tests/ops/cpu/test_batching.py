"""A batch taken a few pictures at a time gives what it gives as a whole."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import mostly_slow

from p2p_jax.ops import convolution
from p2p_jax.ops.cpu import batching
from p2p_jax.ops.geometry import ConvGeometry, Work

FORMULATIONS = {
    "patches": (convolution.IM2COL, 2),
    "turned": (convolution.OUTPUT_IM2COL, 1),
    "winograd 2": (convolution.by_winograd(2), 2),
    "winograd 3": (convolution.by_winograd(3), 1),
    "shifted": (convolution.POLYPHASE, 1),
}
PICTURES = 6


def maps_of(name, *, features_first, dtype):
    """The three maps of a formulation, each with its two arrays, for six pictures."""
    formulation, stride = FORMULATIONS[name]
    side, channels, features = 8 // stride + 1, 3, 2
    window = ConvGeometry(4, 4, stride, 1, 10, 10, side, side, features_first)
    shape = (features, 4, 4, channels) if features_first else (4, 4, channels, features)
    normal = np.random.default_rng(0).normal
    x, y, kernel = (normal(size=size) for size in ((PICTURES, 10, 10, channels), (PICTURES, side, side, features), shape))
    arrays = {"correlate": (x, kernel), "spread": (y, kernel), "kernel_gradient": (x, y)}
    return {
        name: (partial(getattr(formulation, name), window), tuple(jnp.asarray(a, dtype) for a in both))
        for name, both in arrays.items()
    }


@pytest.mark.parametrize("features_first", [False, True])
@pytest.mark.parametrize("name", FORMULATIONS)
@pytest.mark.parametrize("count", mostly_slow([1, 3]))
def test_a_few_at_a_time_give_what_all_at_once_give(name, features_first, count, monkeypatch):
    with jax.enable_x64(True):
        for what, (fn, arrays) in maps_of(name, features_first=features_first, dtype=jnp.float64).items():
            whole = jax.jit(fn)(*arrays)
            with monkeypatch.context() as patch:
                patch.setattr(jax, "device_count", lambda: 1)
                patch.setattr(batching, "at_once", lambda *_: count)
                cut = jax.jit(partial(fn))
                assert "while" in cut.lower(*arrays).as_text()
                np.testing.assert_allclose(cut(*arrays), whole, rtol=1e-10, atol=1e-10, err_msg=what)


@pytest.mark.parametrize("name", FORMULATIONS)
@pytest.mark.parametrize("dtype", mostly_slow([jnp.bfloat16, jnp.float16]))
def test_numbers_of_16_bits_come_through_whole(name, dtype, monkeypatch):
    for what, (fn, arrays) in maps_of(name, features_first=False, dtype=dtype).items():
        whole = jax.jit(fn)(*arrays)
        monkeypatch.setattr(jax, "device_count", lambda: 1)
        monkeypatch.setattr(batching, "at_once", lambda *_: 2)
        compiled = jax.jit(partial(fn))
        assert "xui16>" in compiled.lower(*arrays).as_text()
        cut = compiled(*arrays)
        monkeypatch.undo()
        assert cut.dtype == whole.dtype
        scale = float(jnp.abs(whole).max())
        tolerance = 1e-5 if what == "kernel_gradient" else float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(cut.astype(jnp.float32), whole.astype(jnp.float32), atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize(
    ("n", "values", "count"), [(1, 9, 1), (8, 5, 2), (8, 2, 4), (8, 1, 8), (6, 3, 3), (7, 2, 1), (8, 99, 1)]
)
def test_as_many_at_once_as_the_cache_holds(n, values, count, monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    work = Work(products=0, values=values, of_kernel=0, matrices=0)
    assert batching.at_once(jnp.zeros((n, 1)), work, 40.0) == count
    assert batching.at_once(jnp.zeros((n, 1), jnp.bfloat16), work, 40.0) == count, "sums are made in float32"


def test_a_batch_on_several_devices_is_taken_whole():
    assert jax.device_count() == 2, "conftest.py simulates two"
    work = Work(products=0, values=99, of_kernel=0, matrices=0)
    assert batching.at_once(jnp.zeros((8, 1)), work, 40.0) == 8

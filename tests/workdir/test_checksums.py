"""Checksums: every change of a value changes them, and the place of an array does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax.devices.sharding import make_mesh
from p2p_jax.workdir.checksums import checksums, sum_on_devices


def test_a_checksum_changes_with_any_single_value():
    array = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    first = checksums({"a": array})
    for index in np.ndindex(array.shape):
        changed = array.copy()
        changed[index] = np.nextafter(changed[index], 9)
        assert checksums({"a": changed}) != first, index


def test_a_checksum_changes_when_two_values_change_places():
    array = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    first = checksums([array])
    for index in range(1, 12):
        changed = array.copy().reshape(-1)
        changed[[0, index]] = changed[[index, 0]]
        assert checksums([changed.reshape(3, 4)]) != first


def test_a_checksum_changes_with_the_sign_of_zero():
    assert checksums([np.zeros(3, np.float32)]) != checksums([np.array([0, -0.0, 0], np.float32)])


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32, jnp.bfloat16, np.float16, np.uint8, np.int8, np.bool_])
def test_every_dtype_has_a_checksum(dtype):
    one, two = jnp.zeros(4, dtype), jnp.asarray([0, 0, 1, 0], dtype)
    assert checksums([one]) == [0]
    assert checksums([two]) != [0]


@pytest.mark.parametrize("dtype", [*(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
                                   "float16", "bfloat16", "float32", "float64", "bool"])  # fmt: skip
def test_numpy_and_devices_compute_the_same_checksums(dtype):
    values = np.random.default_rng(0).normal(size=(3, 5, 2)) * 50
    leaves = [
        values.astype(jnp.dtype(dtype)),
        values[:, ::2].astype(jnp.dtype(dtype)).T,
        values[:0].astype(jnp.dtype(dtype)),
    ]
    assert checksums(leaves) == np.asarray(sum_on_devices(leaves)).tolist()
    assert checksums(leaves) == checksums([jnp.asarray(leaf) for leaf in leaves])


def test_each_array_has_one_checksum_in_order():
    one, two = np.float32(1.5), np.arange(3)
    assert checksums([one, two]) == checksums([one]) + checksums([two])
    assert checksums({}) == []


def test_checksums_do_not_depend_on_shardings():
    devices = jax.devices()
    assert len(devices) == 2
    array = jax.random.normal(jax.random.key(0), (4, 6))
    mesh = make_mesh(2)
    places = [jax.P(), jax.P("data"), jax.P(None, "data")]
    sums = {tuple(checksums([jax.device_put(array, jax.NamedSharding(mesh, place))])) for place in places}
    sums |= {tuple(checksums([jax.device_put(array, device)])) for device in devices}
    assert len(sums) == 1

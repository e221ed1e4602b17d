"""Random displacements: no new values, at most the strength, smooth, and one field for each picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import ops

KEY = jax.random.key(0)
ROWS, COLUMNS = np.mgrid[:24, :32]
PLACES = jnp.asarray(np.broadcast_to(np.stack([ROWS, COLUMNS], -1), (8, 24, 32, 2)))
displace = jax.jit(ops.displace, static_argnames="knots")


def test_at_strength_0_nothing_moves():
    np.testing.assert_array_equal(displace(KEY, PLACES, 0.0), PLACES)


def test_pixels_move_by_up_to_a_fraction_of_height_and_width_and_smoothly():
    moved = np.asarray(displace(KEY, PLACES, 0.1)) - np.asarray(PLACES)
    furthest = np.abs(moved).max((0, 1, 2))
    assert (furthest <= [np.ceil(2.4), np.ceil(3.2)]).all()
    assert (furthest >= [2, 2]).all()
    # At half that strength two neighbours are displaced by at most half a pixel more or less than each other.
    moved = np.asarray(displace(KEY, PLACES, 0.05)) - np.asarray(PLACES)
    assert np.abs(np.diff(moved, axis=1)).max() == 1
    assert np.abs(np.diff(moved, axis=2)).max() == 1


def test_each_picture_has_a_field_of_its_own_that_depends_on_the_key():
    first, other = (np.asarray(displace(key, PLACES, 0.1)) for key in jax.random.split(KEY))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, displace(jax.random.split(KEY)[0], PLACES, 0.1))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16"])
def test_one_hot_stays_one_hot(dtype):
    numbers = np.random.default_rng(0).integers(0, 3, (2, 24, 32))
    labels = jnp.asarray(np.eye(3)[numbers], dtype)
    moved = displace(KEY, labels, 0.2)
    assert moved.dtype == labels.dtype
    assert not np.array_equal(moved, labels)
    np.testing.assert_array_equal(np.sort(np.asarray(moved, np.float32), -1), np.broadcast_to([0, 0, 1], moved.shape))

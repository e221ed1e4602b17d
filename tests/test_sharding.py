"""Training on two (simulated) devices equals training on one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding

from p2p_jax import discriminators, generators
from p2p_jax.data.augment import augment
from p2p_jax.network import network
from p2p_jax.sharding import make_mesh, replicate, split_batch
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step

MODEL = Pix2Pix(
    network(generators.unet, widths=(2, 3), dropout_rates=(0.0, 0.5)),
    network(discriminators.pixelgan, width=2),
    optax.adam(1e-3, b1=0.5),
    optax.adam(1e-3, b1=0.5),
    ema_decay=0.9,
)


jit = jax.jit


def initial(batch):
    state = jit(lambda batch: init_train_state(jax.random.key(0), MODEL, batch))(batch)
    wide = lambda leaf: np.asarray(leaf, np.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    return jax.tree.map(wide, state)


def train(devices, steps=3):
    """The state, its shardings and the metrics after some steps, as the trainer runs them."""
    mesh = make_mesh(4, devices)
    random = np.random.default_rng(0)
    pictures = {name: random.uniform(-1, 1, (steps, 4, 8, 8, 3)) for name in ("input", "target")}
    pictures["input"][:, 2:] += 1  # the halves of a batch differ, so that statistics of one half would show
    batches = [{name: value[i] for name, value in pictures.items()} for i in range(steps)]
    state = replicate(mesh, initial(batches[0]))
    step = jit(make_train_step(MODEL), donate_argnums=0, out_shardings=NamedSharding(mesh, jax.P()))
    history = []
    for batch in batches:
        batch = split_batch(mesh, batch)
        assert len(batch["input"].sharding.device_set) == len(devices)
        assert batch["input"].addressable_shards[0].data.shape[0] == 4 // len(devices)
        state, metrics = step(state, batch)
        history.append(metrics)
    return state.replace(key=jax.random.key_data(state.key)), history


@pytest.fixture(scope="module")
def runs():
    assert jax.device_count() == 2, "conftest.py simulates two"
    with jax.enable_x64(True):
        return train(jax.devices()[:1]), train(jax.devices())


def test_two_devices_train_as_one_does_with_dropout_and_batch_statistics(runs):
    one, two = runs
    assert int(two[0].step) == 3
    leaves = jax.tree.leaves_with_path(two)
    assert sum(leaf.dtype == jnp.float64 for _, leaf in leaves) > 50
    for (path, b), a in zip(leaves, jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-8, err_msg=jax.tree_util.keystr(path))


def test_state_stays_whole_on_every_device(runs):
    state, history = runs[1]
    for leaf in jax.tree.leaves((state.replace(key=None), history)):
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.sharding.device_set) == 2


@pytest.mark.parametrize(("batch_size", "count"), [(1, 1), (2, 2), (3, 1), (4, 2)])
def test_mesh_takes_as_many_devices_as_divide_the_batch(batch_size, count):
    mesh = make_mesh(batch_size)
    assert mesh.axis_names == ("data", "model")
    assert list(mesh.devices.flat) == jax.devices()[:count]


def test_mesh_keeps_to_the_devices_given():
    assert list(make_mesh(4, jax.devices()[1:]).devices.flat) == jax.devices()[1:]


def test_augmentation_is_the_same_on_two_devices():
    random = np.random.default_rng(0)
    batch = {name: random.integers(0, 256, (4, 9, 9, 3), np.uint8) for name in ("input", "target")}
    run = jit(lambda key, batch: augment(key, batch, size=6))
    one, two = (run(jax.random.key(0), split_batch(make_mesh(4, d), batch)) for d in (jax.devices()[:1], jax.devices()))
    jax.tree.map(np.testing.assert_array_equal, one, two)

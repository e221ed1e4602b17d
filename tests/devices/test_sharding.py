"""Training on two simulated devices equals training on one."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.cases import tiers
from jax.sharding import NamedSharding

from p2p_jax import discriminators, generators, layers
from p2p_jax.data.augment import augment
from p2p_jax.devices.sharding import make_mesh, replicate, split_batch, state_shardings, with_gathered_params
from p2p_jax.errors import UserError
from p2p_jax.network import network
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step

jit = jax.jit


def build(**statistics):
    norm = partial(layers.batch_norm, **statistics)
    return Pix2Pix(
        network(generators.unet, widths=(2, 3), dropout_rates=(0.0, 0.5), norm=norm),
        network(discriminators.pixelgan, width=2, norm=norm),
        optax.adam(1e-3, b1=0.5),
        optax.adam(1e-3, b1=0.5),
        ema_decay=0.9,
    )


MODELS = {  # with the number of micro-batches
    "batch": (build(), 1),
    "groups": (build(statistics="group", group_size=2), 1),
    "micro-batches": (build(), 2),
}


def collectives(compiled):
    """Returns the collectives of a compiled program."""
    return set(re.findall(r" (all-reduce|reduce-scatter|all-gather|all-to-all|collective-permute)(?:-start)?\(", compiled))


def initial(model, batch):
    state = jit(lambda batch: init_train_state(jax.random.key(0), model, batch))(batch)
    wide = lambda leaf: np.asarray(leaf, np.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    return jax.tree.map(wide, state)


def train(model, accumulate, devices, steps=3):
    """Returns the state and the metrics after some steps, run as the trainer runs them, and the program's text."""
    mesh = make_mesh(4, devices)
    random = np.random.default_rng(0)
    pictures = {name: random.uniform(-1, 1, (steps, 4, 8, 8, 3)) for name in ("input", "target")}
    pictures["input"][:, 2:] += 1  # the halves of a batch differ, so statistics of one half would change the result
    batches = [{name: value[i] for name, value in pictures.items()} for i in range(steps)]
    state = replicate(mesh, initial(model, batches[0]))
    step = jit(make_train_step(model, accumulate=accumulate), donate_argnums=0, out_shardings=NamedSharding(mesh, jax.P()))
    step = step.lower(state, split_batch(mesh, batches[0])).compile()
    history = []
    for batch in batches:
        batch = split_batch(mesh, batch)
        assert len(batch["input"].sharding.device_set) == len(devices)
        assert batch["input"].addressable_shards[0].data.shape[0] == 4 // len(devices)
        state, metrics = step(state, batch)
        history.append(metrics)
    return state.replace(key=jax.random.key_data(state.key)), history, step.as_text()


@pytest.fixture(scope="module", params=tiers(MODELS, slow=1))
def runs(request):
    assert jax.device_count() == 2, "conftest.py simulates two"
    with jax.enable_x64(True):
        return [train(*MODELS[request.param], devices) for devices in (jax.devices()[:1], jax.devices())]


@pytest.mark.slow
def test_two_devices_train_as_one_with_dropout_and_any_statistics(runs):
    one, two = runs
    assert int(two[0].step) == 3
    leaves = jax.tree.leaves_with_path(two[:2])
    assert sum(leaf.dtype == jnp.float64 for _, leaf in leaves) > 50
    for (path, b), a in zip(leaves, jax.tree.leaves(one[:2]), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-8, err_msg=jax.tree_util.keystr(path))


@pytest.mark.slow
def test_the_state_stays_replicated(runs):
    state, history, _ = runs[1]
    for leaf in jax.tree.leaves((state.replace(key=None), history)):
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.sharding.device_set) == 2


def test_devices_exchange_only_sums(runs):
    assert not collectives(runs[0][2])
    assert collectives(runs[1][2]) == {"all-reduce"}


@pytest.mark.slow
@pytest.mark.parametrize(("group_size", "expected"), [(1, set()), (2, set()), (4, {"all-reduce"})])
def test_groups_within_a_device_need_no_statistics_of_others(group_size, expected):
    mesh = make_mesh(4)
    net = network(
        generators.unet, widths=(2, 3), norm=partial(layers.batch_norm, statistics="group", group_size=group_size)
    )
    pictures = split_batch(mesh, np.zeros((4, 8, 8, 3), np.float32))
    params, state = replicate(mesh, net.init(jax.random.key(0), pictures))
    forward = jit(lambda params, state, x: net.apply(params, state, x, train=True)[0])
    assert collectives(forward.lower(params, state, pictures).compile().as_text()) == expected


@pytest.mark.parametrize(("batch_size", "count"), [(1, 1), (2, 2), (3, 1), (4, 2)])
def test_a_mesh_has_as_many_devices_as_divide_the_batch(batch_size, count):
    mesh = make_mesh(batch_size)
    assert mesh.axis_names == ("data", "model")
    assert list(mesh.devices.flat) == jax.devices()[:count]


def test_a_mesh_has_only_the_given_devices():
    assert list(make_mesh(4, jax.devices()[1:]).devices.flat) == jax.devices()[1:]


def test_augmentation_is_the_same_on_two_devices():
    random = np.random.default_rng(0)
    batch = {name: random.integers(0, 256, (4, 9, 9, 3), np.uint8) for name in ("input", "target")}
    run = jit(lambda key, batch: augment(key, batch, size=6))
    one, two = (run(jax.random.key(0), split_batch(make_mesh(4, d), batch)) for d in (jax.devices()[:1], jax.devices()))
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_networks_gather_their_params_only_if_the_state_is_sharded():
    mesh, model = make_mesh(2, jax.devices()[:2]), build()
    large = {"kernel": jax.ShapeDtypeStruct((64, 64, 2, 2), "float32")}
    for sharded in (False, True):
        shardings = state_shardings(mesh, large, sharded=sharded)
        assert (with_gathered_params(model, mesh, shardings) is model) == (not sharded)


def test_a_batch_that_does_not_split_over_processes_is_refused():
    devices = [type("Device", (), {"process_index": index})() for index in (0, 1)]
    with pytest.raises(UserError, match="divided by --accumulate is 3: make it a multiple of the number of processes, 2"):
        make_mesh(3, devices)

"""Every optional piece of a step works in bfloat16, with micro-batches and on several devices."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.cases import tiers
from helpers.pieces import PIECES, RANDOM, batch_for, config_with
from jax.sharding import NamedSharding

from p2p_jax.devices.sharding import make_mesh, replicate, split_batch
from p2p_jax.pix2pix import build
from p2p_jax.step import init_train_state, make_train_step

STEPS = 2
SOME = tiers(PIECES, fast=0, slow=1)


def model_with(name, **options):
    """The model, with plain descent, because Adam turns the rounding of small gradients into whole steps."""
    descent = {"generator_optimizer": optax.sgd(0.01), "discriminator_optimizer": optax.sgd(0.01)}
    config = config_with(name, **options)
    return build(config)._replace(**descent), batch_for(config)


def initial(model, batch):
    """The same state at the start for all dtypes; larger weights, so that every piece has an effect."""
    state = jax.jit(lambda batch: init_train_state(jax.random.key(0), model, batch))(batch)
    larger = lambda network: network.replace(params=jax.tree.map(lambda leaf: 5 * leaf, network.params))
    return state.replace(generator=larger(state.generator), discriminator=larger(state.discriminator))


@cache
def train(name, accumulate=1, devices=1, dtype="float32"):
    """The leaves of the state, and the metrics of each step."""
    model, batch = model_with(name, accumulate=accumulate, dtype=dtype)
    mesh = make_mesh(len(batch["input"]) // accumulate, jax.devices()[:devices])
    assert mesh.size == devices
    state, batch = replicate(mesh, initial(model, batch)), split_batch(mesh, batch)
    step = jax.jit(make_train_step(model, accumulate=accumulate), out_shardings=NamedSharding(mesh, jax.P()))
    rows = []
    for _ in range(STEPS):
        state, metrics = step(state, batch)
        rows.append(jax.device_get(metrics))
    return jax.tree.leaves_with_path(jax.device_get(state.replace(key=None))), rows


def assert_close(one, other, rtol, atol):
    for (path, a), (_, b) in zip(one[0], other[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=jax.tree_util.keystr(path))
    for first, second in zip(one[1], other[1], strict=True):
        assert set(first) == set(second)
        for key in first:
            np.testing.assert_allclose(first[key], second[key], rtol=rtol, atol=atol, err_msg=key)


@pytest.mark.parametrize("name", tiers(PIECES, fast=3, slow=99))
def test_in_bfloat16_the_state_and_the_metrics_keep_their_dtypes(name):
    model, batch = model_with(name, dtype="bfloat16")
    state = jax.eval_shape(lambda: init_train_state(jax.random.key(0), model, batch))
    after, metrics = jax.eval_shape(make_train_step(model), state, batch)
    assert after == state
    assert {leaf.dtype for leaf in jax.tree.leaves(metrics)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", SOME)
def test_in_bfloat16_it_trains_almost_as_in_float32(name):
    _, [first, *later] = train(name, dtype="bfloat16")
    _, [expected, *_] = train(name)
    assert all(np.isfinite(value) for row in later for value in row.values())
    for key, value in expected.items():
        fraction = "accuracy" in key or "probability" in key
        np.testing.assert_allclose(first[key], value, rtol=0.1, atol=0.1 if fraction else 0.01, err_msg=key)


@pytest.mark.parametrize("name", SOME)
def test_micro_batches_train_as_the_whole_batch_if_nothing_is_random(name):
    whole, parts = train(name), train(name, accumulate=2)
    if name in RANDOM:
        assert all(np.isfinite(value) for row in parts[1] for value in row.values())
        assert [leaf.shape for _, leaf in parts[0]] == [leaf.shape for _, leaf in whole[0]]
    else:
        assert_close(whole, parts, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", SOME)
def test_two_devices_train_as_one(name):
    assert_close(train(name), train(name, devices=2), rtol=1e-3, atol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(set(PIECES) - {"moving average", "segmentation"}))
def test_the_piece_changes_what_is_trained(name):
    """Otherwise the other tests would not see it."""
    base = "segmentation" if name in ("label mix", "input warp") else "moving average"
    values = lambda rows: [row["discriminator_loss"] for row in rows] + [row["generator_loss"] for row in rows]
    assert not np.allclose(values(train(name)[1]), values(train(base)[1]), rtol=1e-4)

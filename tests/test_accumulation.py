"""Micro-batches in turn against the same batch at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.cases import tiers
from helpers.small_step import batch_of, discriminate, initial, make_picture

from p2p_jax import layers, losses
from p2p_jax.accumulation import mean_over_micro_batches
from p2p_jax.errors import UserError
from p2p_jax.network import Network, network
from p2p_jax.step import DROPOUT, MICRO_BATCH, PENALTY, Pix2Pix, init_train_state, make_train_step

jit = jax.jit
by_picture = partial(layers.batch_norm, statistics="picture")


def adam(rate):
    return optax.adam(rate, b1=0.5, eps=1e-5)


def build(norm, optimizer=adam, **options):
    networks = (network(body, norm=norm) for body in (make_picture, discriminate))
    return Pix2Pix(*networks, optimizer(0.01), optimizer(0.03), **options)


@pytest.fixture(autouse=True)
def no_dropout(monkeypatch):
    """Disables dropout, because each micro-batch has its own key and so other dropout than the batch at once."""
    monkeypatch.setattr(layers, "dropout", lambda scope, x, rate: x)


def run(model, batch, steps=2, **options):
    """Returns the state and the metrics after some steps in float64."""
    with jax.enable_x64(True):
        state = initial(model, batch_of(4), np.float64)
        step = jit(make_train_step(model, **options))
        for _ in range(steps):
            state, metrics = step(state, batch)
        return jax.device_get((state.replace(key=None), metrics))


def assert_close(a, b):
    """Compares to 1e-10, and accuracies, which are float32, to its rounding."""
    bound = lambda leaf: 1e-6 if leaf.dtype == np.float32 else 1e-10
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=bound(a), atol=bound(a)), a, b)


@pytest.mark.slow
@pytest.mark.parametrize("update", ["sequential", "stale", "simultaneous"])
@pytest.mark.parametrize("norm", tiers([layers.no_norm, layers.instance_norm, by_picture]))
def test_four_micro_batches_equal_the_batch_at_once_where_pictures_share_no_statistics(norm, update):
    model = build(norm, update=update, ema_decay=0.9)
    with jax.enable_x64(True):
        batch = batch_of(4)
    assert_close(run(model, batch, accumulate=4), run(model, batch))


@pytest.mark.exhaustive
def test_a_weight_a_penalty_and_other_losses_are_means_over_the_micro_batches():
    even = lambda discriminate, _key, input, real, fake: jnp.square(discriminate(input, (real + fake) / 2)).mean()
    model = build(by_picture, penalty=even, adversarial=losses.least_squares, reconstruction=losses.l2)
    with jax.enable_x64(True):
        weight = np.random.default_rng(5).uniform(0, 1, (4, 5, 5, 1))
        batch = batch_of(4) | {"weight": jnp.asarray(weight)}
    accumulated = run(model, batch, accumulate=2)
    assert_close(accumulated, run(model, batch))
    assert abs(accumulated[1]["generator_l1"] - run(model, batch_of(4), accumulate=2)[1]["generator_l1"]) > 0.01


@pytest.mark.exhaustive
def test_batch_statistics_are_those_of_a_micro_batch_of_every_second_picture():
    """If nothing depends on an update in between, gradient descent on two micro-batches is the mean of both."""
    model = build(layers.batch_norm, optax.sgd, update="simultaneous")
    with jax.enable_x64(True):
        batch = batch_of(4)
        halves = [{name: value[i::2] for name, value in batch.items()} for i in range(2)]
    (found, metrics), both = run(model, batch, steps=1, accumulate=2), [run(model, half, steps=1) for half in halves]
    mean, mean_metrics = jax.tree.map(lambda a, b: (a + b) / 2, *both)
    assert_close((found.generator, found.discriminator, metrics), (mean.generator, mean.discriminator, mean_metrics))
    assert abs(metrics["generator_l1"] - run(model, batch, steps=1)[1]["generator_l1"]) > 1e-4


def model_of_draws():
    """Networks whose gradients are means of draws u: the fake is p u with one u per batch, the logit q mean(picture)."""
    draw = lambda key: jax.random.uniform(key, (), jnp.float64)
    generator = Network(
        lambda key, x: (jnp.ones(()), {}),
        lambda params, state, x, *, train, key=None: (params * draw(key) * jnp.ones_like(x), state),
    )
    discriminator = Network(
        lambda key, x: (jnp.ones(()), {}),
        lambda params, state, x, *, train, key=None: (params * x[..., 3:].mean((1, 2, 3), keepdims=True), state),
    )
    penalty = lambda discriminate, key, input, real, fake: draw(key) * discriminate(input, jnp.ones_like(real)).mean()
    return Pix2Pix(
        generator,
        discriminator,
        optax.sgd(1.0),
        optax.sgd(1.0),
        adversarial=losses.wasserstein,
        reconstruction_weight=0.0,
        discriminator_weight=1.0,
        penalty=penalty,
        update="simultaneous",
    )


def test_every_micro_batch_has_its_own_draws_which_are_the_same_for_both_networks():
    with jax.enable_x64(True):
        model, x = model_of_draws(), jnp.zeros((4, 2, 2, 3))
        batch = {"input": x, "target": x}
        state = init_train_state(jax.random.key(0), model, batch)
        after, _ = jit(make_train_step(model, accumulate=4))(state, batch)
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), MICRO_BATCH)
        drawn = {
            consumer: [
                float(jax.random.uniform(jax.random.fold_in(jax.random.fold_in(key, index), consumer), (), jnp.float64))
                for index in range(4)
            ]
            for consumer in (DROPOUT, PENALTY)
        }
        assert len({value for values in drawn.values() for value in values}) == 8
        means = {consumer: np.mean(values) for consumer, values in drawn.items()}
        np.testing.assert_allclose(1 - after.discriminator.params, means[DROPOUT] + means[PENALTY], rtol=1e-12)
        np.testing.assert_allclose(after.generator.params - 1, means[DROPOUT], rtol=1e-12)


def test_the_mean_keeps_dtypes_and_integers():
    fn = lambda x, key: {"mean": x.mean(), "count": jnp.asarray(7), "narrow": x[0].astype(jnp.bfloat16)}
    found = jit(partial(mean_over_micro_batches, fn, key=jax.random.key(0), count=3))(batch=jnp.arange(6.0))
    assert {name: (value.dtype, float(value)) for name, value in found.items()} == {
        "mean": (jnp.float32, 2.5), "count": (jnp.int32, 7), "narrow": (jnp.bfloat16, 1),
    }  # fmt: skip


def test_a_number_of_micro_batches_that_does_not_divide_the_batch_is_refused():
    with pytest.raises(UserError, match=r"^a batch of 4 pairs cannot be split into 3 micro-batches: give a number \(--acc"):
        run(build(layers.no_norm), batch_of(4), accumulate=3)


@pytest.mark.slow
def test_micro_batches_reduce_the_memory_of_a_step():
    model = build(layers.instance_norm)
    batch = batch_of(16, size=32)
    state = initial(model, batch)
    step = lambda count: jit(make_train_step(model, accumulate=count)).lower(state, batch).compile()
    at_once, accumulated = (step(count).memory_analysis().temp_size_in_bytes for count in (1, 8))
    assert accumulated < at_once / 3

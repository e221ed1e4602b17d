"""What a step does with the pieces of a discriminator: keys, relative losses, lazy penalties, features, adapted state."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.cases import tiers
from helpers.small_step import batch_of, build, discriminate, initial

from p2p_jax import layers, losses
from p2p_jax.network import Network, network
from p2p_jax.step import make_train_step

still, descent = optax.sgd(0.0), optax.sgd(0.1)
plain = network(discriminate, norm=layers.no_norm)


def recording(keys):
    """A discriminator that notes the key of each of its passes, and of those for the penalty."""

    def apply(params, state, pair, *, train, key=None):
        keys.append(None if key is None else jax.random.key_data(key))
        return plain.apply(params, state, pair, train=train)

    return Network(plain.init, apply)


def one_step(steps=1, accumulate=1, **options):
    """Runs steps in float64; returns the state and the metrics of each step."""
    with jax.enable_x64(True):
        model = build(layers.no_norm)._replace(**options)
        batch = batch_of(n=4)
        state, step = initial(model, batch, np.float64), jax.jit(make_train_step(model, accumulate=accumulate))
        rows = []
        for _ in range(steps):
            state, metrics = step(state, batch)
            rows.append(jax.device_get(metrics))
        return jax.device_get(state.replace(key=None)), rows


@pytest.mark.parametrize(
    ("update", "different"), tiers([("simultaneous", 2), ("sequential", 3)], fast=0, slow=1, several=True)
)
def test_each_pass_of_the_discriminator_has_a_key_of_its_own(update, different):
    keys = []
    with jax.disable_jit():
        model = build(layers.no_norm, update=update)._replace(discriminator=recording(keys))
        batch = batch_of()
        make_train_step(model)(initial(model, batch), batch)
    assert len(keys) == 3
    assert len({tuple(np.asarray(key).tolist()) for key in keys}) == different


@pytest.mark.exhaustive
def test_all_passes_of_a_step_can_share_their_key():
    keys = []
    with jax.disable_jit():
        model = build(layers.no_norm, discriminator_keys="same", penalty=losses.r1)._replace(discriminator=recording(keys))
        batch = batch_of()
        step, state = make_train_step(model), initial(model, batch)
        state, _ = step(state, batch)
        first, keys[:] = list(keys), []
        step(state, batch)
    assert len({tuple(np.asarray(key).tolist()) for key in first}) == 1
    assert np.asarray(first[0]).tolist() != np.asarray(keys[0]).tolist()


def test_relative_losses_are_those_of_the_differences_of_logits():
    model = build(layers.no_norm, adversarial=losses.relativistic(losses.bce), reconstruction_weight=0.0)
    _, [metrics] = one_step(adversarial=model.adversarial)
    constant = Network(plain.init, lambda *args, **options: (10 + plain.apply(*args, **options)[0], {}))
    _, [shifted] = one_step(adversarial=model.adversarial, discriminator=constant)
    for name, value in metrics.items():
        np.testing.assert_allclose(value, shifted[name], rtol=1e-9, err_msg=name)
    assert metrics["discriminator_real_accuracy"] == metrics["discriminator_fake_accuracy"]
    # By hand: both losses of the discriminator are softplus of the fake's logit minus the target's.
    with jax.enable_x64(True):
        batch = batch_of(n=4)
        state = initial(build(layers.no_norm), batch, np.float64)
        fake = build(layers.no_norm).generator.apply(
            state.generator.params, {}, batch["input"], train=True,
            key=jax.random.fold_in(jax.random.fold_in(state.key, 0), 1),
        )[0]  # fmt: skip
        logits = [
            plain.apply(state.discriminator.params, {}, jnp.concatenate([batch["input"], y], -1), train=True)[0]
            for y in (fake, batch["target"])
        ]
        expected = jax.nn.softplus(logits[0] - logits[1]).mean()
    assert metrics["discriminator_loss"] == pytest.approx(expected)


@pytest.mark.parametrize("accumulate", tiers([1, 2], 0, slow=1))
def test_a_lazy_penalty_has_the_mean_of_the_dense_one(accumulate):
    frozen = {"discriminator_weight": 1.0, "generator_optimizer": still, "discriminator_optimizer": still}
    options = dict(penalty=partial(losses.r1, weight=50.0), accumulate=accumulate, steps=4, **frozen)
    _, none = one_step(**options | {"penalty": None})
    _, dense = one_step(**options)
    _, lazy = one_step(**options, penalty_every=4)
    of = lambda rows: np.array([row["discriminator_loss"] for row in rows]) - [r["discriminator_loss"] for r in none]
    assert of(dense).min() > 1e-3
    np.testing.assert_allclose(of(lazy), [4 * of(dense)[0], 0, 0, 0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(of(lazy).mean(), of(dense).mean(), rtol=1e-9)


@pytest.mark.slow
def test_a_lazy_penalty_moves_the_params_as_the_dense_one_would():
    """With a descent of constant rate from fixed params, the first step of both is told by their gradients."""
    plain_state, _ = one_step(discriminator_optimizer=descent)
    dense, _ = one_step(discriminator_optimizer=descent, penalty=losses.r1)
    lazy, _ = one_step(discriminator_optimizer=descent, penalty=losses.r1, penalty_every=3)
    moved = lambda state: jax.tree.map(np.subtract, state.discriminator.params, plain_state.discriminator.params)
    assert max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(moved(dense))) > 1e-4
    jax.tree.map(lambda a, b: np.testing.assert_allclose(3 * a, b, rtol=1e-6, atol=1e-12), moved(dense), moved(lazy))


def with_features(scope, pair, *, train):
    logits = discriminate(scope, pair, train=train, norm=layers.no_norm)
    return losses.Judged(logits, [pair[..., 3:], 2 * pair[..., 3:]])


@pytest.mark.slow
def test_features_of_fake_and_target_are_matched():
    options = {"discriminator": network(with_features), "reconstruction_weight": 0.0}
    _, [metrics] = one_step(**options, matching=partial(losses.feature_matching, weight=2.0))
    assert metrics["generator_matching"] == pytest.approx(3 * metrics["generator_l1"])
    assert metrics["generator_loss"] == pytest.approx(metrics["generator_gan"] + metrics["generator_matching"])
    _, [without] = one_step(**options)
    assert set(metrics) - set(without) == {"generator_matching"}


@pytest.mark.parametrize("accumulate", tiers([2, 1], 0, slow=1))
def test_the_state_of_the_discriminator_is_adapted_after_its_passes_and_logged(accumulate):
    def apply(params, state, pair, *, train, key=None):
        return state["gain"] * plain.apply(params, {}, pair, train=train)[0], state

    def adapt(state, on_real):
        gain = state["gain"] + 1 + 0 * on_real.mean()
        return {"gain": gain}, {"gain": gain}

    scaled = Network(lambda key, pair: (plain.init(key, pair)[0], {"gain": jnp.ones((), jnp.float32)}), apply)
    state, rows = one_step(steps=3, discriminator=scaled, adapt=adapt, accumulate=accumulate)
    assert [float(row["gain"]) for row in rows] == [2, 3, 4]
    assert state.discriminator.state["gain"] == 4

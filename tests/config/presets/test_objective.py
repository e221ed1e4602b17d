"""The objective and the order of the updates, by hand for networks that can be differentiated on paper."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.presets import KEY, SMALL, changed, leaky, sigmoid, softplus

from p2p_jax import ops, pix2pix
from p2p_jax.network import Network
from p2p_jax.step import init_train_state, make_train_step

jit = jax.jit


def plain_networks():
    """fake = w x; logits = leaky_relu((x, picture) a) b, in plain JAX. The discriminator counts its passes."""
    random = np.random.default_rng(3)
    a, b = random.standard_normal((5, 4)), random.standard_normal(4)

    def judge(params, state, x, *, train, key=None):
        return ops.leaky_relu(x @ params["a"]) @ params["b"], {"passes": state["passes"] + 1}

    generator = Network(
        lambda key, x: (jnp.array([0.5, -0.8]), {}), lambda p, s, x, *, train, key=None: (p * x[..., :2], s)
    )
    discriminator = Network(lambda key, x: ({"a": jnp.asarray(a), "b": jnp.asarray(b)}, {"passes": jnp.zeros(())}), judge)
    return {"generator": generator, "discriminator": discriminator}


@cache
def plain_step(**fields):
    """One step of the plain networks with a small config: (batch, state before, state after, metrics)."""
    with jax.enable_x64(True):
        random = np.random.default_rng(4)
        batch = {name: random.uniform(-1, 1, (2, 5, 5, c)) for name, c in (("input", 3), ("target", 2))}
        model = pix2pix.build(changed(SMALL, **fields))
        model = model._replace(
            **plain_networks(), generator_optimizer=optax.sgd(1.0), discriminator_optimizer=optax.sgd(0.7)
        )
        state = init_train_state(KEY, model, batch)
        after, metrics = jit(make_train_step(model))(state, batch)
        return jax.device_get((batch, state.replace(key=None), after.replace(key=None), metrics))


def discriminator_gradient(batch, state):
    """The gradient of (mean loss of fakes + mean loss of real pictures) with respect to `a` and `b`."""
    p = state.discriminator.params
    slopes = {"a": 0.0, "b": 0.0}
    fake = state.generator.params * batch["input"][..., :2]
    for picture, sign in ((fake, 1), (batch["target"], -1)):
        pair = np.concatenate([batch["input"], picture], -1)
        hidden = pair @ p["a"]
        slope = sign * sigmoid(sign * (leaky(hidden) @ p["b"])) / hidden[..., 0].size
        back = slope[..., None] * p["b"] * np.where(hidden > 0, 1, 0.2)
        slopes["a"] += np.tensordot(pair, back, ((0, 1, 2),) * 2)
        slopes["b"] += np.tensordot(leaky(hidden), slope, ((0, 1, 2),) * 2)
    return slopes


def generator_gradient(batch, state, *, values, weights):
    """(GAN loss, gradient of GAN loss + 100 L1); the discriminator runs forward with `values`, backward with `weights`."""
    x = batch["input"]
    fake = state.generator.params * x[..., :2]
    hidden = np.concatenate([x, fake], -1) @ values["a"]
    logits = leaky(hidden) @ values["b"]
    slope = -sigmoid(-logits)[..., None] / logits.size * weights["b"] * np.where(hidden > 0, 1, 0.2)
    by_fake = (slope @ weights["a"].T)[..., 3:] + 100 * np.sign(fake - batch["target"]) / fake.size
    return softplus(-logits).mean(), (by_fake * x[..., :2]).sum((0, 1, 2))


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_discriminator_weight_is_the_factor_of_its_loss_and_gradient(factor):
    options = {} if factor == 0.5 else {"loss__discriminator_weight": factor}  # 0.5 is the default
    batch, before, after, metrics = plain_step(**options)
    gradient = discriminator_gradient(batch, before)
    for name, moved in gradient.items():
        found = before.discriminator.params[name] - after.discriminator.params[name]
        np.testing.assert_allclose(found, 0.7 * factor * moved, rtol=1e-10, atol=1e-14)
    default = plain_step()[3]["discriminator_loss"]
    assert metrics["discriminator_loss"] == pytest.approx(factor / 0.5 * default, rel=1e-12)


@pytest.mark.parametrize(
    ("update", "values", "weights", "passes"),
    [("sequential", "new", "new", 3), ("stale", "old", "new", 2), ("simultaneous", "old", "old", 2)],
)
def test_update_selects_the_discriminator_params_that_the_generator_learns_from(update, values, weights, passes):
    options = {} if update == "sequential" else {"optimizer__update": update}
    batch, before, after, metrics = plain_step(**options)
    params = {"old": before.discriminator.params, "new": after.discriminator.params}
    moved = before.generator.params - after.generator.params
    for v in ("old", "new"):
        for w in ("old", "new"):
            loss, gradient = generator_gradient(batch, before, values=params[v], weights=params[w])
            apart = abs(moved - gradient).max()
            assert apart < 1e-12 if (v, w) == (values, weights) else apart > 1e-4
            assert (metrics["generator_gan"] == pytest.approx(loss, rel=1e-12)) == (v == values)
    # The discriminator's update is always the same; only "sequential" runs it a third time, with its new params.
    for name, value in plain_step()[2].discriminator.params.items():
        np.testing.assert_array_equal(after.discriminator.params[name], value)
    assert after.discriminator.state["passes"] == passes


@pytest.mark.slow
def test_log_epsilon_bounds_the_loss_and_removes_the_gradient_of_sure_and_wrong_answers():
    default, bounded = (pix2pix.build(changed(SMALL, **f)).adversarial for f in ({}, {"loss__log_epsilon": 1e-12}))
    losses = {
        "fake": (lambda game, x: game.discriminator(x, False), -1),
        "real": (lambda game, x: game.discriminator(x, True), 1),
        "generator": (lambda game, x: game.generator(x), 1),
    }
    with jax.enable_x64(True):
        for loss, right in losses.values():
            logits = right * np.array([-50.0, -25.0, -27.0, -3.0, 4.0])
            p = sigmoid(right * logits)
            for game, epsilon in ((default, 0.0), (bounded, 1e-12)):
                value, slope = jax.value_and_grad(partial(loss, game))(jnp.asarray(logits))
                assert float(value) == pytest.approx(-np.log(p + epsilon).mean(), rel=1e-9)
                np.testing.assert_allclose(slope, -right * p * (1 - p) / (p + epsilon) / len(p), rtol=1e-9)
        sure = jnp.array([50.0])
        assert float(bounded.discriminator(sure, False)) == pytest.approx(-np.log(1e-12))
        assert float(default.discriminator(sure, False)) == pytest.approx(50)
        assert abs(jax.grad(lambda x: bounded.discriminator(x, False))(sure)) < 1e-9
        assert jax.grad(lambda x: default.discriminator(x, False))(sure) == pytest.approx(1)

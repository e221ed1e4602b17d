"""One training step against the same step written out by hand, and its other documented properties."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.small_step import batch_of, build, initial
from helpers.step_by_hand import step_by_hand

from p2p_jax import discriminators, generators, layers, losses
from p2p_jax.network import Network, network
from p2p_jax.step import (
    AUGMENTATION,
    DROPOUT,
    MICRO_BATCH,
    PENALTY,
    Pix2Pix,
    init_train_state,
    make_train_step,
)

jit = jax.jit
METRICS = {
    "generator_loss", "generator_gan", "generator_l1", "discriminator_loss", "discriminator_real_accuracy",
    "discriminator_fake_accuracy",
}  # fmt: skip


def assert_close(a, b, tolerance=1e-9):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), a, b)


def assert_same_step(model, *, steps=1, weight=None, **options):
    """Runs the step and the one by hand in float64, compares them, and returns the last results of both."""
    with jax.enable_x64(True):
        batch = batch_of() if weight is None else {**batch_of(), "weight": weight}
        state = initial(model, batch, np.float64)
        step, by_hand = jit(make_train_step(model)), jit(lambda s, b: step_by_hand(model, s, b, **options))
        for _ in range(steps):
            expected = by_hand(state, batch)
            state, metrics = step(state, batch)
            for name in ("generator", "discriminator"):
                found = getattr(state, name)
                assert_close((found.params, found.state, found.opt_state), expected[name])
            assert_close({n: metrics[n] for n in expected["values"]}, expected["values"])
            assert set(metrics) == METRICS
            correct = (expected["on_fake"] <= 0).mean(), (expected["on_real"] > 0).mean()
            assert_close((metrics["discriminator_fake_accuracy"], metrics["discriminator_real_accuracy"]), correct)
        return jax.device_get((state.replace(key=None), metrics, expected))


@pytest.fixture(scope="module")
def sequential():
    """Two steps with the defaults, each compared with the step by hand."""
    return assert_same_step(build(), steps=2)


def test_the_default_step_is_the_pytorch_originals(sequential):
    state, metrics, _ = sequential
    assert (int(state.step), int(state.batch_index)) == (2, 2)
    assert state.ema is None
    assert 0 < metrics["discriminator_real_accuracy"] < 1, "an accuracy that could be wrong"
    assert metrics["generator_loss"] == pytest.approx(metrics["generator_gan"] + 100 * metrics["generator_l1"])


@pytest.mark.slow
def test_every_option_of_the_losses_affects_the_step():
    model = build(
        update="simultaneous",
        adversarial=losses.smooth_labels(losses.bce, 0.1),
        discriminator_weight=2.0,
        reconstruction_weight=3.0,
    )
    assert_same_step(model, real_target=0.9, d_weight=2.0, l1_weight=3.0, sequential=False)


@pytest.mark.slow
def test_a_weight_weighs_the_reconstruction_and_nothing_else():
    weight = np.random.default_rng(5).uniform(0, 1, (2, 5, 5, 1)) * (np.arange(5) > 1)[:, None]
    _, weighed, _ = assert_same_step(build(), weight=jnp.asarray(weight))
    assert weighed["generator_l1"] > 0


@pytest.mark.slow
def test_a_weight_of_zero_leaves_only_the_adversarial_loss():
    batch = {**batch_of(), "weight": jnp.zeros((2, 5, 5, 1))}
    model = build(reconstruction=lambda fake, target: jnp.square(jnp.diff(fake - target, axis=1)).mean())
    _, metrics = jit(make_train_step(model))(initial(model, batch), batch)
    assert metrics["generator_l1"] == 0
    assert metrics["generator_loss"] == metrics["generator_gan"]


@pytest.mark.slow
def test_penalty_is_added_to_the_discriminators_loss_and_gradient():
    model = build(norm=layers.instance_norm, penalty=partial(losses.gradient_penalty, weight=5.0))
    _, metrics, expected = assert_same_step(model, penalty=5.0)
    plain = 0.5 * (np.log1p(np.exp(expected["on_fake"])).mean() + np.log1p(np.exp(-expected["on_real"])).mean())
    assert metrics["discriminator_loss"] - plain > 0.01
    assert max(abs(leaf).max() for leaf in jax.tree.leaves(expected["penalty_grads"])) > 0.01


# --------------------------------------------------------------------------------------------------------------------
# Networks in plain JAX: a generator with one parameter per channel, and a discriminator with logits at two scales


def plain_model(**options):
    generator = Network(
        lambda key, x: (jnp.full(2, 0.5), {}),
        lambda params, state, x, *, train, key=None: (params * x[..., :2], state),
    )
    discriminator = Network(
        lambda key, x: (jnp.linspace(-1.0, 1.0, 5), {}),
        lambda params, state, x, *, train, key=None: ([x @ params[:, None], x[:, :1] @ params[:, None] - 0.3], state),
    )
    return Pix2Pix(generator, discriminator, optax.sgd(1e-3), optax.sgd(1e-2), **options)


@pytest.fixture(scope="module")
def plain():
    model = plain_model(
        ema_decay=0.15, adversarial=losses.weigh_generator(losses.wasserstein, 0.0), reconstruction=losses.l2
    )
    batch = {name: value.astype(jnp.float32) for name, value in batch_of().items()}
    states, all_metrics = [initial(model, batch)], []
    step = jit(make_train_step(model))
    for _ in range(3):
        state, metrics = step(states[-1], batch)
        states.append(state)
        all_metrics.append(metrics)
    return batch, states, all_metrics


def test_the_average_starts_with_a_small_decay_and_then_keeps_its_own(plain):
    _, states, _ = plain
    average = states[0].generator.params
    np.testing.assert_array_equal(states[0].ema, average)
    for kept, state in zip((1 / 10, 0.15, 0.15), states[1:], strict=True):
        average = kept * average + (1 - kept) * state.generator.params
        np.testing.assert_allclose(state.ema, average, rtol=1e-6)


@pytest.fixture(scope="module")
def least_squares():
    """One step with another loss and a large decay, from step 30."""
    model = plain_model(ema_decay=0.999, adversarial=losses.least_squares)
    batch = {name: value.astype(jnp.float32) for name, value in batch_of().items()}
    state = initial(model, batch).replace(step=jnp.asarray(30, jnp.int32), ema=jnp.zeros(2))
    return batch, *jit(make_train_step(model))(state, batch)


def test_the_average_follows_the_ramp_while_it_is_below_the_decay(least_squares):
    _, after, _ = least_squares
    np.testing.assert_allclose(after.ema, (1 - 31 / 40) * after.generator.params, rtol=1e-6)


def test_a_generator_with_adversarial_weight_zero_learns_from_the_reconstruction_only(plain):
    batch, states, metrics = plain
    x, y = (np.asarray(batch[n], np.float64) for n in ("input", "target"))
    slope = 100 * 2 * ((0.5 * x[..., :2] - y) * x[..., :2]).sum((0, 1, 2)) / y.size
    np.testing.assert_allclose(states[1].generator.params, 0.5 - 1e-3 * slope, rtol=1e-5)
    assert float(metrics[0]["generator_gan"]) == 0
    assert float(metrics[0]["generator_l1"]) == pytest.approx(abs(0.5 * x[..., :2] - y).mean(), rel=1e-5)
    assert float(metrics[0]["generator_loss"]) == pytest.approx(100 * ((0.5 * x[..., :2] - y) ** 2).mean(), rel=1e-5)


def accuracies_by_hand(batch, threshold):
    """Returns `plain_model`'s accuracies at this threshold, and its logits."""
    x, y = (np.asarray(batch[n], np.float64) for n in ("input", "target"))
    found, logits = {}, {}
    for name, picture, is_correct in (("real", y, np.greater), ("fake", 0.5 * x[..., :2], np.less_equal)):
        logits[name] = np.concatenate([x, picture], -1) @ np.linspace(-1, 1, 5)
        scales = logits[name], logits[name][:, :1] - 0.3
        found[name] = np.mean([is_correct(scale, threshold).mean() for scale in scales])
    return found, logits


@pytest.mark.parametrize(("run", "threshold"), [("plain", 0.0), ("least_squares", 0.5)])
def test_accuracy_uses_the_threshold_of_the_loss_and_is_averaged_over_scales(run, threshold, request):
    batch, _, metrics = request.getfixturevalue(run)
    metrics = metrics[0] if run == "plain" else metrics
    expected, logits = accuracies_by_hand(batch, threshold)
    for name in ("real", "fake"):
        assert float(metrics[f"discriminator_{name}_accuracy"]) == pytest.approx(expected[name], abs=1e-6)
        assert ((logits[name] > 0) & (logits[name] < 0.5)).any(), "the threshold matters"


# --------------------------------------------------------------------------------------------------------------------
# Small networks of the real kinds


@pytest.fixture(scope="module")
def unet_run():
    model = Pix2Pix(
        network(generators.unet, widths=(4, 8), dropout_rates=(0.0, 0.5)),
        network(discriminators.patchgan, widths=(4, 8)),
        optax.adam(2e-3, b1=0.5),
        optax.adam(2e-4, b1=0.5),
    )
    coarse = np.random.default_rng(0).uniform(-0.9, 0.9, (1, 4, 4, 3)).astype(np.float32)
    picture = jnp.asarray(coarse.repeat(4, 1).repeat(4, 2))
    batch = {"input": picture, "target": -picture}
    return jit(make_train_step(model)), initial(model, batch), batch


@pytest.mark.slow
def test_training_on_one_pair_for_60_steps_lowers_l1(unet_run):
    step, state, batch = unet_run
    history = []
    for _ in range(60):
        state, metrics = step(state, batch)
        history.append(float(metrics["generator_l1"]))
    assert history[0] > 0.3
    assert np.mean(history[-5:]) < 0.6 * history[0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((state.generator, state.discriminator)))


@pytest.mark.slow
def test_a_step_depends_only_on_its_arguments_bit_for_bit(unet_run):
    step, state, batch = unet_run
    (first, metrics), (second, again) = step(state, batch), step(state, batch)
    jax.tree.map(np.testing.assert_array_equal, metrics, again)
    for name in ("generator", "discriminator"):
        jax.tree.map(np.testing.assert_array_equal, getattr(first, name), getattr(second, name))


@pytest.mark.slow
def test_dropout_depends_on_the_step_and_on_the_key_but_not_on_the_batch_index(unet_run):
    step, state, batch = unet_run
    l1 = lambda **changed: float(step(state.replace(**changed), batch)[1]["generator_l1"])
    assert l1(step=state.step + 1) != l1()
    assert l1(key=jax.random.key(7)) != l1()
    assert l1(batch_index=state.batch_index + 5) == l1()


def test_the_state_before_the_first_step_has_zero_counters_and_initial_params(unet_run):
    _, state, _ = unet_run
    for counter in (state.step, state.batch_index):
        assert counter.dtype == jnp.int32
        assert counter.shape == ()
        assert int(counter) == 0
    assert state.generator.params["down0"]["kernel"].shape == (4, 4, 3, 4)
    assert state.discriminator.params["conv0"]["kernel"].shape == (4, 4, 6, 4)
    assert state.ema is None


def test_no_two_arrays_of_a_new_state_share_memory_so_that_all_can_be_donated():
    model = plain_model(ema_decay=0.9)._replace(generator_optimizer=optax.adam(1e-3))
    batch = {name: value.astype(jnp.float32) for name, value in batch_of().items()}
    state = init_train_state(jax.random.key(0), model, batch)
    np.testing.assert_array_equal(state.ema, state.generator.params)
    places = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state.replace(key=None))]
    assert len(set(places)) == len(places) > 6


def test_every_use_of_randomness_has_its_own_number():
    assert len({AUGMENTATION, DROPOUT, PENALTY, MICRO_BATCH}) == 4

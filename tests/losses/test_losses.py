"""Every loss against its formula in NumPy, and its documented properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import losses
from p2p_jax.errors import UserError

LOGITS = np.random.default_rng(0).standard_normal((2, 3, 4, 1)) * 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_loss(x, t):
    return -(t * np.log(sigmoid(x)) + (1 - t) * np.log(1 - sigmoid(x))).mean()


# name: (discriminator on real, discriminator on fake, generator, threshold)
FORMULAS = {
    "bce": (lambda x: log_loss(x, 1), lambda x: log_loss(x, 0), lambda x: log_loss(x, 1), 0.0),
    "least_squares": (
        lambda x: ((x - 1) ** 2).mean(),
        lambda x: (x**2).mean(),
        lambda x: ((x - 1) ** 2).mean(),
        0.5,
    ),
    "hinge": (
        lambda x: np.maximum(0, 1 - x).mean(),
        lambda x: np.maximum(0, 1 + x).mean(),
        lambda x: -x.mean(),
        0.0,
    ),
    "wasserstein": (lambda x: -x.mean(), lambda x: x.mean(), lambda x: -x.mean(), 0.0),
}


def sides(adversarial):
    """Returns three functions of logits: the discriminator's loss on real and on fake ones, and the generator's."""
    return (
        lambda x: adversarial.discriminator(x, True),
        lambda x: adversarial.discriminator(x, False),
        adversarial.generator,
    )


def finite_differences(fn, x, step=1e-6):
    slopes = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        slopes[index] = (fn(x + shift) - fn(x - shift)) / (2 * step)
    return slopes


@pytest.mark.parametrize("name", FORMULAS)
def test_adversarial_loss_equals_its_formula_in_value_and_gradient(name):
    *formulas, threshold = FORMULAS[name]
    adversarial = getattr(losses, name)
    assert adversarial.threshold == threshold
    with jax.enable_x64(True):
        for loss, formula in zip(sides(adversarial), formulas, strict=True):
            value, gradient = jax.value_and_grad(loss)(jnp.array(LOGITS))
            assert float(value) == pytest.approx(formula(LOGITS), rel=1e-12)
            np.testing.assert_allclose(gradient, finite_differences(formula, LOGITS), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
def test_several_scales_have_equal_weight_whatever_their_size(name):
    small = LOGITS[:, :1, :1]
    for loss, formula in zip(sides(getattr(losses, name)), FORMULAS[name], strict=False):
        value = loss({"coarse": jnp.array(small), "fine": [jnp.array(LOGITS)]})
        assert float(value) == pytest.approx((formula(small) + formula(LOGITS)) / 2, rel=1e-5)


def test_cross_entropy_of_a_very_confident_logit_is_finite_and_exact():
    for logit, target, expected in ((1e4, 1, 0), (1e4, 0, 1e4), (-1e4, 1, 1e4), (-1e4, 0, 0), (1e4, 0.9, 1e3)):
        x = jnp.full((1, 1, 1, 1), logit)
        value, slope = jax.value_and_grad(losses.binary_cross_entropy)(x, target)
        assert float(value) == pytest.approx(expected, rel=1e-4)
        assert float(slope[0, 0, 0, 0]) == pytest.approx((logit > 0) - target, abs=1e-6)


def test_smoothed_cross_entropy_has_the_target_one_minus_the_amount():
    smooth = losses.smooth_labels(losses.bce, 0.1)
    x = jnp.array(LOGITS, jnp.float32)
    assert float(smooth.discriminator(x, True)) == pytest.approx(log_loss(LOGITS, 0.9), rel=1e-5)
    assert float(smooth.discriminator(x, True)) == pytest.approx(float(losses.binary_cross_entropy(x, 0.9)), rel=1e-6)
    assert float(smooth.discriminator(x, False)) == pytest.approx(log_loss(LOGITS, 0), rel=1e-5)
    assert float(smooth.generator(x)) == pytest.approx(log_loss(LOGITS, 1), rel=1e-5)


def test_smoothed_least_squares_has_the_gradient_of_the_target_one_minus_the_amount():
    smooth = losses.smooth_labels(losses.least_squares, 0.2)
    assert smooth.threshold == 0.5
    gradient = jax.grad(lambda x: smooth.discriminator(x, True))(jnp.array(LOGITS, jnp.float32))
    np.testing.assert_allclose(gradient, 2 * (LOGITS - 0.8) / LOGITS.size, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("amount", [-0.1, 1.0, 1.5])
def test_a_smoothing_out_of_range_is_refused(amount):
    with pytest.raises(UserError, match=f"label smoothing was given {amount}"):
        losses.smooth_labels(losses.bce, amount)


def test_weigh_generator_multiplies_the_generators_loss_only():
    x = jnp.array(LOGITS, jnp.float32)
    weighed = losses.weigh_generator(losses.least_squares, 0.25)
    assert float(weighed.generator(x)) == pytest.approx(0.25 * ((LOGITS - 1) ** 2).mean(), rel=1e-5)
    assert float(weighed.discriminator(x, True)) == pytest.approx(((LOGITS - 1) ** 2).mean(), rel=1e-5)
    assert weighed.threshold == 0.5
    value, gradient = jax.value_and_grad(losses.weigh_generator(losses.bce, 0).generator)(x)
    assert float(value) == 0
    assert not gradient.any()


def label_maps():
    """Fakes in [-1, 1] and one-hot targets of five classes, in float64."""
    random = np.random.default_rng(2)
    return random.uniform(-1, 1, (2, 3, 4, 5)), np.eye(5)[random.integers(0, 5, (2, 3, 4))] * 2 - 1


def test_cross_entropy_is_that_of_a_softmax_of_scaled_fakes():
    fake, target = label_maps()
    softmax = np.exp(10 * fake) / np.exp(10 * fake).sum(-1, keepdims=True)
    right = (target + 1) / 2
    with jax.enable_x64(True):
        found, gradient = jax.value_and_grad(losses.cross_entropy)(jnp.array(fake), jnp.array(target))
    assert float(found) == pytest.approx(-np.log(softmax[right == 1]).mean(), rel=1e-12)
    np.testing.assert_allclose(gradient, 10 * (softmax - right) / 24, rtol=1e-10, atol=1e-14)


def test_cross_entropy_of_a_right_or_wrong_label_map_is_zero_or_twice_the_scale():
    target = jnp.asarray(label_maps()[1], jnp.float32)
    assert float(losses.cross_entropy(target, target)) == 0
    assert float(losses.cross_entropy(-target, target, scale=1e3)) == pytest.approx(2e3 + np.log(4))


def test_a_weight_multiplies_the_cross_entropy_of_its_pixel():
    fake, target = label_maps()
    weight = np.random.default_rng(3).uniform(0, 1, (2, 3, 4, 1))
    softmax = np.exp(10 * fake) / np.exp(10 * fake).sum(-1, keepdims=True)
    with jax.enable_x64(True):
        loss = lambda fake, weight: losses.cross_entropy(*losses.weigh_classes(fake, jnp.array(target), weight))
        value, slope = jax.value_and_grad(loss)(jnp.array(fake), jnp.array(weight))
    assert float(value) == pytest.approx(-(weight[..., 0] * np.log(softmax[target > 0].reshape(2, 3, 4))).mean(), rel=1e-12)
    np.testing.assert_allclose(slope, weight * 10 * (softmax - (target > 0)) / 24, rtol=1e-10, atol=1e-14)
    assert losses.weigh_classes(fake, target, None)[1] is target


def test_unknown_pixels_have_no_cross_entropy():
    fake, target = (jnp.asarray(each, jnp.float32) for each in label_maps())
    known = jnp.zeros((2, 3, 4, 1)).at[0].set(1)
    loss = lambda fake: losses.cross_entropy(losses.keep_known(fake, target, known), target)
    value, slope = jax.value_and_grad(loss)(fake)
    assert float(value) == pytest.approx(float(losses.cross_entropy(fake[:1], target[:1])) / 2, rel=1e-6)
    assert not slope[1].any()


def test_l1_and_l2_are_means_over_everything():
    fake, target = np.random.default_rng(1).uniform(-1, 1, (2, 2, 3, 4, 3))
    with jax.enable_x64(True):
        for loss, value, slope in (
            (losses.l1, np.abs(fake - target).mean(), np.sign(fake - target) / fake.size),
            (losses.l2, ((fake - target) ** 2).mean(), 2 * (fake - target) / fake.size),
        ):
            found, gradient = jax.value_and_grad(loss)(jnp.array(fake), jnp.array(target))
            assert float(found) == pytest.approx(value, rel=1e-12)
            np.testing.assert_allclose(gradient, slope, rtol=1e-12)


# Gradient penalty: pictures of 2 x 2 pixels and 3 channels.
SLOPE = np.random.default_rng(2).standard_normal((2, 2, 3))
PICTURES = [jnp.asarray(p) for p in np.random.default_rng(3).uniform(-1, 1, (3, 4, 2, 2, 3)).astype(np.float32)]


def linear_critic(slope):
    return lambda _, picture: (picture * slope).sum((1, 2, 3), keepdims=True)


def test_gradient_penalty_of_a_linear_critic_depends_on_its_gradient_alone():
    norm = np.sqrt((SLOPE**2).sum())
    value = losses.gradient_penalty(linear_critic(SLOPE), jax.random.key(0), *PICTURES, weight=7.0)
    assert float(value) == pytest.approx(7 * (norm - 1) ** 2, rel=1e-5)
    unit = losses.gradient_penalty(linear_critic(SLOPE / norm), jax.random.key(0), *PICTURES)
    assert float(unit) == pytest.approx(0, abs=1e-9)
    for length, expected in ((3, 40), (0.5, 2.5)):  # too steep and too flat
        value = losses.gradient_penalty(linear_critic(length * SLOPE / norm), jax.random.key(0), *PICTURES)
        assert float(value) == pytest.approx(expected, rel=1e-5)


def test_gradient_penalty_averages_over_the_patches_of_a_picture():
    critic = lambda input, picture: jnp.repeat(linear_critic(SLOPE)(input, picture), 5, axis=1)
    value = losses.gradient_penalty(critic, jax.random.key(0), *PICTURES, weight=1.0)
    assert float(value) == pytest.approx((np.sqrt((SLOPE**2).sum()) - 1) ** 2, rel=1e-5)


def quadratic_critic(weight):
    """Its gradient at a picture x is weight * x."""
    return lambda _, picture: (weight * jnp.square(picture) / 2).sum((1, 2, 3), keepdims=True)


def test_gradient_penalty_is_computed_at_interpolations_of_each_real_and_its_fake():
    _, real, fake = (np.asarray(picture, np.float64) for picture in PICTURES)
    fraction = np.asarray(jax.random.uniform(jax.random.key(5), (4, 1, 1, 1)))  # one per pair, as documented
    mixed = fraction * real + (1 - fraction) * fake
    expected = ((np.sqrt((mixed**2).sum((1, 2, 3))) - 1) ** 2).mean()
    value = losses.gradient_penalty(quadratic_critic(1.0), jax.random.key(5), *PICTURES, weight=1.0)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_gradient_penalty_passes_the_input_to_the_critic():
    critic = lambda input, picture: (jnp.square(input) * picture).sum((1, 2, 3), keepdims=True)
    length = np.sqrt((np.asarray(PICTURES[0], np.float64) ** 4).sum((1, 2, 3)))
    value = losses.gradient_penalty(critic, jax.random.key(0), *PICTURES, weight=1.0)
    assert float(value) == pytest.approx(((length - 1) ** 2).mean(), rel=1e-5)


def test_gradient_penalty_is_the_mean_of_the_pictures_own_penalties():
    same = [PICTURES[0], PICTURES[1], PICTURES[1]]  # real equals fake, so the random fraction has no effect
    batch = losses.gradient_penalty(quadratic_critic(2.0), jax.random.key(0), *same)
    single = [
        float(losses.gradient_penalty(quadratic_critic(2.0), jax.random.key(0), *(p[i : i + 1] for p in same)))
        for i in range(4)
    ]
    assert len(set(single)) == 4
    assert float(batch) == pytest.approx(np.mean(single), rel=1e-5)


def test_gradient_penalty_can_be_differentiated_by_the_critics_parameters():
    same = [PICTURES[0], PICTURES[1], PICTURES[1]]
    length = np.sqrt((np.asarray(PICTURES[1], np.float64) ** 2).sum((1, 2, 3)))
    slope = jax.grad(lambda w: losses.gradient_penalty(quadratic_critic(w), jax.random.key(0), *same, weight=3.0))(1.5)
    assert float(slope) == pytest.approx(3 * (2 * (1.5 * length - 1) * length).mean(), rel=1e-4)
    # the gradient of a constant critic is finite, though its norm is 0
    flat = jax.grad(lambda w: losses.gradient_penalty(linear_critic(w * SLOPE), jax.random.key(0), *same))(0.0)
    assert np.isfinite(flat)

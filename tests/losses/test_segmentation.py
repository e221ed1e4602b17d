"""The losses of a segmentation discriminator and LabelMix: by hand in NumPy, and gradients against finite differences."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import losses

RANDOM = np.random.default_rng(0)
CLASSES = 3
# The class of each pixel of two pictures: class 2 is rare, and class 1 fills the rest.
NUMBERS = np.array([[[0, 0, 0, 1], [0, 0, 1, 1]], [[1, 1, 1, 1], [1, 1, 1, 2]]])
LABELS = np.eye(CLASSES)[NUMBERS]
LOGITS = RANDOM.normal(size=(2, 2, 4, CLASSES + 1))
INPUT = 2 * LABELS - 1
REAL, FAKE = RANDOM.uniform(-1, 1, (2, 2, 2, 4, 2))
KEY = jax.random.key(3)


def log_probabilities(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def mean_over_classes(logits, numbers):
    """The mean over the classes that occur of the mean cross-entropy of their pixels."""
    right = np.take_along_axis(log_probabilities(logits), numbers[..., None], -1)[..., 0]
    return -np.mean([right[numbers == number].mean() for number in np.unique(numbers)])


DISCRIMINATOR, GENERATOR = losses.segmentation_adversarial[:2]
LOSSES = {"real": lambda judged: DISCRIMINATOR(judged, True), "fake": lambda judged: DISCRIMINATOR(judged, False)}
LOSSES |= {"generator": GENERATOR}


@jax.jit
def losses_of(logits, labels):
    """The losses and their gradients by the logits, of one picture for all."""
    return {
        name: jax.value_and_grad(lambda x, loss=loss: loss(losses.Segmented(x, labels)))(logits)
        for name, loss in LOSSES.items()
    }


def found(labels, logits=LOGITS):
    return jax.device_get(losses_of(jnp.asarray(logits, jnp.float32), jnp.asarray(labels, jnp.float32)))


def test_each_class_that_occurs_has_the_same_share_of_the_loss():
    balance = jax.jit(losses.balance_classes)
    weights = balance(LABELS)
    np.testing.assert_allclose(weights, [16 / (3 * 5), 16 / (3 * 10), 16 / 3], rtol=1e-6)
    np.testing.assert_allclose((LABELS * weights).sum(-1).mean(), 1, rtol=1e-6)
    without = np.where(LABELS.argmax(-1)[..., None] == 0, LABELS[0, 0, 3], LABELS)
    np.testing.assert_allclose(balance(without), [0, 16 / (2 * 15), 16 / 2], rtol=1e-6)


def test_real_pixels_are_to_have_their_class_and_fake_ones_to_be_fake():
    values = {name: value for name, (value, _) in found(LABELS).items()}
    of_class = mean_over_classes(LOGITS, NUMBERS)
    fake = -log_probabilities(LOGITS)[..., -1].mean()
    assert values == pytest.approx({"real": of_class, "fake": fake, "generator": of_class}, rel=1e-5)


def test_pixels_without_a_label_have_no_loss_and_no_gradient():
    known = NUMBERS != 1
    few = mean_over_classes(LOGITS[known], NUMBERS[known])
    for name, (value, gradient) in found(LABELS * known[..., None]).items():
        assert not gradient[~known].any()
        assert np.abs(gradient[known]).min() > 0
        assert name == "fake" or value == pytest.approx(few, rel=1e-5)


def test_a_batch_without_any_label_has_no_loss():
    for value, gradient in found(0 * LABELS).values():
        assert value == 0
        assert not gradient.any()


def test_a_pixel_counts_as_real_if_it_is_rather_any_class_than_fake():
    probabilities = np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8]], np.float32).reshape(1, 1, 2, 3)
    score = jax.jit(losses.segmentation_adversarial.score)(losses.Segmented(np.log(probabilities), np.zeros(())))
    np.testing.assert_allclose(score[0, 0], np.log([0.6 / 0.4, 0.2 / 0.8]), rtol=1e-5)
    assert losses.segmentation_adversarial.threshold == 0


@jax.jit
def pictures_of_label_mix(key):
    """The inputs and the pictures that the discriminator is given, from a white target and a black fake."""
    seen = []

    def discriminate(input, picture):
        seen.append((input, picture))
        return losses.Segmented(picture, input)

    losses.label_mix(discriminate, key, jnp.asarray(INPUT), jnp.ones(REAL.shape), jnp.zeros(REAL.shape))
    return seen


def test_label_mix_takes_each_class_of_a_pair_whole_from_the_target_or_from_the_fake():
    inputs, pictures = zip(*jax.vmap(pictures_of_label_mix)(jax.random.split(KEY, 32)), strict=True)
    masks, *same = map(np.asarray, pictures)
    assert all((np.asarray(input) == INPUT).all() for input in inputs)
    assert [float(picture.mean()) for picture in same] == [1, 0]
    assert [float(np.ptp(picture)) for picture in same] == [0, 0]
    choices = []
    for mask in masks:
        for picture, numbers in zip(mask, NUMBERS, strict=True):
            chosen = [np.unique(picture[numbers == number]) for number in np.unique(numbers)]
            assert all(len(values) == 1 for values in chosen), "a class is mixed"
            choices.append(tuple(float(values[0]) for values in chosen))
    assert np.mean(choices) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(np.size(choices)))
    assert set(choices) == {(a, b) for a in (0.0, 1.0) for b in (0.0, 1.0)}
    assert any(first != second for first, second in zip(choices[::2], choices[1::2], strict=True))


def blurred(weights, input, picture):
    """A discriminator that looks at the pixel to the right, too."""
    return losses.Segmented(jnp.tanh((picture + jnp.roll(picture, 1, 2)) @ weights), input)


def test_label_mix_is_the_squared_difference_of_mixed_logits_under_one_mask():
    weights = RANDOM.normal(size=(2, CLASSES + 1))
    mix = lambda *pair: losses.label_mix(partial(blurred, weights), KEY, INPUT, *pair, weight=3.0)
    found = jax.jit(mix)(REAL, FAKE)
    mask = np.asarray(pictures_of_label_mix(KEY)[0][1])[..., :1] > 0
    of = lambda picture: np.tanh((picture + np.roll(picture, 1, 2)) @ weights)
    expected = np.square(of(np.where(mask, REAL, FAKE)) - np.where(mask, of(REAL), of(FAKE))).mean()
    assert float(found) == pytest.approx(3 * expected, rel=1e-5)
    assert expected > 1e-3


def test_the_gradient_of_each_loss_equals_finite_differences():
    with jax.enable_x64(True):
        weights, direction = RANDOM.normal(size=(2, 2, CLASSES + 1))
        judge = lambda weights: losses.Segmented(blurred(weights, INPUT, REAL).logits, LABELS)

        @jax.jit
        def each(weights):
            values = [loss(judge(weights)) for loss in LOSSES.values()]
            return jnp.stack([*values, losses.label_mix(partial(blurred, weights), KEY, INPUT, REAL, FAKE)])

        slopes = (each(weights + 1e-5 * direction) - each(weights - 1e-5 * direction)) / 2e-5
        gradients = jax.jit(jax.jacrev(each))(weights)
        assert np.abs(slopes).min() > 1e-4
        np.testing.assert_allclose(np.tensordot(gradients, direction, 2), slopes, rtol=1e-6)

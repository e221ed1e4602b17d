"""The lesson on convolution: every claim holds, and fails when the idea is broken."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.lessons import assert_claims_hold, assert_told, broken_claims, run_widget
from scipy import signal

from experiments.fundamentals import convolution as lesson
from experiments.fundamentals import first_layer
from experiments.fundamentals.course import to_host
from experiments.fundamentals.lesson import holds
from p2p_jax import ops
from p2p_jax.data.procedural import facade

KERNELS = {name: kernel.tolist() for name, kernel in lesson.KERNELS.items()}
conv2d, conv2d_transpose = ops.conv2d, ops.conv2d_transpose


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers():
    return to_host(lesson.measure(largest=6, size=16, steps=60, widths=(8,)))


def test_claims(numbers):
    assert_claims_hold(lesson, numbers)


def test_told(numbers):
    assert_told("convolution", numbers)


def test_feature_maps_by_scipy(numbers):
    grey = (facade(0, 9)[0].astype(np.float32) / 127.5 - 1).mean(-1)
    for shown, (name, kernel) in zip(numbers["kernels"]["maps"], lesson.KERNELS.items(), strict=True):
        expected = signal.correlate2d(grey, kernel, mode="valid") * (0.5 if "edges" in name else 1)
        np.testing.assert_allclose(shown[..., 0], np.clip((expected + 1) * 127.5, 0, 255), atol=0.51)


def test_matrix_by_its_definition(numbers):
    expected = np.zeros((9, 25))
    for i, j, a, b in np.ndindex(3, 3, 3, 3):
        expected[3 * i + j, 5 * (i + a) + j + b] = 3 * a + b + 1
    np.testing.assert_array_equal(numbers["matrix"]["matrix"], expected)


def test_counts_by_hand(numbers):
    for k, padded in ((3, 9), (4, 10)):
        line = np.zeros(padded)
        for place in range(4):
            line[2 * place : 2 * place + k] += 1
        np.testing.assert_array_equal(numbers["checkerboard"]["counts"][str(k)], np.outer(line, line)[1:9, 1:9])


def test_parts_of_a_kernel_by_chance():
    kernels = np.random.default_rng(0).standard_normal((4, 4, 3, 5000))
    parts = first_layer.split_kernels(kernels)
    np.testing.assert_allclose(sum(parts.values()), kernels, atol=1e-12)
    fractions = [np.square(part).sum() / np.square(kernels).sum() for part in parts.values()]
    np.testing.assert_allclose(fractions, np.array([1, 3, 3, 9]) / 16, atol=0.01)


@pytest.mark.parametrize(
    ("name", "other", "part", "text"),
    [
        ("conv2d", lambda x, k, **options: conv2d(x, k[::-1, ::-1], **options), "kernels", "by hand"),
        ("conv2d", lambda x, k, **options: conv2d(x * x, k, **options), "matrix", "Matrix times picture"),
        ("conv2d", lambda x, k, *, stride=1, padding=0: conv2d(x, k, stride=stride), "sizes", "rule of convolution"),
        ("conv2d", lambda x, k, **options: conv2d(x * jnp.arange(48)[:, None], k, **options), "moves", "Moving the"),
        ("reflect_pad", lambda x, pad: jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))), "borders", "mirror"),
        ("conv2d", lambda x, k, **options: conv2d(x, jnp.abs(k), **options) ** 2, "channels", "single channels"),
        (
            "conv2d_transpose",
            lambda x, k, **options: conv2d_transpose(x, k[:, ::-1], **options),
            "transposed",
            "inner product",
        ),
        (
            "upsample_nearest",
            lambda x, factor: conv2d_transpose(x, jnp.ones((1, 3, 3, 1)), output_padding=1),
            "checkerboard",
            "Repeating",
        ),
    ],
)
def test_noticed_when_broken(monkeypatch, numbers, name, other, part, text):
    monkeypatch.setattr(ops, name, other)
    measure = getattr(lesson, f"measure_{part}")
    assert text in broken_claims(lesson, numbers, **{part: partial(measure, 6) if part == "sizes" else measure})


def test_untrained_layer_is_noticed(numbers):
    learned = numbers["learned"]
    untrained = {**numbers, "learned": {**learned, "fractions": [learned["fractions"][0]] * 2}}
    assert [claim.text for claim in lesson.claims(untrained) if not holds(claim)] == [lesson.claims(untrained)[-1].text]


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_widget_sliding_kernel(numbers, kernel):
    picture = numbers["kernels"]["window"]
    result = run_widget("sliding_kernel", {"kernel": kernel, "position": 21}, {"picture": picture, "kernels": KERNELS})
    x, weights = jnp.asarray(picture, jnp.float32)[None, ..., None], jnp.asarray(KERNELS[kernel])[..., None, None]
    expected = conv2d(x, weights)[0, ..., 0]
    np.testing.assert_allclose(np.reshape(result["map"], (8, 8)), expected, atol=1e-5)
    assert (result["row"], result["column"]) == (2, 4)
    np.testing.assert_allclose([result["value"], np.sum(result["products"])], expected[2, 4], atol=1e-5)


@pytest.mark.parametrize("size", [2, 7, 12])
@pytest.mark.parametrize("kernel", [1, 4, 5])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("padding", [0, 2])
def test_widget_output_size(size, kernel, stride, padding):
    result = run_widget("output_size", {"size": size, "kernel": kernel, "stride": stride, "padding": padding})
    x, weights = jnp.ones((1, size, size, 1)), jnp.ones((kernel, kernel, 1, 1))
    try:
        expected = jax.eval_shape(lambda: conv2d(x, weights, stride=stride, padding=padding)).shape[1]
    except ValueError:
        expected = 0
    assert result["output"] == expected
    assert result["fits"] == (expected > 0)
    seen = np.zeros(size + 2 * padding, bool)
    for place in range(expected):
        seen[place * stride : place * stride + kernel] = True
    assert result["unused"] == len(seen) - (np.flatnonzero(seen)[-1] + 1 if expected else 0)

"""The checkerboard metric: known amplitudes, what it must not see, and unknown pixels."""

import numpy as np
import pytest

from p2p_jax.data.procedural import facade
from p2p_jax.evaluation import metrics

Y, X = np.mgrid[:64, :64]
PATTERNS = {"pixels": (Y + X) % 2, "squares": (Y // 2 + X // 2) % 2, "columns": X % 2}
RANDOM = np.random.default_rng(0)


def pattern(name, amplitude):
    return (amplitude * (2 * PATTERNS[name] - 1.0))[None, :, :, None].astype(np.float32)


def of(picture, target, known=None):
    return float(metrics.checkerboard(picture, target, known)[0])


@pytest.fixture(scope="module")
def photo():
    return np.asarray(facade(0, 3, size=64)[0], np.float32)[None]


@pytest.mark.parametrize("amplitude", [0.5, 3.0])
@pytest.mark.parametrize("name", PATTERNS)
def test_on_a_uniform_target_it_is_the_mean_square_of_the_pattern(name, amplitude):
    target = np.full((1, 64, 64, 2), 90.0, np.float32)
    # Of columns, stretches along the columns see nothing.
    parts = 0.5 if name == "columns" else 1.0
    assert of(target + pattern(name, amplitude), target) == pytest.approx(1 + parts * amplitude**2, rel=1e-3)
    assert of(target, target) == 1
    assert of(target, target + pattern(name, amplitude)) == pytest.approx(1 / (1 + parts * amplitude**2), rel=1e-3)


def test_a_stretch_is_folded_by_phase_and_compared_with_its_neighbours_in_frequency():
    picture, target = RANDOM.uniform(0, 255, (2, 1, 32, 32, 1))

    def contrast(image):
        lines = image[0, :, :, 0].reshape(8, 4, 32)
        folded = lines.reshape(8, 4, 8, 4).mean(2)
        wave = np.abs(np.fft.fft(lines) / 32) ** 2
        texture = wave[..., [7, 9, 15, 17, 23, 25]].sum(-1).mean(1) / 2
        return (folded.var(-1).mean(1) + 1) / (texture + 1)

    of_both = lambda image: np.mean([contrast(image), contrast(image.swapaxes(1, 2))])
    assert of(picture, target) == pytest.approx(of_both(picture) / of_both(target), rel=1e-4)


def test_it_rises_with_the_pattern_wherever_the_grid_begins(photo):
    found = [of(photo + pattern("squares", amplitude), photo) for amplitude in (0, 1, 2, 4, 8)]
    assert found[0] == 1
    assert found[1] > 1.01
    assert all(np.diff(found) > 0)
    shifted = photo + np.roll(pattern("squares", 4), 1, 2)
    assert of(shifted, photo) == pytest.approx(found[3], rel=0.15)


def test_blur_noise_and_shifts_make_no_grid(photo):
    blurred = sum(np.roll(photo, (dy, dx), (1, 2)) for dy in (0, 1) for dx in (0, 1)) / 4
    noisy = photo + RANDOM.normal(0, 8, photo.shape)
    for changed in (blurred, noisy, np.roll(photo, 1, 2), photo + 10):
        assert of(changed, photo) < 1.2 < of(changed + pattern("squares", 8), photo)


def test_another_period_is_no_grid():
    target = np.full((1, 64, 64, 1), 90.0, np.float32)
    other = 5 * np.where(X % 3 == 0, 2.0, -1.0)[None, :, :, None]
    assert of(target + other, target) < 1.2


@pytest.mark.parametrize("place", [np.s_[:, 0, 0], np.s_[:, 36, 0], np.s_[:, 0, 53], np.s_[:, 36, 53]])
def test_every_corner_of_a_picture_of_any_size_counts(place):
    target = RANDOM.uniform(0, 255, (1, 37, 54, 1)).astype(np.float32)
    changed = target.copy()
    changed[place] += 200
    assert of(changed, target) != 1


def test_only_stretches_that_are_wholly_known_count():
    target = np.full((1, 64, 64, 1), 90.0, np.float32)
    known = np.ones((1, 64, 64, 1), np.float32)
    known[:, :32] = 0
    picture = target + pattern("pixels", 3)
    picture[:, :32], target[:, :32] = np.nan, np.inf
    assert of(picture, target, known) == pytest.approx(10, rel=1e-3)
    known[:, 32:, ::8] = 0
    known[:, 32::8] = 0
    assert np.isnan(of(picture, target, known))

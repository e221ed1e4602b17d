"""Augmentation: the same movement for both sides of a pair, every offset equally likely, values in [-1, 1]."""

from functools import partial

import jax
import numpy as np
import pytest

from p2p_jax.config import Augment, Side
from p2p_jax.data.augment import augment, jitter_colour, to_float

PAIRS, SIZE, SMALL = 512, 6, 4
# Every pixel has its own value, so that an output shows where it comes from.
NUMBERED = np.arange(SIZE * (SIZE + 1), dtype=np.uint8).reshape(SIZE, SIZE + 1)


def numbered(count):
    picture = np.broadcast_to(NUMBERED[None, :, :, None], (count, *NUMBERED.shape, 1))
    return {"input": picture, "target": np.repeat(picture, 3, axis=-1)}


def jitted(batch, *, seed=0, **options):
    return {name: np.asarray(x) for name, x in jax.jit(partial(augment, **options))(jax.random.key(seed), batch).items()}


def run(seed, batch, *, size, flip):
    return jitted(batch, seed=seed, size=size, options=Augment(flip=flip))


def pixels(pictures):
    return ((pictures + 1) * 127.5).round().astype(int)


@pytest.fixture(scope="module")
def many():
    return run(0, numbered(PAIRS), size=SMALL, flip=True)


def places(pictures):
    """(row, column, mirrored) of every crop; checks that each is a crop of the numbered picture."""
    found = []
    for crop in pixels(pictures[..., 0]):
        mirrored = bool(crop[0, 0] > crop[0, 1])
        straight = crop[:, ::-1] if mirrored else crop
        row, column = divmod(int(straight[0, 0]), SIZE + 1)
        np.testing.assert_array_equal(straight, NUMBERED[row : row + SMALL, column : column + SMALL])
        found.append((row, column, mirrored))
    return np.array(found)


def test_both_sides_of_a_pair_are_cropped_and_mirrored_alike(many):
    assert many["input"].shape == (PAIRS, SMALL, SMALL, 1)
    assert many["target"].shape == (PAIRS, SMALL, SMALL, 3)
    np.testing.assert_array_equal(np.repeat(many["input"], 3, axis=-1), many["target"])


def test_every_offset_is_equally_likely_and_half_of_the_pairs_are_mirrored(many):
    found = places(many["input"])
    for column, choices in ((0, SIZE - SMALL + 1), (1, SIZE + 1 - SMALL + 1), (2, 2)):
        counts = np.bincount(found[:, column], minlength=choices)
        assert len(counts) == choices
        # 5 standard deviations of a binomial count
        spread = 5 * np.sqrt(PAIRS * (1 / choices) * (1 - 1 / choices))
        assert (abs(counts - PAIRS / choices) < spread).all(), counts


def test_rows_columns_and_mirroring_are_drawn_independently(many):
    found = places(many["input"])
    assert len(np.unique(found, axis=0)) == 3 * 4 * 2
    assert abs(np.corrcoef(found.T)[np.triu_indices(3, 1)]).max() < 5 / np.sqrt(PAIRS)


def test_the_movement_of_a_pair_depends_on_its_index_and_not_on_the_batch_size(many):
    few = run(0, numbered(3), size=SMALL, flip=True)
    np.testing.assert_array_equal(few["target"], many["target"][:3])


def test_another_key_draws_other_movements(many):
    other = run(1, numbered(PAIRS), size=SMALL, flip=True)
    assert (places(other["input"]) != places(many["input"])).any(1).mean() > 0.9


def test_without_flip_nothing_is_mirrored():
    found = places(run(0, numbered(64), size=SMALL, flip=False)["input"])
    assert not found[:, 2].any()
    assert len(np.unique(found[:, 0])) == 3


def test_pictures_of_the_final_size_are_not_cropped():
    batch = {name: value[:, :, :SIZE] for name, value in numbered(4).items()}
    out = run(0, batch, size=SIZE, flip=False)
    np.testing.assert_array_equal(pixels(out["input"]), batch["input"])
    np.testing.assert_array_equal(pixels(out["target"]), batch["target"])


def test_no_size_means_no_crop():
    out = run(0, numbered(4), size=None, flip=False)
    np.testing.assert_array_equal(pixels(out["input"]), numbered(4)["input"])


def test_a_rectangle_is_height_and_width():
    assert run(0, numbered(2), size=(3, 5), flip=False)["target"].shape == (2, 3, 5, 3)


def test_stored_values_become_float32_from_minus_one_to_one():
    values = np.arange(256, dtype=np.uint8)
    out = jax.jit(partial(to_float, target=Side(depth="16")))(
        {"input": values, "target": values.astype(np.uint16) * 257, "weight": values}
    )
    assert all(x.dtype == np.float32 for x in out.values())
    np.testing.assert_allclose(out["input"], np.linspace(-1, 1, 256), atol=1e-6)
    np.testing.assert_allclose(out["target"], np.linspace(-1, 1, 256), atol=1e-6)
    np.testing.assert_allclose(out["weight"], np.linspace(0, 1, 256), atol=1e-6)


SQUARE = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)


def square(count):
    return {name: np.broadcast_to(SQUARE, (count, 8, 8, 1)) for name in ("input", "target", "weight")}


def ways(options):
    """How often each of the 8 symmetries was drawn; checks that input, target and weight have the same one."""
    out = jitted(square(256), size=8, options=options, input=Side(channels=(1,)))
    every = [np.rot90(flipped, k) for flipped in (SQUARE[..., 0], SQUARE[:, ::-1, 0]) for k in range(4)]
    found = []
    for picture in pixels(np.asarray(out["input"]))[..., 0]:
        found.append(next(i for i, way in enumerate(every) if np.array_equal(way, picture)))
    np.testing.assert_array_equal(out["input"], out["target"])
    np.testing.assert_allclose(out["input"], out["weight"] * 2 - 1, atol=1e-6)
    return np.bincount(found, minlength=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Augment(flip=False), [0]),
        (Augment(flip=True), [0, 4]),
        (Augment(flip=False, vertical_flip=True), [0, 6]),
        (Augment(flip=False, quarter_turns=True), [0, 1, 2, 3]),
        (Augment(flip=True, vertical_flip=True, quarter_turns=True), range(8)),
    ],
)
def test_flips_and_quarter_turns_are_equally_likely_and_the_same_for_all(options, expected):
    counts = ways(options)
    assert set(np.flatnonzero(counts)) == set(expected)
    chance = 1 / len(expected)
    assert (abs(counts[list(expected)] - 256 * chance) <= 5 * np.sqrt(256 * chance * (1 - chance))).all()


def ramp(height=32, width=32):
    """A picture whose two channels are its row and column, so that every output shows where it comes from."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([y, x], -1)


REAL = Side(channels=(2,), depth="float", range=(-100, 100))


def warped(options, *, kind="image", count=64, size=16):
    side = Side(kind=kind, channels=(2,), depth="float", range=(-100, 100))
    batch = {name: np.broadcast_to(ramp(), (count, 32, 32, 2)) for name in ("input", "target")}
    out = jitted(batch, size=size, options=options, input=side, target=REAL)
    return np.asarray(out["input"]) * 100, np.asarray(out["target"]) * 100


def middle(pictures):
    """The derivatives of each crop about its middle, away from the mirrored edges: (n, 2, 2), rows of (y, x)."""
    inner = pictures[:, 6:10, 6:10]
    return np.stack([np.diff(inner, axis=1).mean((1, 2)), np.diff(inner, axis=2).mean((1, 2))], -1)


def test_a_rotation_is_limited_by_its_angle_and_keeps_lengths():
    slopes = middle(warped(Augment(flip=False, rotate=20))[0])
    angles = np.rad2deg(np.arctan2(slopes[:, 0, 1], slopes[:, 0, 0]))
    np.testing.assert_allclose(np.linalg.det(slopes), 1, atol=1e-3)
    assert abs(angles).max() <= 20.01
    assert angles.max() > 10
    assert angles.min() < -10


def test_a_zoom_is_limited_by_its_fraction():
    slopes = middle(warped(Augment(flip=False, zoom=0.2))[0])
    np.testing.assert_allclose(slopes[:, 0, 1], 0, atol=1e-3)
    scales = 1 / slopes[:, 0, 0]
    assert 0.799 <= scales.min() < 0.9
    assert 1.1 < scales.max() <= 1.201


def test_a_shift_is_limited_by_its_fraction_and_mirrors_beyond_the_edges():
    found = warped(Augment(flip=False, shift=0.25), size=32)[0]
    centres = found[:, 15:17, 15:17].mean((1, 2)) - 15.5
    assert abs(centres).max() <= 8.01
    assert abs(centres).max(0).min() > 5
    assert found.min() >= 0
    assert found.max() <= 31


@pytest.mark.slow
def test_labels_are_warped_to_the_same_place_without_new_values():
    image_like, _ = warped(Augment(flip=False, rotate=15, zoom=0.1))
    labels, target = warped(Augment(flip=False, rotate=15, zoom=0.1), kind="labels")
    np.testing.assert_allclose(image_like, target, atol=1e-4)
    assert np.array_equal(labels.round(4), labels.round())
    assert abs(labels - target).max() <= 0.51


def test_a_warp_of_almost_nothing_changes_nothing():
    without, _ = warped(Augment(flip=False))
    by_nothing, _ = warped(Augment(flip=False, zoom=1e-7))
    np.testing.assert_allclose(without, by_nothing, atol=1e-3)


def test_integers_stay_integers_in_a_warp():
    batch = {name: np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8) for name in ("input", "target")}
    out = jitted(batch, size=16, options=Augment(rotate=10))
    steps = (np.asarray(out["input"]) + 1) * 127.5
    np.testing.assert_allclose(steps, steps.round(), atol=1e-3)


def test_colour_jitter_changes_only_its_side():
    picture = np.random.default_rng(0).integers(60, 200, (32, 8, 8, 3), np.uint8)
    batch = {"input": picture, "target": picture}
    options = {"size": 8, "options": Augment(flip=False)}
    out = jitted(batch, **options, target=Side(colour_jitter=0.2))
    plain = jitted(batch, **options)
    np.testing.assert_array_equal(out["input"], plain["input"])
    assert (abs(out["target"] - plain["target"]).mean((1, 2, 3)) > 0.01).all()
    assert abs(np.asarray(out["target"])).max() <= 1


def test_brightness_contrast_and_saturation_change_within_their_limits():
    grey = np.full((64, 8, 8, 3), 0.2, np.float32)
    keys = jax.random.split(jax.random.key(0), 64)
    light = (np.asarray(jax.jit(jax.vmap(partial(jitter_colour, amount=0.3)))(keys, grey)) + 1) / 2
    factors = light.mean((1, 2, 3)) / 0.6
    assert 0.699 <= factors.min() < 0.85
    assert 1.15 < factors.max() <= 1.301
    np.testing.assert_allclose(light.std((1, 2, 3)), 0, atol=1e-6)
    assert np.asarray(jitter_colour(jax.random.key(0), grey[0], 0.0)) == pytest.approx(grey[0], abs=1e-6)


def test_other_augmentation_does_not_change_the_crops_and_flips():
    plain = run(0, numbered(64), size=SMALL, flip=True)
    side = Side(channels=(1,), colour_jitter=0.1)
    with_more = jitted(numbered(64), size=SMALL, options=Augment(), input=side)
    np.testing.assert_array_equal(plain["target"], with_more["target"])


def test_colour_jitter_keeps_alpha_and_treats_each_picture_separately():
    batch = {"input": np.full((8, 8, 8, 5), 100, np.uint8), "target": np.zeros((8, 8, 8, 3), np.uint8)}
    batch["input"][..., 3] = 255
    batch["input"][..., 4] = np.arange(8)
    side = Side(channels=(4, 1), colour_jitter=0.5)
    out = (jitted(batch, size=8, options=Augment(flip=False), input=side)["input"] + 1) * 127.5
    np.testing.assert_allclose(out[..., 3], 255, atol=1e-3)
    assert np.ptp(out[..., 0], axis=(1, 2)).max() < 1e-3, "an even picture stays even beside one that is not"
    assert np.ptp(out[:, 0, 0, 0]) > 10

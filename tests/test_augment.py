"""Random jitter of pairs: the same for both halves, every offset, in the range of training."""

from functools import partial

import jax
import numpy as np
import pytest

from p2p_jax.data.augment import augment, to_float

PAIRS, SIZE, SMALL = 512, 6, 4
# Every pixel has a value of its own, so that an output tells where it was taken from.
NUMBERED = np.arange(SIZE * (SIZE + 1), dtype=np.uint8).reshape(SIZE, SIZE + 1)


def numbered(count):
    picture = np.broadcast_to(NUMBERED[None, :, :, None], (count, *NUMBERED.shape, 1))
    return {"input": picture, "target": np.repeat(picture, 3, axis=-1)}


def run(key, batch, *, size, flip):
    fn = jax.jit(partial(augment, size=size, flip=flip))
    return {name: np.asarray(value) for name, value in fn(jax.random.key(key), batch).items()}


def pixels(pictures):
    return ((pictures + 1) * 127.5).round().astype(int)


@pytest.fixture(scope="module")
def many():
    return run(0, numbered(PAIRS), size=SMALL, flip=True)


def places(pictures):
    """(row, column, mirrored) of every crop; checks that each is a crop and nothing else."""
    found = []
    for crop in pixels(pictures[..., 0]):
        mirrored = bool(crop[0, 0] > crop[0, 1])
        straight = crop[:, ::-1] if mirrored else crop
        row, column = divmod(int(straight[0, 0]), SIZE + 1)
        np.testing.assert_array_equal(straight, NUMBERED[row : row + SMALL, column : column + SMALL])
        found.append((row, column, mirrored))
    return np.array(found)


def test_both_halves_of_a_pair_are_cropped_and_mirrored_alike(many):
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


def test_a_pairs_jitter_depends_on_its_index_alone_not_on_the_size_of_the_batch(many):
    few = run(0, numbered(3), size=SMALL, flip=True)
    np.testing.assert_array_equal(few["target"], many["target"][:3])


def test_another_key_draws_another_jitter(many):
    other = run(1, numbered(PAIRS), size=SMALL, flip=True)
    assert (places(other["input"]) != places(many["input"])).any(1).mean() > 0.9


def test_without_flip_nothing_is_mirrored():
    found = places(run(0, numbered(64), size=SMALL, flip=False)["input"])
    assert not found[:, 2].any()
    assert len(np.unique(found[:, 0])) == 3


def test_pictures_of_the_size_wanted_are_not_cropped():
    batch = {name: value[:, :, :SIZE] for name, value in numbered(4).items()}
    out = run(0, batch, size=SIZE, flip=False)
    np.testing.assert_array_equal(pixels(out["input"]), batch["input"])
    np.testing.assert_array_equal(pixels(out["target"]), batch["target"])


def test_pixels_become_float32_from_minus_one_to_one():
    values = np.arange(256, dtype=np.uint8)
    out = np.asarray(to_float(values))
    assert out.dtype == np.float32
    assert (out[0], out[255]) == (-1, 1)
    np.testing.assert_allclose(out, np.linspace(-1, 1, 256), atol=1e-6)

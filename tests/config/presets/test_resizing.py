"""How each original implementation resizes pictures."""

from itertools import permutations

import numpy as np
import pytest
from helpers.presets import SMALL, changed
from PIL import Image

from p2p_jax.data.fit import Fit
from p2p_jax.data.loading import open_dataset


def by_pil(name):
    return lambda half, size: np.asarray(Image.fromarray(half).resize(size[::-1], getattr(Image.Resampling, name)))


def by_area(half, size):
    """Repeats pixels until each new pixel covers a whole number of them, and takes their mean."""
    (old_h, old_w, _), (h, w) = half.shape, size
    fine = half.repeat(h, axis=0).repeat(w, axis=1).astype(float)
    return np.round(fine.reshape(h, old_h, w, old_w, 3).mean((1, 3)))


FILTERS = {"bicubic": by_pil("BICUBIC"), "bilinear": by_pil("BILINEAR"), "area": by_area, "nearest": by_pil("NEAREST")}


@pytest.fixture
def sharp_pairs(tmp_path):
    """A folder of side-by-side pairs of 24 x 20 pixels of noise, on which no two filters agree."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (20, 48, 3), np.uint8) for _ in range(2)]
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    return tmp_path, pictures


@pytest.mark.parametrize("size", [(33, 29), (13, 11)])
def test_resize_selects_the_filter(sharp_pairs, size):
    folder, pictures = sharp_pairs
    found, fit = {}, Fit("resize_and_crop", size, size)
    for name, resize in FILTERS.items():
        config = changed(SMALL, data__path=str(folder), data__resize=name)
        pairs = open_dataset(config).splits["train"]
        for index, picture in enumerate(pictures):
            for half, array in zip((picture[:, :24], picture[:, 24:]), pairs.read(index, fit).values(), strict=True):
                assert abs(array.astype(float) - resize(half, size)).max() <= (name == "area")  # rounding, halfway
                assert (array == resize(half, size)).mean() > 0.95
        found[name] = array
    for one, other in permutations(found, 2):
        assert (found[one] != found[other]).any(), (one, other)
    default = open_dataset(changed(SMALL, data__path=str(folder))).splits["train"].read(1, fit)["target"]
    np.testing.assert_array_equal(default, found["bicubic"])

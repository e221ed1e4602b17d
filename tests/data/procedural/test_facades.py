"""The drawn facades: pure, well formed, rich in classes, equal at every size, learnable from their labels."""

import numpy as np
import pytest

from p2p_jax.data.cmp import CLASSES, COLOURS
from p2p_jax.data.procedural import facade

# written out again here, as files drawn with one palette cannot be read with another
PALETTE = {
    "background": (0, 0, 222),
    "facade": (0, 48, 255),
    "window": (0, 128, 255),
    "door": (0, 208, 255),
    "cornice": (32, 255, 224),
    "sill": (112, 255, 144),
    "balcony": (192, 255, 63),
    "blind": (255, 240, 0),
    "deco": (255, 160, 0),
    "molding": (255, 80, 0),
    "pillar": (255, 0, 0),
    "shop": (174, 0, 0),
}


def classes_of(labels: np.ndarray) -> np.ndarray:
    """Class numbers (h, w) of a label picture; -1 where a pixel has none of the twelve colours."""
    same = (labels[:, :, None] == COLOURS).all(-1)
    return np.where(same.any(-1), same.argmax(-1), -1)


@pytest.fixture(scope="module")
def buildings() -> tuple[np.ndarray, np.ndarray]:
    """Photos (50, 64, 64, 3) in [-1, 1] and class numbers (50, 64, 64)."""
    pairs = [facade(3, i) for i in range(50)]
    return np.stack([p / 127.5 - 1 for p, _ in pairs]), np.stack([classes_of(q) for _, q in pairs])


def test_the_colours_are_those_of_the_cmp_facades():
    assert dict(zip(CLASSES, map(tuple, COLOURS.tolist()), strict=True)) == PALETTE
    assert COLOURS.dtype == np.uint8
    assert COLOURS.shape == (12, 3)
    assert not COLOURS.flags.writeable


def test_the_same_arguments_draw_the_same_picture():
    first = facade(1, 2)
    facade(5, 6)
    for a, b in zip(first, facade(1, 2), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("other", [(1, 3), (2, 2), (2, 1)])
def test_another_seed_or_index_draws_another_building(other):
    for a, b in zip(facade(1, 2), facade(*other), strict=True):
        assert (a != b).any(-1).mean() > 0.1


@pytest.mark.parametrize("size", [16, 64, 65, 150, (16, 200), (96, 40), (np.int64(33), 70)])
def test_shapes_dtypes_and_only_the_twelve_colours(size):
    shape = size if isinstance(size, tuple) else (size, size)
    for i in range(4):
        photo, labels = facade(0, i, size=size)
        assert photo.shape == labels.shape == (*shape, 3)
        assert photo.dtype == labels.dtype == np.uint8
        assert (classes_of(labels) >= 0).all()


def test_the_largest_size_is_drawn():
    photo, labels = facade(0, 0, size=(1024, 16))
    assert photo.shape == labels.shape == (1024, 16, 3)


def test_every_class_occurs_and_windows_and_walls_always(buildings):
    _, kinds = buildings
    seen = np.stack([(kinds == c).any((1, 2)) for c in range(len(CLASSES))], 1)
    assert seen.mean(0).min() > 0.3
    for name in ("background", "facade", "window", "cornice", "door"):
        assert seen[:, CLASSES.index(name)].all()
    fractions = np.bincount(kinds.ravel(), minlength=len(CLASSES)) / kinds.size
    assert fractions.min() > 0.005


def test_windows_are_some_pixels_wide(buildings):
    _, kinds = buildings
    glass = (kinds == CLASSES.index("window")).reshape(-1, 64)
    edges = np.diff(np.pad(glass, ((0, 0), (1, 1))).astype(int), axis=1)
    widths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    assert np.median(widths) >= 4


@pytest.mark.parametrize("size", [128, 192, (256, 320)])
def test_the_building_is_the_same_at_every_size(size):
    for i in range(5):
        small, large = facade(4, i), facade(4, i, size=size)
        rows, cols = (((np.arange(64) + 0.5) * n / 64).astype(int) for n in large[0].shape[:2])
        seen = [picture[rows][:, cols] for picture in large]
        assert (seen[1] == small[1]).all(-1).mean() > 0.85
        assert np.abs(seen[0] / 127.5 - small[0] / 127.5).mean() < 0.2


def test_the_mean_photo_predicts_badly(buildings):
    photos, _ = buildings
    assert np.abs(photos - photos.mean(0)).mean() > 0.25


def test_the_photo_can_be_predicted_from_the_labels(buildings):
    """A table of mean colours by the classes here, 4 pixels above and 4 below, predicts better than the mean photo.

    Both are computed from the other 49 buildings.
    """
    photos, kinds = buildings
    n, padded = len(CLASSES), np.pad(kinds, ((0, 0), (4, 4), (0, 0)), mode="edge")
    keys = (kinds * n + padded[:, :-8]) * n + padded[:, 8:]
    counts = np.stack([np.bincount(k.ravel(), minlength=n**3) for k in keys])
    sums = np.stack(
        [[np.bincount(k.ravel(), p[..., c].ravel(), n**3) for c in range(3)] for k, p in zip(keys, photos, strict=True)]
    )
    from_labels, from_mean = [], []
    for i, (photo, key) in enumerate(zip(photos, keys, strict=True)):
        table = (sums.sum(0) - sums[i]) / np.maximum(counts.sum(0) - counts[i], 1)
        from_labels.append(np.abs(np.moveaxis(table[:, key], 0, -1) - photo).mean())
        from_mean.append(np.abs((photos.sum(0) - photo) / (len(photos) - 1) - photo).mean())
    assert np.mean(from_mean) > 1.4 * np.mean(from_labels)


def test_the_light_comes_from_above(buildings):
    """The wall just below a cornice lies in its shadow; sills are much lighter than the wall below them."""
    photos, kinds = buildings
    grey = photos.mean(-1)
    wall, cornice, sill = (kinds == CLASSES.index(name) for name in ("facade", "cornice", "sill"))
    shaded = wall[:, 1:] & cornice[:, :-1]
    assert grey[:, 1:][shaded].mean() < grey[wall].mean() - 0.15
    assert grey[sill].mean() > grey[:, 1:][wall[:, 1:] & sill[:, :-1]].mean() + 0.4


def test_windows_are_brighter_at_their_left():
    """In sufficiently large drawings the pane reflects the sky more at its left than at its right."""
    left, right = [], []
    for i in range(8):
        photo, labels = facade(6, i, size=256)
        glass = classes_of(labels) == CLASSES.index("window")
        edges = np.diff(np.pad(glass, ((0, 0), (1, 1))).astype(int), axis=1)
        for y, x0, x1 in zip(*np.nonzero(edges == 1), np.nonzero(edges == -1)[1], strict=True):
            if x1 - x0 >= 12:  # three pixels of pane each side, clear of frame, reveal and mullion
                left.append(photo[y, x0 + 2 : x0 + 5].mean())
                right.append(photo[y, x1 - 5 : x1 - 2].mean())
    assert len(left) > 100
    assert np.mean(left) > np.mean(right) + 5


@pytest.mark.parametrize("size", [15, 1025, 0, -64, 64.0, "64", None, (64,), (64, 15), (1025, 64), (64,) * 3])
def test_wrong_sizes_are_refused(size):
    with pytest.raises(ValueError, match=r"size .* given, .* expected.*\[16, 1024\]"):
        facade(0, 0, size=size)


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1), (0.5, 0), (0, "1")])
def test_wrong_seeds_and_indices_are_refused(seed, index):
    with pytest.raises(ValueError, match=r"seed .* index .* given"):
        facade(seed, index)

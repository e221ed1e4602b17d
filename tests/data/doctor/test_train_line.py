"""The command that trains on a set: its sizes."""

import numpy as np
import pytest
from helpers.checked_sets import check, make_set, options_of

from p2p_jax.data.doctor.train_line import train_line


def test_sizes_and_channels_become_options(tmp_path, drawn):
    grey = make_set(tmp_path / "grey", lambda i: drawn[i][1][:48, :, :1], lambda i: drawn[i][1][:48])
    assert options_of(grey, check(grey)) == {"--data.input.channels": ["1"], "--image-size": ["48", "64"]}


@pytest.mark.parametrize(
    ("height", "width", "options"),
    [
        (256, 256, {}),
        (300, 300, {}),
        (100, 100, {"--image-size": ["100"]}),
        (12, 12, {"--image-size": ["24"]}),
        (300, 400, {"--image-size": ["300", "400"]}),
        (600, 300, {"--data.preprocess": ["scale_width_and_crop"]}),
        (300, 600, {"--data.preprocess": ["scale_width_and_crop"], "--data.load-size": ["286", "572"]}),
    ],
)
def test_the_size_of_the_pictures_becomes_an_option(tmp_path, height, width, options):
    random = np.random.default_rng(0)
    folder = make_set(tmp_path, *2 * [lambda i: random.integers(0, 256, (height, width, 3), np.uint8)], count=2)
    assert options_of(folder, check(folder)) == options


def test_small_and_large_pictures_get_the_size_of_the_small(tmp_path):
    random = np.random.default_rng(0)
    folder = make_set(tmp_path, *2 * [lambda i: random.integers(0, 256, (100 + 100 * (i % 2), 180, 3), np.uint8)], count=4)
    assert options_of(folder, check(folder)) == {"--image-size": ["100"]}


@pytest.mark.parametrize(("damaged", "skips"), [(1, True), (2, False)])
def test_skipping_is_advised_only_if_pairs_remain(tmp_path, drawn, damaged, skips):
    folder = make_set(tmp_path, lambda i: drawn[i][1], lambda i: drawn[i][0], count=2)
    for path in sorted((folder / "A").iterdir())[:damaged]:
        path.write_bytes(b"")
    assert ("--data.on-error skip" in train_line(folder, check(folder))) == skips

"""The baselines are computed from the training pairs."""

import numpy as np
import pytest
from helpers.runs import folder_of_pairs

from p2p_jax.config import Config, Data
from p2p_jax.data.fit import Fit
from p2p_jax.data.loading import open_dataset
from p2p_jax.evaluation.baselines import MEAN, NEAREST, baselines, nearest

FIT = Fit("resize_and_crop", (32, 32), (32, 32))


@pytest.fixture
def config(tmp_path):
    return Config(image_size=32, data=Data(path=str(folder_of_pairs(tmp_path / "pairs")), test_fraction=0.0))


def test_the_nearest_inputs_target_is_found_in_spite_of_noise(config):
    train = open_dataset(config).splits["train"]
    pairs = [train.read(index, FIT) for index in (4, 1, 1)]
    noisy = np.stack([pair["input"] for pair in pairs]) // 2 * 2 + 1
    found = baselines(train, config)[NEAREST](noisy)
    np.testing.assert_array_equal(found, np.stack([pair["target"] for pair in pairs]))


def test_among_the_training_pairs_themselves_the_nearest_input_is_another_one(config):
    train = open_dataset(config).splits["train"]
    pair = train.read(2, FIT)
    found = baselines(train, config, other=True)[NEAREST](pair["input"][None])
    assert not np.array_equal(found[0], pair["target"])


def test_the_nearest_row_is_chosen():
    rows = np.array([[0.0, 0.0], [3.0, 0.0], [10.0, 10.0]])
    assert nearest(np.array([[2.0, 0.0], [9.0, 9.0], [0.0, 0.0]]), rows).tolist() == [1, 2, 0]
    assert nearest(rows, rows, other=True).tolist() == [1, 0, 1]
    assert nearest(rows[:1], rows[:1], other=True).tolist() == [0]


def test_other_sizes_than_that_of_training_are_answered(config):
    found = baselines(open_dataset(config).splits["train"], config)
    for name in (MEAN, NEAREST):
        assert found[name](np.zeros((2, 20, 48, 3), np.uint8)).shape == (2, 20, 48, 3)

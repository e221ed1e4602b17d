"""Records: files and prepared sets hold the same pairs, and a record that cannot be read is named."""

import numpy as np
import pytest
from helpers.pairs import OWN, pairs_of, random_pixels, write_sides

from p2p_jax.config import Data
from p2p_jax.data.pairs import RecordedPairs
from p2p_jax.data.records import PreparedRecords
from p2p_jax.errors import UserError

A, B = random_pixels((20, 24, 3)), random_pixels((20, 24, 3), seed=1)


def test_records_and_files_hold_the_same_pairs(tmp_path):
    write_sides(tmp_path, A=A, B=B)
    data = (tmp_path / "A" / "1.png").read_bytes(), B
    named = [{"name": b"one", "A": data[0], "B": data[1]}]
    other = [{"image": data[0], "label": data[1], "more": 1}]
    expected = pairs_of(tmp_path).read(0, OWN)
    for records, features, name in ((named, None, "one"), (other, ("image", "label"), "0")):
        pairs = RecordedPairs(PreparedRecords(records, "mine", features), Data())
        assert pairs.name(0) == name
        for key, pixels in pairs.read(0, OWN).items():
            assert np.array_equal(pixels, expected[key])
    broken = RecordedPairs(PreparedRecords([{"name": b"one", "A": b"x", "B": B}], "mine"), Data())
    with pytest.raises(ValueError, match="record one of mine"):
        broken.read(0, OWN)


def test_damaged_records_are_named():
    class Damaged(list):
        def __getitem__(self, index):
            raise RuntimeError("Checksum does not match")

    pairs = RecordedPairs(PreparedRecords(Damaged(), "mine"), Data())
    with pytest.raises(UserError, match=r"record 3 of mine cannot be read \(checksum does not match\): prepare the set"):
        pairs.read(3, OWN)


def test_features_that_are_no_sides_are_ignored():
    records = [{"name": b"one", "A": A, "B": B, "Area": 7, "id": 3}]
    pair = RecordedPairs(PreparedRecords(records, "mine"), Data()).read(0, OWN)
    assert np.array_equal(pair["input"], A)


def test_a_feature_that_holds_no_picture_is_named():
    records = [{"image": A, "label": np.int64(7)}]
    with pytest.raises(UserError, match="record 0 of mine holds int64 instead of a picture"):
        RecordedPairs(PreparedRecords(records, "mine", ("image", "label")), Data()).read(0, OWN)

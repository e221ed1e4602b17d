"""The tool `split`: splits that exist, splits that are drawn, and pictures that cannot be cut."""

import numpy as np
import pytest
from helpers.drawing import draw, files_in, fill, pixels_of

from p2p_jax.data.layout import find_pairs
from p2p_jax.data.tools.split import split_pairs


def test_the_splits_are_kept_so_that_training_finds_them(tmp_path):
    pairs = {f"{split}/{i}.png": draw(i, (10, 20)) for split in ("train", "validation", "test") for i in (1, 2)}
    split_pairs(fill(tmp_path / "pairs", pairs), tmp_path / "halves")
    assert {path.split("/")[0] for path in files_in(tmp_path / "halves")} == {
        "trainA", "trainB", "valA", "valB", "testA", "testB",
    }  # fmt: skip
    found = find_pairs(tmp_path / "halves")
    assert {split: [name for name, _ in items] for split, items in found.items()} == {
        "train": ["1", "2"], "val": ["1", "2"], "test": ["1", "2"],
    }  # fmt: skip
    assert np.array_equal(pixels_of(found["val"][1][1]["B"]), draw(2, (10, 20))[:, 10:])


def test_splits_are_drawn_from_the_seed(tmp_path):
    pairs = fill(tmp_path / "pairs", {f"{i}.png": draw(i, (8, 16)) for i in range(10)})
    found = {}
    for name, seed in (("x", 1), ("y", 1), ("z", 2)):
        split_pairs(pairs, tmp_path / name, val_fraction=0.2, test_fraction=0.3, seed=seed)
        found[name] = {split: [n for n, _ in items] for split, items in find_pairs(tmp_path / name).items()}
    assert {split: len(names) for split, names in found["x"].items()} == {"train": 5, "val": 2, "test": 3}
    assert sorted(name for names in found["x"].values() for name in names) == sorted(map(str, range(10)))
    assert found["x"] == found["y"] != found["z"]


def test_odd_widths_and_wrong_fractions_are_refused(tmp_path):
    odd = fill(tmp_path / "odd", {"1.png": draw(1, (8, 17))})
    with pytest.raises(ValueError, match=r"1\.png: it is 17 pixels wide"):
        split_pairs(odd, tmp_path / "out")
    mixed = fill(tmp_path / "mixed", {"1.png": draw(1, (8, 16)), "train/1.png": draw(1, (8, 16))})
    with pytest.raises(ValueError, match=r"folders for splits, such as train, and pictures outside"):
        split_pairs(mixed, tmp_path / "out")
    (mixed / "1.png").unlink()
    with pytest.raises(ValueError, match="fractions were given"):
        split_pairs(mixed, tmp_path / "out", val_fraction=0.5)
    with pytest.raises(ValueError, match=r"--test-fraction was given 0\.6|--val-fraction was given 0\.6"):
        split_pairs(mixed, tmp_path / "out", val_fraction=0.6, test_fraction=0.6)
    assert not files_in(tmp_path / "out")

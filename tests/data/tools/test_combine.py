"""The tool `combine`, and `split` as its reverse."""

import numpy as np
import pytest
from helpers.drawing import draw, files_in, fill, pixels_of

from p2p_jax.data.tools.combine import combine_folders
from p2p_jax.data.tools.runner import Writing
from p2p_jax.data.tools.split import split_pairs


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_split_is_the_reverse_of_combine_bit_for_bit(tmp_path, channels, dtype):
    names = ("1.png", "sub/2.png")
    sides = {
        side: fill(tmp_path / side, {name: draw(i + 7 * k, (9, 11), channels, dtype) for i, name in enumerate(names)})
        for k, side in enumerate("AB")
    }
    combine_folders(sides["A"], sides["B"], tmp_path / "pairs")
    assert files_in(tmp_path / "pairs") == sorted(names)
    assert pixels_of(tmp_path / "pairs" / "1.png").shape == (9, 22, channels)
    split_pairs(tmp_path / "pairs", tmp_path / "halves")
    for side, folder in sides.items():
        for name in names:
            found, expected = pixels_of(tmp_path / "halves" / side / name), pixels_of(folder / name)
            assert found.dtype == expected.dtype == dtype
            assert np.array_equal(found, expected)


def test_floating_point_numbers_are_kept_in_tiff_and_npy(tmp_path):
    a = fill(tmp_path / "A", {"1.tiff": draw(1, channels=5, dtype=np.float32)})
    b = fill(tmp_path / "B", {"1.npy": draw(2, channels=5, dtype=np.float32)})
    combine_folders(a, b, tmp_path / "pairs", writing=Writing(format="tiff"))
    split_pairs(tmp_path / "pairs", tmp_path / "halves", writing=Writing(format="npy"))
    for side, seed in (("A", 1), ("B", 2)):
        found = pixels_of(tmp_path / "halves" / side / "1.npy")
        assert np.array_equal(found, draw(seed, channels=5, dtype=np.float32))
    with pytest.raises(ValueError, match=r"A/1\.tiff.*cannot be written as \.png"):
        combine_folders(a, b, tmp_path / "png")
    assert not files_in(tmp_path / "png")


def test_different_sizes_are_refused_or_b_is_resized(tmp_path):
    a = fill(tmp_path / "A", {"1.png": draw(1), "2.png": draw(1)})
    b = fill(tmp_path / "B", {"1.png": draw(1), "2.png": np.kron(draw(2), np.ones((2, 2, 1), np.uint8))})
    with pytest.raises(ValueError, match=r"A/2.png has 10 x 12 pixels but .*B/2.png has 20 x 24.*--resize-b.*1 of 2"):
        combine_folders(a, b, tmp_path / "pairs")
    combine_folders(a, b, tmp_path / "pairs", resize_b=True, method="nearest", writing=Writing(overwrite=True))
    assert np.array_equal(pixels_of(tmp_path / "pairs" / "2.png")[:, 10:], draw(2))


def test_pictures_without_a_counterpart_are_named(tmp_path):
    a = fill(tmp_path / "A", {"1.png": draw(1), "2.png": draw(2)})
    b = fill(tmp_path / "B", {"1.jpg": draw(1)})
    with pytest.raises(ValueError, match=r"2\.png has no picture of the same name"):
        combine_folders(a, b, tmp_path / "pairs")
    result = combine_folders(a, b, tmp_path / "pairs", writing=Writing(on_error="skip"))
    assert files_in(tmp_path / "pairs") == ["1.png"]
    assert result.files == (tmp_path / "pairs" / "1.png",)
    (sentence,) = result.skipped
    assert "2.png" in sentence

"""The tool `labels`: class numbers to colours and back."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import draw, files_in, fill, pixels_of

from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.tools.labels import convert_labels
from p2p_jax.data.tools.runner import Writing


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    return fill(tmp_path / "ids", {"1.png": (np.arange(120) % 12).astype(np.uint8).reshape(12, 10, 1)})


def test_class_numbers_become_colours_and_the_reverse(tmp_path, ids):
    numbers = pixels_of(ids / "1.png")
    convert_labels(ids, tmp_path / "colours", "cmp")
    assert np.array_equal(pixels_of(tmp_path / "colours" / "1.png"), COLOURS[numbers[..., 0]])
    result = convert_labels(tmp_path / "colours", tmp_path / "back", "cmp", to_ids=True, tolerance=0)
    assert np.array_equal(pixels_of(tmp_path / "back" / "1.png"), numbers)
    assert result.notes == ("All pixels had a colour of the palette.",)


@pytest.mark.parametrize("to_ids", [False, True])
def test_palette_pngs_hold_numbers_and_colours(tmp_path, ids, to_ids):
    numbers = pixels_of(ids / "1.png")
    source = fill(tmp_path / "colours", {"1.png": COLOURS[numbers[..., 0]]}) if to_ids else ids
    convert_labels(source, tmp_path / "both", "cmp", to_ids=to_ids, as_palette_png=True)
    assert np.array_equal(pixels_of(tmp_path / "both" / "1.png"), COLOURS[numbers[..., 0]])
    assert np.array_equal(pixels_of(tmp_path / "both" / "1.png", indices=True), numbers)
    convert_labels(tmp_path / "both", tmp_path / "colours2", ["#010203", *[f"#{i:02x}0000" for i in range(11)]])
    first = numbers[..., 0] == 0
    assert (pixels_of(tmp_path / "colours2" / "1.png")[first] == (1, 2, 3)).all()


def test_blurred_colours_get_the_nearest_class_or_are_refused(tmp_path):
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[:, 5:] = 255
    pixels[2, 3] = (0, 6, 8)
    colours = fill(tmp_path / "colours", {"1.png": pixels})
    palette = ["#000000", "#ffffff"]
    with pytest.raises(ValueError, match=r"1\.png: the pixel in row 2, column 3 is #000608, which is 10\.0 from .*#000000"):
        convert_labels(colours, tmp_path / "out", palette, to_ids=True, tolerance=9.5)
    assert not files_in(tmp_path / "out")
    (note,) = convert_labels(colours, tmp_path / "out", palette, to_ids=True, tolerance=10).notes
    assert "1.00 % of the pixels had no colour" in note
    assert "largest distance, 10.0, is in" in note
    write_picture(colours / "2.png", np.zeros((10, 10, 3), np.uint8))
    (note,) = convert_labels(colours, tmp_path / "out", palette, to_ids=True, writing=Writing(overwrite=True)).notes
    assert "0.50 % of the pixels" in note
    assert f"10.0, is in {colours / '1.png'}" in note
    assert np.array_equal(pixels_of(tmp_path / "out" / "1.png")[..., 0], pixels[..., 0] // 255)


def test_class_numbers_may_have_any_dtype_but_must_be_classes(tmp_path):
    numbers = np.arange(64).reshape(8, 8) % 2
    (tmp_path / "maps").mkdir()
    for dtype in (np.int64, np.uint16, np.float64, np.bool_):
        np.save(tmp_path / "maps" / f"{np.dtype(dtype)}.npy", numbers.astype(dtype))
    convert_labels(tmp_path / "maps", tmp_path / "out", ["#000000", "#0000ff"])
    for path in (tmp_path / "out").iterdir():
        assert np.array_equal(pixels_of(path)[..., 2], numbers * 255)
    for wrong in (-1, 0.5, 2):
        np.save(tmp_path / "maps" / "bool.npy", np.where(np.arange(64).reshape(8, 8) == 10, wrong, numbers))
        with pytest.raises(ValueError, match=f"row 1, column 2 is {wrong}, .*1 of 4"):
            convert_labels(tmp_path / "maps", tmp_path / "out", ["#000000", "#0000ff"], writing=Writing(overwrite=True))


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (draw(1), {}, "3 channels, and class numbers have one: for colours give --to-ids"),
        (np.full((8, 8, 1), 2, np.uint8), {}, r"row 0, column 0 is 2, but the palette has 2 colours, .* from 0 to 1"),
        (np.full((8, 8, 4), 9, np.uint8), {"to_ids": True}, "transparent in places"),
        (draw(1, dtype=np.uint16), {"to_ids": True}, "3 channels of uint16"),
        (np.zeros((8, 8, 1), np.uint8), {"tolerance": 3}, "needs --to-ids"),
        (np.zeros((8, 8, 1), np.uint8), {"writing": Writing(format="jpg")}, "does not keep label maps"),
        (np.zeros((8, 8, 1), np.uint8), {"as_palette_png": True, "writing": Writing(format="tiff")}, "omit one of them"),
    ],
)
def test_other_label_maps_are_refused(tmp_path, pixels, options, message):
    folder = fill(tmp_path / "maps", {"1.png": pixels})
    with pytest.raises(ValueError, match=message):
        convert_labels(folder, tmp_path / "out", ["#000000", "#ffffff"], **options)
    assert not (tmp_path / "out").exists()

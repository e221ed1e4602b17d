"""Behaviour that all tools share: unreadable pictures, targets that are refused, and formats."""

import math
from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import draw, files_in, fill, pixels_of
from PIL import Image

from p2p_jax.data import resizing
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.tools import grayscale
from p2p_jax.data.tools.blank import blank_pictures
from p2p_jax.data.tools.edges import draw_edges
from p2p_jax.data.tools.grayscale import make_grayscale
from p2p_jax.data.tools.resize import resize_pictures
from p2p_jax.data.tools.runner import Writing
from p2p_jax.data.tools.split import split_pairs
from p2p_jax.errors import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", {"1.png": draw(1), "sub/2.png": draw(2), "sub/10.png": draw(10)})


def test_unreadable_pictures_are_counted_and_named(tmp_path, photos):
    (photos / "3.png").write_bytes(b"no picture")
    (photos / "sub" / "4.jpg").write_bytes((photos / "1.png").read_bytes()[:60])
    with pytest.raises(
        ValueError, match=r"3\.png is not a picture.*skip such files with --on-error skip.*2 of 5 could not be used"
    ):
        make_grayscale(photos, tmp_path / "out")
    result = make_grayscale(photos, tmp_path / "out", writing=Writing(overwrite=True, on_error="skip"))
    assert len(result.files) == 6
    first, second = result.skipped
    assert "3.png" in first
    assert "4.jpg" in second
    assert "--data.on-error" not in first + second
    assert files_in(tmp_path / "out" / "A") == ["1.png", "sub/10.png", "sub/2.png"]
    for name in ("1.png", "sub/2.png", "sub/10.png"):
        (photos / name).write_bytes(b"")
    with pytest.raises(ValueError, match="5 of 5"):
        make_grayscale(photos, tmp_path / "none", writing=Writing(on_error="skip"))


def test_nothing_is_written_into_the_input(tmp_path, photos):
    for output in (photos, photos / "out", tmp_path / "other" / ".." / "photos"):
        with pytest.raises(ValueError, match="lies in the input"):
            draw_edges(photos, output, writing=Writing(overwrite=True))
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "1.png").symlink_to(photos / "1.png")
    with pytest.raises(ValueError, match="one of the files read"):
        draw_edges(photos, tmp_path / "links", writing=Writing(overwrite=True))
    assert files_in(photos) == ["1.png", "sub/10.png", "sub/2.png"]
    with pytest.raises(ValueError, match="--output was given an empty path"):
        draw_edges(photos, "")


def test_formats_keep_the_values_that_they_can_hold(tmp_path):
    photos = fill(tmp_path / "photos", {"1.png": draw(1, (32, 32))})
    for name in ("png", "tiff", "webp", "npy", "jpg"):
        resize_pictures(photos, tmp_path / "out", (32, 32), writing=Writing(format=name))
        difference = np.abs(pixels_of(tmp_path / "out" / f"1.{name}").astype(int) - draw(1, (32, 32))).max()
        assert difference <= (40 if name == "jpg" else 0)  # JPEG distorts noise most
    clear = fill(tmp_path / "clear", {"1.png": np.dstack([draw(1), np.zeros((12, 10), np.uint8)])})
    resize_pictures(clear, tmp_path / "out", (12, 10), writing=Writing(format="webp", overwrite=True))
    assert np.array_equal(pixels_of(tmp_path / "out" / "1.webp"), pixels_of(clear / "1.png"))  # transparent colours too
    deep = fill(tmp_path / "deep", {"1.png": draw(1, dtype=np.uint16), "2.png": draw(2)})
    with pytest.raises(ValueError, match=r"1\.png: uint16 pictures cannot be written as \.jpg"):
        blank_pictures(deep, tmp_path / "holes", writing=Writing(format="jpg"))
    assert files_in(tmp_path / "holes") == ["A/2.jpg", "B/2.jpg", "mask/2.png"]


def test_pictures_are_turned_upright(tmp_path):
    (tmp_path / "photos").mkdir()
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    Image.fromarray(draw(1)).save(tmp_path / "photos" / "1.png", exif=exif)
    blank_pictures(tmp_path / "photos", tmp_path / "out")
    assert np.array_equal(pixels_of(tmp_path / "out" / "B" / "1.png"), np.rot90(draw(1), -1))


def test_two_pictures_of_one_name_are_refused(tmp_path, photos):
    write_picture(photos / "1.jpg", draw(1))
    with pytest.raises(ValueError, match="have the same name"):
        draw_edges(photos, tmp_path / "out")
    both = fill(tmp_path / "both", {"val/1.png": draw(1), "validation/1.png": draw(2)})
    with pytest.raises(ValueError, match=r"would both be written to .*valA/1\.png"):
        split_pairs(both, tmp_path / "out")


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_mistake_of_the_program_is_no_unreadable_picture(tmp_path, photos, monkeypatch, on_error):
    monkeypatch.setattr(resizing, "to_grey", lambda *_: int("x"))
    monkeypatch.setattr(grayscale, "to_grey", lambda *_: int("x"))
    with pytest.raises(ValueError, match="invalid literal") as caught:
        make_grayscale(photos, tmp_path / "out", writing=Writing(on_error=on_error))
    assert not isinstance(caught.value, UserError)


def test_progress_is_reported_and_nothing_is_printed(tmp_path, photos, capsys):
    reported = []
    result = draw_edges(photos, str(tmp_path / "out"), on_progress=lambda done, total: reported.append((done, total)))
    assert reported == [(1, 3), (2, 3), (3, 3)]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in result.files] == ["1.png", "sub/2.png", "sub/10.png"]
    assert capsys.readouterr() == ("", "")


def test_a_dry_run_lists_the_files_and_writes_none(tmp_path, photos):
    result = draw_edges(photos, tmp_path / "out", writing=Writing(dry_run=True))
    assert result.files == draw_edges(photos, tmp_path / "out").files


@pytest.mark.parametrize(
    ("tool", "options", "message"),
    [
        (draw_edges, {"low": 70}, "--low 70 and --high 30.0"),
        (draw_edges, {"sigma": math.nan}, "--sigma was given nan"),
        (draw_edges, {"sigma": 1e9}, "--sigma was given 1000000000.0: it must be at most 1000"),
        (draw_edges, {"shortest": -1}, "--shortest was given -1: it must be at least 0"),
        (draw_edges, {"thickness": 10**6}, "--thickness was given 1000000"),
        (draw_edges, {"writing": Writing(workers=0)}, "--workers was given 0: it must be at least 1"),
        (resize_pictures, {"size": (2**20, 2**20)}, "--size was given 1048576 1048576"),
        (split_pairs, {"seed": -1}, "--seed was given -1"),
        (split_pairs, {"val_fraction": math.nan}, "--val-fraction was given nan"),
        (blank_pictures, {"fraction": math.nan}, "--fraction was given nan"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(tmp_path, photos, tool, options, message):
    with pytest.raises(UserError, match=message):
        tool(photos, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()

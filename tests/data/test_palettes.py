"""Palettes: reading them, and the class that is nearest to a colour."""

import numpy as np
import pytest

from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.palettes import nearest_class, read_palette


def test_a_file_has_a_line_for_each_class(tmp_path):
    path = tmp_path / "palette.txt"
    path.write_text("\ufeff// the classes\n\n0 0 222 back ground\n  #FF8000\n1,2,\t3\n#0a0b0c name // not a comment\n")
    palette = read_palette(str(path))
    assert palette.dtype == np.uint8
    assert palette.tolist() == [[0, 0, 222], [255, 128, 0], [1, 2, 3], [10, 11, 12]]
    assert np.array_equal(read_palette([str(path)]), palette)


def test_a_palette_may_be_colours_or_a_name():
    assert read_palette(["#000000", "#0000DE"]).tolist() == [[0, 0, 0], [0, 0, 222]]
    assert read_palette("#010203").tolist() == [[1, 2, 3]]
    assert np.array_equal(read_palette("cmp"), COLOURS)
    assert np.array_equal(read_palette(("cmp",)), COLOURS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0 0\n1 2\n", r"line 2 of the palette .* is '1 2'"),
        ("0 0 256\n", "line 1 .* numbers from 0 to 255"),
        ("#12345\n", "line 1"),
        ("#1234567\n", "line 1"),
        ("0 0 0x\n", "line 1"),
        ("1 2 3 sky\n#010203 sea\n", r"one colour twice, in line 1 \(1 2 3 sky\) and line 2"),
        ("// nothing\n", "0 colours"),
        ("".join(f"{i % 256} {i // 256} 7\n" for i in range(257)), "257 colours"),
    ],
)
def test_lines_of_another_form_are_refused(tmp_path, text, message):
    path = tmp_path / "palette.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_palette(str(path))


def test_256_colours_are_accepted(tmp_path):
    path = tmp_path / "palette.txt"
    path.write_text("".join(f"{i} {i} {i}\n" for i in range(256)))
    assert read_palette(str(path)).tolist() == [[i, i, i] for i in range(256)]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cpm", "no palette file cpm"),
        (["#000000", "cmp"], "cmp was given among"),
        ([], "nothing was given"),
        (["#000000", "#ffffff", "#000000"], "one colour twice, in colour 0"),
    ],
)
def test_anything_else_is_refused(spec, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        read_palette(spec)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "palette.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not text"):
        read_palette(str(tmp_path / "palette.txt"))


@pytest.mark.parametrize("count", [1, 12, 256])
def test_the_nearest_class_equals_that_of_a_full_comparison(count):
    random = np.random.default_rng(count)
    palette = random.integers(0, 256, (count, 3)).astype(np.uint8)
    pixels = random.integers(0, 256, (19, 23, 3)).astype(np.uint8)
    ids, largest = nearest_class(pixels, palette)
    distances = np.sqrt(((pixels[:, :, None].astype(float) - palette) ** 2).sum(-1))
    assert ids.dtype == np.uint8
    assert np.array_equal(ids, distances.argmin(-1))
    assert largest == pytest.approx(distances.min(-1).max(), rel=1e-6)


def test_exact_colours_have_distance_0_and_the_first_of_two_equally_near_ones_counts():
    ids = np.arange(12).reshape(3, 4)
    found, largest = nearest_class(COLOURS[ids], COLOURS)
    assert np.array_equal(found, ids)
    assert largest == 0
    between = np.full((8, 8, 3), 5, np.uint8)
    for palette in ([[4, 5, 5], [6, 5, 5]], [[6, 5, 5], [4, 5, 5]]):
        found, largest = nearest_class(between, np.array(palette, np.uint8))
        assert (found == 0).all()
        assert largest == 1


def test_large_photos_are_compared_in_blocks(monkeypatch):
    random = np.random.default_rng(0)
    pixels, palette = (random.integers(0, 256, shape).astype(np.uint8) for shape in ((30, 40, 3), (7, 3)))
    expected = nearest_class(pixels, palette)
    monkeypatch.setattr("p2p_jax.data.palettes.BLOCK", 100)
    found = nearest_class(pixels, palette)
    assert np.array_equal(found[0], expected[0])
    assert found[1] == expected[1]

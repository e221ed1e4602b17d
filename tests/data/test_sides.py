"""Converting pictures to the stored values of a side: channels, depth, transparency, labels, masks, and their display."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import smooth
from helpers.pairs import OWN, pairs_of, random_pixels, resized, write_sides
from PIL import Image

from p2p_jax.config import Side
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.pictures import decode, of_file
from p2p_jax.data.sides import show, to_stored

A, B = random_pixels((20, 24, 3)), random_pixels((20, 24, 3), seed=1)
PALETTE = tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in COLOURS.tolist())


def read_picture(path: Path, *, channels: int, transparency: str = "refuse") -> np.ndarray:
    side = Side(channels=(channels,))
    return to_stored(decode(of_file(path)), str(path), side, 0, option="--data.input", transparency=transparency)


def save(folder: Path, array: np.ndarray, name: str = "1.png", **options) -> Path:
    Image.fromarray(array).save(folder / name, **options)
    return folder / name


def test_grey_becomes_rgb_and_rgb_grey(tmp_path):
    colours = smooth()
    grey = save(tmp_path, colours[..., 0], "grey.png")
    assert np.array_equal(read_picture(grey, channels=3), np.repeat(colours[..., :1], 3, -1))
    assert np.array_equal(read_picture(grey, channels=1), colours[..., :1])
    colour = save(tmp_path, colours)
    assert np.array_equal(read_picture(colour, channels=1)[..., 0], np.asarray(Image.fromarray(colours).convert("L")))


def with_alpha(colours, value):
    alpha = np.full((*colours.shape[:2], 1), 255, np.uint8)
    alpha[3, 4] = value
    return np.concatenate([colours, alpha], -1)


def test_an_opaque_alpha_channel_is_dropped(tmp_path):
    colours = smooth()
    path = save(tmp_path, with_alpha(colours, 255))
    assert np.array_equal(read_picture(path, channels=3), colours)


def test_one_transparent_pixel_is_refused_unless_it_is_dropped(tmp_path):
    colours = smooth()
    path = save(tmp_path, with_alpha(colours, 254))
    with pytest.raises(ValueError, match="transparency") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)
    assert np.array_equal(read_picture(path, channels=3, transparency="drop"), colours)


def test_a_transparent_colour_of_a_palette_is_refused(tmp_path):
    picture = Image.new("P", (10, 10), 1)
    picture.putpalette([0, 0, 0, 12, 34, 56])
    picture.save(tmp_path / "1.png", transparency=1)
    with pytest.raises(ValueError, match="transparency"):
        read_picture(tmp_path / "1.png", channels=3)


@pytest.mark.parametrize(
    ("dtype", "ending"), [(np.uint16, "png"), (np.uint16, "tiff"), (np.int32, "tiff"), (np.float32, "tiff")]
)
def test_more_than_8_bits_are_refused(tmp_path, dtype, ending):
    path = save(tmp_path, np.full((10, 10), 1000, dtype), f"1.{ending}")
    with pytest.raises(ValueError, match=r"16 bits per channel|floating-point numbers per channel") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)


def test_four_channels_are_kept_where_the_side_has_four(tmp_path):
    four = random_pixels((20, 24, 4))
    write_sides(tmp_path, A=four, B=B)
    assert np.array_equal(pairs_of(tmp_path, input=Side(channels=(4,))).read(0, OWN)["input"], four)
    with pytest.raises(ValueError, match=r"--data\.input\.channels 4"):
        pairs_of(tmp_path).read(0, OWN)
    assert np.array_equal(pairs_of(tmp_path, transparency="drop").read(0, OWN)["input"], four[..., :3])


def test_another_number_of_channels_is_refused_with_the_option(tmp_path):
    write_sides(tmp_path, A=A, B=B)
    with pytest.raises(ValueError, match=r"3 channels, where 5 channels are expected: give --data\.target\.channels 3"):
        pairs_of(tmp_path, target=Side(channels=(5,))).read(0, OWN)


def test_16_bits_and_floating_point_numbers_keep_every_bit(tmp_path):
    deep = random_pixels((20, 24, 1), np.uint16)
    real = np.random.default_rng(0).uniform(-5, 5, (20, 24, 2)).astype(np.float32)
    write_sides(tmp_path, A=deep, B=real)
    sides = {
        "input": Side(channels=(1,), depth="16"),
        "target": Side(channels=(2,), depth="float", range=(-5, 5)),
    }
    pair = pairs_of(tmp_path, **sides).read(0, OWN)
    assert pair["input"].dtype == np.uint16
    assert np.array_equal(pair["input"], deep)
    assert np.array_equal(pair["target"], real)
    smaller = pairs_of(tmp_path, **sides).read(0, resized(10, 12))
    assert (smaller["input"].dtype, smaller["target"].dtype) == (np.uint16, np.float32)
    assert abs(smaller["target"]).max() <= 5


def test_8_bits_are_scaled_to_the_range_of_16(tmp_path):
    write_sides(tmp_path, A=A, B=B)
    pair = pairs_of(tmp_path, input=Side(depth="16")).read(0, OWN)
    assert np.array_equal(pair["input"], A.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("pixels", "side", "said"),
    [
        (random_pixels((16, 16, 1), np.uint16), Side(channels=(1,)), r"16 bits .* give --data\.input\.depth 16"),
        (np.full((16, 16, 1), 0.5, np.float32), Side(channels=(1,), depth="16"), r"give --data\.input\.depth float"),
        (np.full((16, 16, 1), 2, np.float32), Side(channels=(1,), depth="float"), r"from 2 to 2, outside of 0 to 1"),
        (np.full((16, 16, 1), 5000, np.uint16), Side(channels=(1,), depth="16", range=(0, 4095)), "outside of 0 to 4095"),
        (np.full((16, 16, 1), 7, np.uint8), Side(kind="labels", channels=(1,), classes=7), r"class 7, .* 0 to 6"),
    ],
)
def test_values_that_the_side_cannot_hold_are_refused(tmp_path, pixels, side, said):
    write_sides(tmp_path, A=pixels, B=random_pixels((16, 16, 3)))
    with pytest.raises(ValueError, match=said) as caught:
        pairs_of(tmp_path, input=side).read(0, OWN)
    assert str(tmp_path / "A") in str(caught.value)


def test_labels_are_never_blurred(tmp_path):
    labels = COLOURS[np.random.default_rng(0).integers(0, 12, (20, 24))]
    write_sides(tmp_path, A=labels, B=B)
    colours = {tuple(colour) for colour in COLOURS.tolist()}
    for size in ((31, 17), (10, 12)):
        pair = pairs_of(tmp_path, input=Side(kind="labels")).read(0, resized(*size))
        assert {tuple(pixel) for pixel in pair["input"].reshape(-1, 3).tolist()} <= colours
        blurred = pairs_of(tmp_path).read(0, resized(*size))["input"]
        assert not {tuple(pixel) for pixel in blurred.reshape(-1, 3).tolist()} <= colours


def test_classes_come_from_colours_numbers_or_palette_indices(tmp_path):
    ids = np.random.default_rng(0).integers(0, 12, (20, 24)).astype(np.uint8)
    noisy = np.clip(COLOURS[ids].astype(int) + np.random.default_rng(1).integers(-9, 10, (20, 24, 3)), 0, 255)
    write_sides(tmp_path / "colours", A=noisy.astype(np.uint8), B=B)
    write_sides(tmp_path / "numbers", A=ids[..., None], B=B)
    write_sides(tmp_path / "indices", B=B)
    picture = Image.fromarray(ids)
    picture.putpalette(COLOURS.flatten().tolist())
    (tmp_path / "indices" / "A").mkdir()
    picture.save(tmp_path / "indices" / "A" / "1.png")
    palette = tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in COLOURS.tolist())
    sides = {
        "colours": Side(kind="labels", palette=palette),
        "numbers": Side(kind="labels", classes=12),
        "indices": Side(kind="labels", classes=12),
    }
    for name, side in sides.items():
        read = pairs_of(tmp_path / name, input=side).read(0, OWN)["input"]
        assert read.dtype == np.uint8
        assert np.array_equal(read[..., 0], ids), name


CLASSES = Side(kind="labels", channels=(1,), classes=19)


def test_class_numbers_are_never_read_from_colours(tmp_path):
    ids = np.random.default_rng(0).integers(0, 19, (20, 24, 1)).astype(np.uint8)
    write_sides(tmp_path / "grey", A=np.repeat(ids, 3, -1), B=B)
    assert np.array_equal(pairs_of(tmp_path / "grey", input=CLASSES).read(0, OWN)["input"], ids)
    write_sides(tmp_path / "colours", A=ids * np.array([0, 0, 9], np.uint8), B=B)
    with pytest.raises(ValueError, match=r"has colours, .* give --data\.input\.palette"):
        pairs_of(tmp_path / "colours", input=CLASSES).read(0, OWN)


def test_masks_may_have_16_bits_but_not_only_0_and_1(tmp_path):
    mask = random_pixels((20, 24, 1), seed=3)
    write_sides(tmp_path / "deep", A=A, B=B, mask=mask.astype(np.uint16) * 257)
    assert np.array_equal(pairs_of(tmp_path / "deep").read(0, OWN)["weight"], mask)
    write_sides(tmp_path / "dark", A=A, B=B, mask=mask // 128)
    with pytest.raises(ValueError, match="only 0 and 1"):
        pairs_of(tmp_path / "dark").read(0, OWN)


def test_stored_values_are_converted_for_display():
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (8, 8, 3), np.uint8)
    ids = random.integers(0, 12, (8, 8, 1), np.uint8)
    assert np.array_equal(show(Side(), rgb)[0], rgb)
    first, second = show(Side(channels=(3, 1)), np.concatenate([rgb, rgb[..., :1]], -1))
    assert np.array_equal(first, rgb)
    assert np.array_equal(second, rgb[..., :1])
    assert np.array_equal(show(Side(channels=(5,)), np.concatenate([rgb, rgb[..., :2]], -1))[0], rgb)
    assert np.array_equal(show(Side(depth="16"), rgb.astype(np.uint16) * 257)[0], rgb)
    real = Side(depth="float", range=(-1, 1))
    assert np.array_equal(show(real, (rgb / np.float32(127.5) - 1).astype(np.float32))[0], rgb)
    assert np.array_equal(show(Side(kind="labels", palette=PALETTE), ids)[0], COLOURS[ids[..., 0]])
    shown = show(Side(kind="labels", classes=12), np.arange(12, dtype=np.uint8).reshape(3, 4, 1))[0]
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 12

"""Reading pairs: directions, channels, depths, labels, stacked inputs, masks, and every way to bring them to size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2p_jax.config import Config, Data, Side
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.fit import Fit, fit_of_evaluation, fit_of_training, fit_of_translation
from p2p_jax.data.layout import find_parts
from p2p_jax.data.pairs import FileRecords, PreparedRecords, RecordedPairs, Replacing
from p2p_jax.data.pictures import write_picture

OWN = Fit("none", (16, 16), (16, 16))


def resized(*size: int) -> Fit:
    return Fit("resize_and_crop", size, size)


def pairs_of(folder: Path, **data) -> RecordedPairs:
    return RecordedPairs(FileRecords(find_parts(folder)["train"]), Data(**data))


def random_pixels(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def write(folder: Path, **parts: np.ndarray) -> Path:
    """One pair as folders of parts."""
    for part, pixels in parts.items():
        write_picture(folder / part / ("1.tiff" if pixels.dtype == np.float32 else "1.png"), pixels)
    return folder


A, B = random_pixels((20, 24, 3)), random_pixels((20, 24, 3), seed=1)


def test_the_direction_chooses_the_input(tmp_path):
    write(tmp_path, A=A, B=B)
    forward = pairs_of(tmp_path, direction="AtoB").read(0, OWN)
    back = pairs_of(tmp_path, direction="BtoA").read(0, OWN)
    assert np.array_equal(forward["input"], A)
    assert np.array_equal(forward["target"], B)
    assert np.array_equal(back["input"], B)
    assert np.array_equal(back["target"], A)


@pytest.mark.parametrize("fit", [OWN, resized(20, 24), resized(16, 16), Fit("crop", (16, 16), (16, 16))])
def test_both_kinds_of_folder_give_the_same_pairs(tmp_path, fit):
    write(tmp_path / "two", A=A, B=B)
    write_picture(tmp_path / "one" / "1.png", np.concatenate([A, B], 1))
    one, two = (pairs_of(tmp_path / name) for name in ("one", "two"))
    for name, pixels in one.read(0, fit).items():
        assert np.array_equal(pixels, two.read(0, fit)[name])
    assert one.name(0) == two.name(0) == "1"


def test_halves_of_different_size_are_refused_with_both_names(tmp_path):
    write(tmp_path, A=A, B=B[1:])
    with pytest.raises(ValueError, match=r"24 x 20 .* 24 x 19") as caught:
        pairs_of(tmp_path).read(0, OWN)
    assert str(tmp_path / "A" / "1.png") in str(caught.value)
    assert str(tmp_path / "B" / "1.png") in str(caught.value)


def test_an_odd_width_is_refused(tmp_path):
    write_picture(tmp_path / "1.png", random_pixels((16, 33, 3)))
    with pytest.raises(ValueError, match="33 pixels wide") as caught:
        pairs_of(tmp_path).read(0, OWN)
    assert str(tmp_path / "1.png") in str(caught.value)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("kind", ["one", "two"])
def test_channels_are_those_asked_for_input_and_target(tmp_path, kind, first, second, direction):
    red, blue = np.zeros((2, 16, 16, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    if kind == "one":
        write_picture(tmp_path / "1.png", np.concatenate([red, blue], 1))
    else:
        write(tmp_path, A=red, B=blue)
    sides = {"input": Side(channels=(first,)), "target": Side(channels=(second,))}
    pair = pairs_of(tmp_path, direction=direction, **sides).read(0, OWN)
    assert (pair["input"].shape[-1], pair["target"].shape[-1]) == (first, second)
    red_is_input = direction == "AtoB"
    expected = {(1, True): 76, (1, False): 29, (3, True): 255, (3, False): 0}[first, red_is_input]
    assert pair["input"][0, 0, 0] == expected


def test_four_channels_are_kept_where_they_are_asked_for(tmp_path):
    four = random_pixels((20, 24, 4))
    write(tmp_path, A=four, B=B)
    assert np.array_equal(pairs_of(tmp_path, input=Side(channels=(4,))).read(0, OWN)["input"], four)
    with pytest.raises(ValueError, match=r"--data\.input\.channels 4"):
        pairs_of(tmp_path).read(0, OWN)
    assert np.array_equal(pairs_of(tmp_path, transparency="drop").read(0, OWN)["input"], four[..., :3])


def test_another_number_of_channels_is_refused_with_the_option(tmp_path):
    write(tmp_path, A=A, B=B)
    with pytest.raises(ValueError, match=r"3 channels, where 5 channels are expected: give --data\.target\.channels 3"):
        pairs_of(tmp_path, target=Side(channels=(5,))).read(0, OWN)


def test_16_bits_and_real_numbers_keep_every_bit(tmp_path):
    deep = random_pixels((20, 24, 1), np.uint16)
    real = np.random.default_rng(0).uniform(-5, 5, (20, 24, 2)).astype(np.float32)
    write(tmp_path, A=deep, B=real)
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


def test_8_bits_fill_the_range_of_16(tmp_path):
    write(tmp_path, A=A, B=B)
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
    write(tmp_path, A=pixels, B=random_pixels((16, 16, 3)))
    with pytest.raises(ValueError, match=said) as caught:
        pairs_of(tmp_path, input=side).read(0, OWN)
    assert str(tmp_path / "A") in str(caught.value)


def test_labels_are_never_blurred(tmp_path):
    labels = COLOURS[np.random.default_rng(0).integers(0, 12, (20, 24))]
    write(tmp_path, A=labels, B=B)
    colours = {tuple(colour) for colour in COLOURS.tolist()}
    for size in ((31, 17), (10, 12)):
        pair = pairs_of(tmp_path, input=Side(kind="labels")).read(0, resized(*size))
        assert {tuple(pixel) for pixel in pair["input"].reshape(-1, 3).tolist()} <= colours
        blurred = pairs_of(tmp_path).read(0, resized(*size))["input"]
        assert not {tuple(pixel) for pixel in blurred.reshape(-1, 3).tolist()} <= colours


def test_classes_come_from_colours_or_numbers_or_a_palettes_indices(tmp_path):
    ids = np.random.default_rng(0).integers(0, 12, (20, 24)).astype(np.uint8)
    noisy = np.clip(COLOURS[ids].astype(int) + np.random.default_rng(1).integers(-9, 10, (20, 24, 3)), 0, 255)
    write(tmp_path / "colours", A=noisy.astype(np.uint8), B=B)
    write(tmp_path / "numbers", A=ids[..., None], B=B)
    write(tmp_path / "indices", B=B)
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


def test_several_inputs_are_stacked_in_their_order(tmp_path):
    grey = random_pixels((20, 24, 1), seed=2)
    write(tmp_path, A1=A, A2=grey, B=B)
    pair = pairs_of(tmp_path, input=Side(channels=(3, 1))).read(0, OWN)
    assert np.array_equal(pair["input"], np.concatenate([A, grey], -1))
    with pytest.raises(ValueError, match=r"one of 2 pictures .* such as --data\.input\.channels 3 3"):
        pairs_of(tmp_path).read(0, OWN)


def test_side_by_side_pictures_have_one_on_each_side(tmp_path):
    write_picture(tmp_path / "1.png", np.concatenate([A, B], 1))
    with pytest.raises(ValueError, match=r"one picture on each side, but --data\.input\.channels names 2"):
        pairs_of(tmp_path, input=Side(channels=(3, 1))).read(0, OWN)


def test_a_mask_is_read_as_weights(tmp_path):
    mask = random_pixels((20, 24, 1), seed=3)
    write(tmp_path, A=A, B=B, mask=mask)
    pair = pairs_of(tmp_path).read(0, OWN)
    assert np.array_equal(pair["weight"], mask)
    assert pairs_of(tmp_path).read(0, resized(10, 12))["weight"].shape == (10, 12, 1)


def test_records_give_what_files_give(tmp_path):
    write(tmp_path, A=A, B=B)
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


# (height, width) of the picture, and of what comes out of it in training, in evaluation and in translation.
SIZES = [
    ("resize_and_crop", (40, 60), (18, 18), (16, 16), (16, 16)),
    ("crop", (40, 60), (16, 16), (16, 16), (40, 60)),
    ("scale_width", (60, 40), (24, 16), (24, 16), (24, 16)),
    ("scale_width_and_crop", (40, 60), (16, 16), (16, 16), (16, 18)),
    ("scale_width_and_crop", (80, 60), (16, 16), (16, 16), (24, 18)),
    ("pad", (40, 60), (16, 16), (16, 16), (16, 16)),
    ("pad", (8, 12), (16, 16), (16, 16), (16, 16)),
    ("none", (40, 60), (40, 60), (40, 60), (40, 60)),
]


@pytest.mark.parametrize(("preprocess", "own", "train", "evaluate", "translate"), SIZES)
def test_sizes_by_every_way_of_preprocessing(tmp_path, preprocess, own, train, evaluate, translate):
    write(tmp_path, A=random_pixels((*own, 3)), B=random_pixels((*own, 3), seed=1))
    config = Config(image_size=16, data=Data(preprocess=preprocess, path=str(tmp_path)))
    pairs = pairs_of(tmp_path)
    fits = (fit_of_training(config), fit_of_evaluation(config), fit_of_translation(config))
    for fit, expected in zip(fits, (train, evaluate, translate), strict=True):
        assert pairs.read(0, fit)["input"].shape == (*expected, 3), fit
        assert fit.fixed == (expected == (16, 16) or expected == (18, 18))


def test_rectangles_are_height_and_width(tmp_path):
    write(tmp_path, A=A, B=B)
    config = Config(image_size=(16, 32), data=Data(path=str(tmp_path)))
    assert pairs_of(tmp_path).read(0, fit_of_training(config))["input"].shape == (18, 36, 3)
    assert pairs_of(tmp_path).read(0, fit_of_evaluation(config))["input"].shape == (16, 32, 3)


def test_a_crop_is_a_window_of_both_halves_at_the_same_place(tmp_path):
    write(tmp_path, A=A, B=255 - A)
    fit = Fit("crop", (16, 16), (16, 16))
    seen = set()
    for share in ((0, 0), (0.999, 0.999), (0.5, 0.5), (0.3, 0.7)):
        pair = pairs_of(tmp_path).read(0, fit, share)
        top, left = int(share[0] * 5), int(share[1] * 9)
        assert np.array_equal(pair["input"], A[top : top + 16, left : left + 16])
        assert np.array_equal(pair["target"], 255 - pair["input"])
        seen.add((top, left))
    assert {(0, 0), (4, 8), (2, 4)} <= seen


def test_a_picture_smaller_than_the_crop_is_refused(tmp_path):
    write(tmp_path, A=A, B=B)
    for whole in (False, True):
        with pytest.raises(ValueError, match="24 x 20 pixels, less than the crop of 32 x 32") as caught:
            pairs_of(tmp_path).read(0, Fit("crop", (32, 32), (32, 32), whole))
        assert str(tmp_path / "A" / "1.png") in str(caught.value)


def test_padding_mirrors_below_and_at_the_right_and_never_enlarges(tmp_path):
    write(tmp_path, A=A, B=B)
    padded = pairs_of(tmp_path).read(0, Fit("pad", (32, 48), (32, 48)))["input"]
    assert np.array_equal(padded[:20, :24], A)
    assert np.array_equal(padded[20:32, :24], A[::-1][:12])
    assert np.array_equal(padded[:20, 24:48], A[:, ::-1])


def test_a_replaced_pair_is_the_next_good_one_in_an_order_of_its_own(tmp_path):
    for name in range(6):
        write_picture(tmp_path / f"{name}.png", np.full((16, 32, 3), name, np.uint8))
    for name in (1, 4):
        (tmp_path / f"{name}.png").write_text("no picture")
    pairs = pairs_of(tmp_path)
    read = [[int(Replacing(pairs, seed, {}).read(i, OWN)["input"][0, 0, 0]) for i in range(6)] for seed in (0, 0, 1, 2, 3)]
    assert read[0] == read[1]
    assert [read[0][i] for i in (0, 2, 3, 5)] == [0, 2, 3, 5]
    assert all(values[i] in (0, 2, 3, 5) for values in read for i in (1, 4))
    assert len({tuple(values) for values in read}) > 1
    replacing = Replacing(pairs, 0, {})
    replacing.read(1, OWN)
    assert list(replacing.skipped) == [1]
    assert "1.png" in replacing.skipped[1]


CLASSES = Side(kind="labels", channels=(1,), classes=19)


def test_class_numbers_are_never_read_from_colours(tmp_path):
    ids = np.random.default_rng(0).integers(0, 19, (20, 24, 1)).astype(np.uint8)
    write(tmp_path / "grey", A=np.repeat(ids, 3, -1), B=B)
    assert np.array_equal(pairs_of(tmp_path / "grey", input=CLASSES).read(0, OWN)["input"], ids)
    write(tmp_path / "colours", A=ids * np.array([0, 0, 9], np.uint8), B=B)
    with pytest.raises(ValueError, match=r"has colours, .* give --data\.input\.palette"):
        pairs_of(tmp_path / "colours", input=CLASSES).read(0, OWN)


def test_one_half_of_a_palette_picture_may_be_numbers_and_the_other_colours(tmp_path):
    ids = np.random.default_rng(0).integers(0, 12, (20, 48)).astype(np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette(COLOURS.flatten().tolist())
    picture.save(tmp_path / "1.png")
    pair = pairs_of(tmp_path, input=CLASSES).read(0, OWN)
    assert np.array_equal(pair["input"][..., 0], ids[:, :24])
    assert np.array_equal(pair["target"], COLOURS[ids[:, 24:]])


def test_a_mask_may_have_16_bits_but_must_not_be_of_0_and_1(tmp_path):
    mask = random_pixels((20, 24, 1), seed=3)
    write(tmp_path / "deep", A=A, B=B, mask=mask.astype(np.uint16) * 257)
    assert np.array_equal(pairs_of(tmp_path / "deep").read(0, OWN)["weight"], mask)
    write(tmp_path / "dark", A=A, B=B, mask=mask // 128)
    with pytest.raises(ValueError, match="only 0 and 1"):
        pairs_of(tmp_path / "dark").read(0, OWN)


@pytest.mark.parametrize("preprocess", ["none", "scale_width"])
def test_pictures_too_small_for_the_figures_are_refused_before_training(tmp_path, preprocess):
    write(tmp_path, A=A[:9], B=B[:9])
    with pytest.raises(ValueError, match="training needs 16 a side"):
        pairs_of(tmp_path).read(0, Fit(preprocess, (24, 24), (24, 24)))

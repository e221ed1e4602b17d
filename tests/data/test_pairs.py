"""Reading pairs: directions, both kinds of layout, stacked inputs, masks, and the replacement of unreadable pairs."""

import numpy as np
import pytest
from helpers.pairs import OWN, pairs_of, random_pixels, resized, write_sides
from PIL import Image

from p2p_jax.config import Side
from p2p_jax.data import sides
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.fit import Fit
from p2p_jax.data.pairs import Replacing
from p2p_jax.data.pictures import write_picture
from p2p_jax.errors import UserError

A, B = random_pixels((20, 24, 3)), random_pixels((20, 24, 3), seed=1)


def test_the_direction_chooses_the_input(tmp_path):
    write_sides(tmp_path, A=A, B=B)
    forward = pairs_of(tmp_path, direction="AtoB").read(0, OWN)
    back = pairs_of(tmp_path, direction="BtoA").read(0, OWN)
    assert np.array_equal(forward["input"], A)
    assert np.array_equal(forward["target"], B)
    assert np.array_equal(back["input"], B)
    assert np.array_equal(back["target"], A)


@pytest.mark.parametrize("fit", [OWN, resized(20, 24), resized(16, 16), Fit("crop", (16, 16), (16, 16))])
def test_both_kinds_of_layout_hold_the_same_pairs(tmp_path, fit):
    write_sides(tmp_path / "two", A=A, B=B)
    write_picture(tmp_path / "one" / "1.png", np.concatenate([A, B], 1))
    one, two = (pairs_of(tmp_path / name) for name in ("one", "two"))
    for name, pixels in one.read(0, fit).items():
        assert np.array_equal(pixels, two.read(0, fit)[name])
    assert one.name(0) == two.name(0) == "1"


def test_halves_of_different_sizes_are_refused_with_both_names(tmp_path):
    write_sides(tmp_path, A=A, B=B[1:])
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
def test_input_and_target_have_the_channels_of_their_options(tmp_path, kind, first, second, direction):
    red, blue = np.zeros((2, 16, 16, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    if kind == "one":
        write_picture(tmp_path / "1.png", np.concatenate([red, blue], 1))
    else:
        write_sides(tmp_path, A=red, B=blue)
    sides = {"input": Side(channels=(first,)), "target": Side(channels=(second,))}
    pair = pairs_of(tmp_path, direction=direction, **sides).read(0, OWN)
    assert (pair["input"].shape[-1], pair["target"].shape[-1]) == (first, second)
    red_is_input = direction == "AtoB"
    expected = {(1, True): 76, (1, False): 29, (3, True): 255, (3, False): 0}[first, red_is_input]
    assert pair["input"][0, 0, 0] == expected


def test_several_inputs_are_stacked_in_their_order(tmp_path):
    grey = random_pixels((20, 24, 1), seed=2)
    write_sides(tmp_path, A1=A, A2=grey, B=B)
    pair = pairs_of(tmp_path, input=Side(channels=(3, 1))).read(0, OWN)
    assert np.array_equal(pair["input"], np.concatenate([A, grey], -1))
    with pytest.raises(ValueError, match=r"one of 2 pictures .* such as --data\.input\.channels 3 3"):
        pairs_of(tmp_path).read(0, OWN)


def test_side_by_side_pictures_have_one_picture_on_each_side(tmp_path):
    write_picture(tmp_path / "1.png", np.concatenate([A, B], 1))
    with pytest.raises(ValueError, match=r"one picture on each side, but --data\.input\.channels names 2"):
        pairs_of(tmp_path, input=Side(channels=(3, 1))).read(0, OWN)


def test_a_mask_is_read_as_weights(tmp_path):
    mask = random_pixels((20, 24, 1), seed=3)
    write_sides(tmp_path, A=A, B=B, mask=mask)
    pair = pairs_of(tmp_path).read(0, OWN)
    assert np.array_equal(pair["weight"], mask)
    assert pairs_of(tmp_path).read(0, resized(10, 12))["weight"].shape == (10, 12, 1)


def test_an_unreadable_pair_is_replaced_by_the_next_readable_one_in_a_random_order(tmp_path):
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


def test_one_half_of_a_palette_picture_may_be_numbers_and_the_other_colours(tmp_path):
    ids = np.random.default_rng(0).integers(0, 12, (20, 48)).astype(np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette(COLOURS.flatten().tolist())
    picture.save(tmp_path / "1.png")
    pair = pairs_of(tmp_path, input=Side(kind="labels", channels=(1,), classes=19)).read(0, OWN)
    assert np.array_equal(pair["input"][..., 0], ids[:, :24])
    assert np.array_equal(pair["target"], COLOURS[ids[:, 24:]])


def test_a_mistake_of_the_program_is_no_unreadable_pair(tmp_path, monkeypatch):
    write_sides(tmp_path, A=A, B=B)
    monkeypatch.setattr(sides, "resize", lambda *_: int("x"))
    with pytest.raises(ValueError, match="invalid literal") as caught:
        Replacing(pairs_of(tmp_path), 0, {}).read(0, resized(10, 12))
    assert not isinstance(caught.value, UserError)

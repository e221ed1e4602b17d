"""The problems of a set, each named with its files."""

import shutil

import numpy as np
import pytest
from helpers.checked_sets import TRAIN, check, kinds, options_of

from p2p_jax.data.doctor.train_line import train_line
from p2p_jax.data.pictures import write_picture


@pytest.mark.parametrize("damage", [b"", b"this is text", None])
def test_every_unreadable_file_is_one_line(good, damage):
    for number in (3, 5):
        file = good / "trainB" / f"{number}.png"
        file.write_bytes(file.read_bytes()[:900] if damage is None else damage)
    findings = check(good)
    found = kinds(findings)
    assert list(found) == ["unreadable"]
    assert [str(good / "trainB" / f"{n}.png") in line for n, line in zip((3, 5), found["unreadable"], strict=True)] == [
        True
    ] * 2
    assert all("\n" not in line for line in found["unreadable"])
    assert options_of(good, findings)["--data.on-error"] == ["skip"]


def test_a_missing_half_is_named(good):
    (good / "trainB" / "4.png").unlink()
    found = kinds(check(good))
    assert list(found) == ["alone"]
    assert str(good / "trainA" / "4.png") in found["alone"][0]


def test_halves_without_any_match_are_problems(tmp_path, drawn):
    write_picture(tmp_path / "A" / "x.png", drawn[0][0])
    write_picture(tmp_path / "B" / "y.png", drawn[0][1])
    found = kinds(check(tmp_path))
    assert set(found) == {"alone", "no_training_pairs"}
    assert len(found["alone"]) == 2


def test_halves_of_different_sizes_are_named(good, drawn):
    write_picture(good / "trainB" / "4.png", drawn[4][1][:, :60])
    found = kinds(check(good))
    assert list(found) == ["sizes_differ"]
    assert "A/4.png has 64 x 64" in found["sizes_differ"][0]
    assert "B/4.png has 60 x 64" in found["sizes_differ"][0]


def test_side_by_side_pictures_of_an_odd_width_are_named(tmp_path, drawn):
    for i in range(5):
        write_picture(tmp_path / f"{i}.png", np.concatenate(drawn[i], axis=1)[:, : 127 if i == 2 else 128])
    findings = check(tmp_path)
    assert kinds(findings) == {
        "odd_width": [f"{tmp_path}/2.png is 127 pixels wide, so its two halves would differ in size"]
    }
    assert findings.summaries["train"]["A"].sizes == [((64, 64), 4)]
    assert findings.summaries["train"]["A"].labels == "labels"


def test_too_small_pictures_are_named(tmp_path, drawn):
    for i in range(3):
        write_picture(tmp_path / f"{i}.png", np.concatenate(drawn[i], axis=1) if i else drawn[i][0][:10, :12])
    assert list(kinds(check(tmp_path))) == ["too_small"]  # 12 x 10 can be read, but its halves have 6 x 10


def test_a_set_without_training_pairs_is_a_problem(good):
    shutil.rmtree(good / "trainA")
    shutil.rmtree(good / "trainB")
    assert list(kinds(check(good))) == ["no_training_pairs"]


def test_a_set_of_unreadable_files_has_no_training_pairs(tmp_path):
    for letter in "AB":
        (tmp_path / letter).mkdir()
        (tmp_path / letter / "1.png").write_bytes(b"")
    findings = check(tmp_path)
    assert set(kinds(findings)) == {"unreadable", "no_training_pairs"}
    assert train_line(tmp_path, findings)


def test_channels_that_no_option_accepts_together_are_named(good, drawn):
    write_picture(good / "trainB" / "4.tiff", np.concatenate([drawn[4][1]] * 2, axis=-1))
    (good / "trainB" / "4.png").unlink()
    findings = check(good)
    assert kinds(findings) == {"channels_differ": [f"{good}/trainB/4.tiff (6)"]}
    assert options_of(good, findings)["--data.on-error"] == ["skip"]


def test_grey_pictures_among_colours_are_no_problem(good, drawn):
    write_picture(good / "trainB" / "4.png", drawn[4][1][..., :1])
    findings = check(good)
    assert kinds(findings) == {}
    assert "--data.target.channels" not in options_of(good, findings)


def test_floating_point_numbers_among_integers_are_named(good, drawn):
    write_picture(good / "trainB" / "4.tiff", drawn[4][1].astype(np.float32) / 255)
    (good / "trainB" / "4.png").unlink()
    findings = check(good)
    assert kinds(findings) == {"depths_differ": [f"{good}/trainB/4.tiff (floating-point)"]}
    assert "--data.target.depth" not in options_of(good, findings)


def test_masks_are_checked(good, drawn):
    for i in range(TRAIN):
        write_picture(good / "trainmask" / f"{i}.png", (drawn[i][1][..., :1] > 99).astype(np.uint8))
    shutil.rmtree(good / "testA")
    assert list(kinds(check(good))) == ["mask_values"]
    write_picture(good / "trainmask" / "3.png", drawn[3][1][..., :1].astype(np.uint16))
    found = kinds(check(good))
    assert found["mask"] == [str(good / "trainmask" / "3.png")]
    write_picture(good / "trainmask" / "3.png", drawn[3][1][..., :1])
    assert kinds(check(good)) == {}

"""The problems of a set, each named with its files."""

import shutil

import numpy as np
import pytest
from helpers.cases import tiers
from helpers.checked_sets import TRAIN, check, kinds, options_of

from p2p_jax.config import Config
from p2p_jax.data.doctor.train_line import train_line
from p2p_jax.data.fit import fit_of_training
from p2p_jax.data.layout import find_pairs
from p2p_jax.data.pairs import RecordedPairs
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.records import FileRecords
from p2p_jax.errors import UserError


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


def mask_of(pixels, kind):
    """A mask of some kind that shows where a photo is bright."""
    bright = pixels[..., :1] > 99
    return {
        "255": np.where(bright, 255, 0).astype(np.uint8),
        "photo": pixels,
        "16 bits": np.where(bright, 65535, 0).astype(np.uint16),
        "12 bits": np.where(bright, 4095, 0).astype(np.uint16),
        "0 and 1": bright.astype(np.uint8),
        "0 and 1 in 16 bits": bright.astype(np.uint16),
        "8 of 16 bits": np.where(bright, 255, 0).astype(np.uint16),
        "real": bright.astype(np.float32),
        "five channels": np.repeat(np.where(bright, 255, 0), 5, -1).astype(np.uint8),
    }[kind]


@pytest.mark.parametrize("kind", tiers(["255", "photo", "16 bits", "12 bits"], slow=3))
def test_masks_that_training_reads_are_no_problem(good, drawn, kind):
    for i in range(TRAIN):
        made = mask_of(drawn[i][1], kind)
        write_picture(good / "trainmask" / f"{i}.png", made)
    shutil.rmtree(good / "testA")
    findings = check(good)
    assert kinds(findings) == {}
    options_of(good, findings)  # reads every pair


@pytest.mark.parametrize("kind", tiers(["0 and 1", "0 and 1 in 16 bits", "8 of 16 bits", "real", "five channels"], slow=4))
def test_masks_that_training_refuses_are_problems_in_the_same_words(good, drawn, kind):
    for i in range(TRAIN):
        write_picture(good / "trainmask" / f"{i}.png", mask_of(drawn[i][1], "255"))
    shutil.rmtree(good / "testA")
    path = good / "trainmask" / f"3.{'tiff' if kind in ('real', 'five channels') else 'png'}"
    (good / "trainmask" / "3.png").unlink()
    write_picture(path, mask_of(drawn[3][1], kind))
    found = kinds(check(good))
    assert list(found) == ["mask"]
    pairs = RecordedPairs(FileRecords(find_pairs(good)["train"]), Config().data)
    with pytest.raises(UserError) as caught:
        pairs.read(3, fit_of_training(Config()))
    assert found["mask"] == [str(caught.value).rstrip(".")]

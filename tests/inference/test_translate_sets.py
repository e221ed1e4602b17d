"""Translating a folder that is laid out as for training: only the inputs, and of side-by-side pictures only their half."""

import numpy as np
import pytest
from helpers.layouts import labels, write
from helpers.runs import finished_run

import p2p_jax
from p2p_jax.cli import main
from p2p_jax.data.pictures import decode, of_file
from p2p_jax.inference.translate_files import find_pictures

LAYOUTS = {
    "side by side": ("pair:{}.png",),
    "folders": ("labels:train/A/{}.png", "photo:train/B/{}.png"),
    "suffixes": ("labels:{}_A.png", "photo:{}_B.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_inputs_are_translated_and_it_is_said(tmp_path, capsys, layout):
    root = write(tmp_path / "set", *LAYOUTS[layout], count=3)
    assert main(["translate", str(finished_run()), str(root), "-o", str(tmp_path / "out")]) == 0
    assert "its 3 inputs are translated, and its targets are not" in capsys.readouterr().out
    written = sorted((tmp_path / "out").rglob("*.png"))
    assert len(written) == 3
    assert {decode(of_file(path)).pixels.shape for path in written} == {(64, 64, 3)}


def test_the_half_of_a_pair_is_translated_like_the_picture_itself(tmp_path):
    pairs = write(tmp_path / "pairs", "pair:{}.png", count=3)
    singles = write(tmp_path / "singles", "labels:{}.png", count=3)
    for name, root in (("a", pairs), ("b", singles)):
        p2p_jax.translate(finished_run(), root, tmp_path / name)
    for index in range(3):
        one, other = (decode(of_file(tmp_path / name / f"{index}.png")).pixels for name in "ab")
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_as_is_takes_all_pictures(tmp_path, layout):
    root = write(tmp_path, *LAYOUTS[layout], count=3)
    found = find_pictures([root], as_is=True)
    assert len(found.inputs) == 3 * len(LAYOUTS[layout])
    assert found.notes == []
    assert not any(one.is_pair for one in found.inputs)


def test_single_pictures_are_translated_as_they_are(tmp_path):
    found = find_pictures([write(tmp_path, "labels:{}.png", "photo:x/{}.png")])
    assert len(found.inputs) == 8
    assert found.notes == []
    assert labels(0).shape == decode(of_file(found.inputs[0].files[0])).pixels.shape


def test_what_is_not_translated_is_named(tmp_path):
    write(tmp_path, "labels:{}.png")
    (tmp_path / "a.heic").write_bytes(b"x")
    (note,) = find_pictures([tmp_path]).notes
    assert "1 .heic file (convert them to PNG or JPEG)" in note

"""The search for pairs in folders as people have them: every layout is found, or refused with the option that decides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.layouts import pair, write

from p2p_jax.data.layout import find_pairs, search
from p2p_jax.data.pictures import write_picture
from p2p_jax.errors import UserError


def splits_of(path: Path, **options: Any) -> dict[str, list[dict[str, str]]]:
    """{split: [{side: path below the folder}]}."""
    found = search(path, **options)
    relative = lambda files: {side: file.relative_to(path).as_posix() for side, file in files.items()}
    return {split: [relative(files) for _, files in pairs] for split, pairs in found.splits.items()}


CLEAR = {
    "pix2pixHD": (("labels:train_label/{}.png", "photo:train_img/{}.png"), "train_label/0.png", "train_img/0.png"),
    "train_A": (("labels:train_A/{}.png", "photo:train_B/{}.png"), "train_A/0.png", "train_B/0.png"),
    "any case": (("labels:TrainA/{}.png", "photo:trainb/{}.png"), "TrainA/0.png", "trainb/0.png"),
    "other words": (("labels:train_draft/{}.png", "photo:train_final/{}.png"), "train_draft/0.png", "train_final/0.png"),
    "nnU-Net": (("labels:labelsTr/{}.png", "photo:imagesTr/{}.png"), "labelsTr/0.png", "imagesTr/0.png"),
    "suffixes": (("labels:{}_input.png", "photo:{}_target.png"), "0_input.png", "0_target.png"),
    "any two words": (("labels:{}-before.png", "photo:{}-zebra.png"), "0-before.png", "0-zebra.png"),
    "a word on one side": (("photo:{}.png", "labels:{}_seg.png"), "0_seg.png", "0.png"),
    "two types": (("labels:{}.png", "photo:{}.jpg"), "0.png", "0.jpg"),
    "prefixes": (("labels:input_{}.png", "photo:target_{}.png"), "input_0.png", "target_0.png"),
    "long words": (
        ("labels:x{}_gtFine_labelIds.png", "photo:x{}_leftImg8bit.png"), "x0_gtFine_labelIds.png", "x0_leftImg8bit.png",
    ),
    "scenes": (("labels:scene{}/input.png", "photo:scene{}/target.png"), "scene0/input.png", "scene0/target.png"),
    "scenes of files": (("labels:s/A/{}.png", "photo:s/B/{}.png"), "s/A/0.png", "s/B/0.png"),
    "two folders": (("labels:labels/{}.png", "photo:photos/{}.png"), "labels/0.png", "photos/0.png"),
    "two folders of unknown words": (("labels:one/{}.png", "photo:two/{}.png"), "one/0.png", "two/0.png"),
    "an outer folder": (("labels:set/data/A/{}.png", "photo:set/data/B/{}.png"), "set/data/A/0.png", "set/data/B/0.png"),
    "training": (("labels:training/A/{}.png", "photo:training/B/{}.png"), "training/A/0.png", "training/B/0.png"),
}  # fmt: skip


@pytest.mark.parametrize("layout", CLEAR)
def test_a_clear_layout_is_found(tmp_path, layout):
    names, a, b = CLEAR[layout]
    found = splits_of(write(tmp_path, *names))
    assert list(found) == ["train"]
    assert len(found["train"]) == 4
    assert found["train"][0] == {"A": a, "B": b}


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("Train", "Test", "test"),
        ("training", "testing", "test"),
        ("train", "dev", "val"),
        ("TRAIN", "eval", "val"),
        ("train", "Valid", "val"),
    ],
)
def test_splits_are_found_in_any_case_and_by_other_words(tmp_path, train, other, split):
    write(tmp_path, f"pair:set/{train}/{{}}.png", f"pair:set/{other}/x{{}}.png")
    found = splits_of(tmp_path)
    assert {name: len(pairs) for name, pairs in found.items()} == {"train": 4, split: 4}
    assert found[split][0] == {"pair": f"set/{other}/x0.png"}


def test_two_folders_for_one_split_are_refused(tmp_path):
    write(tmp_path, "pair:train/{}.png", "pair:val/{}.png", "pair:valid/{}.png")
    with pytest.raises(UserError, match="both name the val pairs"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("direction", ["across", "tall"])
def test_pairs_are_known_by_their_seam(tmp_path, direction):
    """Also pairs whose names come in twos, and pairs that are as high as they are wide."""
    write(tmp_path, "pair:{}_left.png", "pair:{}_right.png")
    if direction == "tall":
        for path in tmp_path.iterdir():
            path.unlink()
        for index in range(4):
            write_picture(tmp_path / f"{index}.png", np.concatenate([pair(index), pair(index + 4)]))
    found = splits_of(tmp_path)["train"]
    assert len(found) == (8 if direction == "across" else 4)
    assert all(set(files) == {"pair"} for files in found)


@pytest.mark.parametrize("kind", ["photo", "labels"])
def test_single_pictures_are_not_taken_for_pairs(tmp_path, kind):
    write(tmp_path, kind + ":{}.png", count=8)
    with pytest.raises(UserError, match=r"continue across their middle: .*--data.layout side_by_side if"):
        find_pairs(tmp_path)
    assert len(find_pairs(tmp_path, layout="side_by_side")["train"]) == 8


@pytest.mark.parametrize("under", ["", "train/"])
def test_three_folders_of_pictures_of_the_same_names_are_named(tmp_path, under):
    root = write(tmp_path, *(f"labels:{under}{word}/{{}}.png" for word in ("one", "three", "two")))
    with pytest.raises(UserError, match=r"the folders one, three, two in .* hold pictures of the same names.*: rename two"):
        search(root)


@pytest.mark.parametrize(("pairs", "singles"), [(8, 8), (12, 4), (4, 12)])
def test_a_folder_that_mixes_pairs_with_single_pictures_is_refused(tmp_path, pairs, singles):
    write(tmp_path, "pair:{}.png", count=pairs)
    write(tmp_path, "photo:single_{}.png", count=singles)
    with pytest.raises(UserError, match=r"are mixed: .*--data.layout side_by_side if all are pairs"):
        find_pairs(tmp_path)
    assert len(find_pairs(tmp_path, layout="side_by_side")["train"]) == pairs + singles


def test_the_inputs_of_a_test_without_targets_are_no_pairs(tmp_path):
    for name, extra in (("folders", "test/A/{}.png"), ("plain", "test/{}.png"), ("both", "testA/{}.png")):
        root = write(tmp_path / name, "labels:train/A/{}.png", "photo:train/B/{}.png", f"labels:{extra}")
        found = search(root)
        assert list(found.splits) == ["train"]
        assert [len(files) for files in found.alone.values()] == [4]
        assert "4 pictures of test have no targets" in found.notes(root)[0]
    root = write(tmp_path / "pairs", "pair:train/{}.png", "labels:test/{}.png")
    assert (list(search(root).splits), list(search(root).alone)) == (["train"], ["test"])
    root = write(
        tmp_path / "suffixes", "labels:train/{}_input.png", "photo:train/{}_target.png", "labels:test/{}_input.png"
    )
    assert (list(search(root).splits), list(search(root).alone)) == (["train"], ["test"])


def test_unclear_names_in_twos_end_with_the_options_that_decide(tmp_path):
    write(tmp_path, "photo:cat_{}.png", "labels:dog_{}.png")
    with pytest.raises(UserError, match=r"come in twos, such as .*--data.layout suffixes .* or side_by_side"):
        find_pairs(tmp_path)
    assert splits_of(tmp_path, layout="suffixes")["train"][0] == {"A": "cat_0.png", "B": "dog_0.png"}


@pytest.mark.parametrize("layout", ["folders", "suffixes", "list"])
def test_a_layout_that_does_not_fit_is_refused(tmp_path, layout):
    write(tmp_path, "pair:{}.png")
    with pytest.raises(UserError, match=f"--data.layout {layout}"):
        find_pairs(tmp_path, layout=layout)


def test_words_for_the_sides_are_told(tmp_path):
    assert search(write(tmp_path / "x", *CLEAR["pix2pixHD"][0])).notes(tmp_path) == ["A is label and B is img."]
    assert search(write(tmp_path / "y", *CLEAR["train_A"][0])).notes(tmp_path) == []


def test_nothing_is_passed_over_silently(tmp_path):
    root = write(tmp_path, "labels:train_label/{}.png", "photo:train_img/{}.png", "labels:train_inst/{}.png", "pair:{}.png")
    for name in ("a.heic", "b.HEIC", "c.gif", "scan.nii.gz", "scan.dcm", "notes.txt", ".DS_Store", "Thumbs.db", "README"):
        (root / name).write_bytes(b"x")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    write(root, "photo:.cache/{}.png")
    (note,) = search(root).notes(root)[1:]
    for part in (
        "2 .heic files (convert them to PNG or JPEG)", "1 .gif file (convert", "1 .nii.gz file (convert them to 16-bit",
        "1 .dcm file (convert", "1 .txt file", "1 file without an ending", "the broken link gone.png",
        "the hidden folder .cache", f"4 pictures in {root / 'train_inst'}", f"4 pictures in {root}",
    ):  # fmt: skip
        assert part in note
    assert "DS_Store" not in note
    assert "thumbs" not in note.lower()


def test_links_to_folders_are_followed_without_loops(tmp_path):
    elsewhere = write(tmp_path / "elsewhere", "labels:A/{}.png", "photo:B/{}.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "A").symlink_to(elsewhere / "A")
    (root / "B").symlink_to(elsewhere / "B")
    (elsewhere / "A" / "again").symlink_to(elsewhere / "A")
    assert len(find_pairs(root)["train"]) == 4


def test_pictures_named_jfif_are_read(tmp_path):
    write(tmp_path, "pair:{}.jpg")
    for path in tmp_path.iterdir():
        path.rename(path.with_suffix(".jfif"))
    assert len(find_pairs(tmp_path)["train"]) == 4

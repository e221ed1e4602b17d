"""The options that a set needs: every pair can be read with them."""

import numpy as np
import pytest
from helpers.checked_sets import TRAIN, check, kinds, make_set, options_of, to_ids, to_palette

from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.doctor.report import describe
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.procedural import facade


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda photo: photo.astype(np.uint16) * 257, {"depth": ["16"]}),
        (lambda photo: photo.astype(np.uint16) * 16, {"depth": ["16"], "range": ["0", "4095"]}),
        (lambda photo: photo.astype(np.float32) / 255, {"depth": ["float"]}),
        (lambda photo: photo.astype(np.float32) / 128 - 1, {"depth": ["float"], "range": ["-1", "1"]}),
        (lambda photo: photo.astype(np.float32), {"depth": ["float"], "range": ["0", "255"]}),
        (lambda photo: photo.astype(np.float32) / 20 - 3.14, {"depth": ["float"], "range": ["-3.2", "9.7"]}),
    ],
)
def test_depths_and_ranges_become_options(tmp_path, drawn, make, options):
    photos = [np.where(drawn[i][1] > 250, 255, drawn[i][1]).astype(np.uint8) // 1 for i in range(12)]
    photos = [np.clip(photo, 0, 255) for photo in photos]
    photos[0][0, 0] = 0
    photos[0][0, 1] = 255
    folder = make_set(tmp_path, lambda i: drawn[i][1], lambda i: make(photos[i]))
    findings = check(folder)
    found = options_of(folder, findings)
    found.pop("--image-size")
    assert found == {f"--data.target.{name}": values for name, values in options.items()}
    low, high = (float(word) for word in found.get("--data.target.range", ["-1e9", "1e9"]))
    assert low <= findings.summaries["train"]["B"].low <= findings.summaries["train"]["B"].high <= high


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda labels: labels, {"kind": ["labels"]}),
        (lambda labels: to_ids(labels)[..., None], {"kind": ["labels"], "classes": ["12"]}),
        (lambda labels: np.repeat(to_ids(labels)[..., None], 3, -1), {"kind": ["labels"], "classes": ["12"]}),
        (to_palette, {"kind": ["labels"], "classes": ["12"]}),
        (lambda labels: to_ids(labels)[..., None] * 20, {"kind": ["labels"], "channels": ["1"]}),
        (lambda labels: to_ids(labels)[..., None] * 5, {"kind": ["labels"], "channels": ["1"]}),
    ],
)
def test_label_maps_become_options(tmp_path, drawn, make, options):
    folder = make_set(tmp_path, lambda i: drawn[i][1], lambda i: make(drawn[i][0]), count=TRAIN)
    findings = check(folder)
    found = options_of(folder, findings)
    found.pop("--image-size")
    assert found == {f"--data.target.{name}": values for name, values in options.items()}
    assert kinds(findings) == {}


def test_indices_of_different_palettes_are_no_classes(tmp_path, drawn):
    folder = make_set(
        tmp_path, lambda i: drawn[i][1], lambda i: to_palette(drawn[i][0], COLOURS if i % 2 else COLOURS[::-1])
    )
    found = options_of(folder, check(folder))
    assert found["--data.target.kind"] == ["labels"]
    assert "--data.target.classes" not in found


def test_line_drawings_are_no_label_maps(tmp_path, drawn):
    def lines(i):
        rows = np.diff(to_ids(drawn[i][0]), axis=0, prepend=0) != 0
        return np.where(rows, 0, 255).astype(np.uint8)[..., None]

    folder = make_set(tmp_path, lines, lambda i: drawn[i][1])
    assert options_of(folder, check(folder)) == {"--data.input.channels": ["1"], "--image-size": ["64"]}


def test_alpha_is_kept_only_where_all_pictures_use_it(tmp_path, drawn):
    def with_alpha(i, lowest):
        alpha = np.full((64, 64, 1), 255, np.uint8)
        alpha[:30] = lowest
        return np.concatenate([drawn[i][1], alpha], axis=-1)

    def found(name, make):
        options = options_of(tmp_path / name, check(make_set(tmp_path / name, lambda i: drawn[i][1], make)))
        options.pop("--image-size")
        return options

    assert found("used", lambda i: with_alpha(i, 9)) == {"--data.target.channels": ["4"]}
    assert found("opaque", lambda i: with_alpha(i, 255)) == {}
    assert found("some", lambda i: with_alpha(i, 9) if i % 2 else drawn[i][1]) == {"--data.transparency": ["drop"]}
    assert found("grey", lambda i: with_alpha(i, 9) if i % 2 else drawn[i][1][..., :1]) == {"--data.transparency": ["drop"]}


def test_each_picture_of_a_side_has_its_number_of_channels(tmp_path, drawn):
    for i in range(12):
        write_picture(tmp_path / "A1" / f"{i}.png", drawn[i][1])
        write_picture(tmp_path / "A2" / f"{i}.png", drawn[i][1][..., :1])
        write_picture(tmp_path / "B" / f"{i}.png", 255 - drawn[i][1])
    assert options_of(tmp_path, check(tmp_path))["--data.input.channels"] == ["3", "1"]


def test_label_maps_saved_as_jpeg_are_trained_on_as_pictures(tmp_path):
    pairs = [facade(3, i, size=256) for i in range(6)]
    folder = make_set(tmp_path, lambda i: pairs[i][0], lambda i: pairs[i][1], count=6, suffix=".jpg")
    findings = check(folder)
    assert kinds(findings) == {}
    assert options_of(folder, findings) == {}
    words = describe(findings).plain
    assert "B looks like a label map saved as JPEG" in words
    assert "A looks like" not in words

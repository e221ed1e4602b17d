"""Which pictures are advised as label maps: noise of compression makes no classes, and 255 is often none."""

import numpy as np
import pytest
from helpers.cases import tiers
from helpers.checked_sets import TRAIN, check, kinds, make_set, options_of, to_ids
from PIL import Image

from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.doctor.report import describe
from p2p_jax.data.procedural import facade


def lines_of(index: int, size: int = 64) -> np.ndarray:
    """A drawing of the borders in a label map, black on white, (size, size) uint8."""
    ids = to_ids(facade(3, index, size=size)[1])
    return np.where(np.diff(ids.astype(int), axis=0, prepend=0) != 0, 0, 255).astype(np.uint8)


def noisy(index: int, form: str) -> np.ndarray:
    """A drawing whose black and white differ by the noise of compression, as 11 colours."""
    drawing, random = lines_of(index), np.random.default_rng(index)
    noise = random.integers(0, 6, drawing.shape) * (random.random(drawing.shape) < 0.02)
    made = np.where(drawing < 128, noise, 255 - noise).astype(np.uint8)
    made = np.where(made > 99, 255, made) if form == "pure white" else made
    return np.repeat(made[..., None], 3, -1) if form == "RGB" else made[..., None]


@pytest.mark.parametrize("form", ["grey", "RGB", "pure white"])
def test_drawings_with_noise_are_no_label_maps_in_png(tmp_path, drawn, form):
    folder = make_set(tmp_path, lambda i: noisy(i, form), lambda i: drawn[i][1])
    findings = check(folder)
    assert "--data.input.kind" not in options_of(folder, findings)
    assert "#010101" not in describe(findings).plain


@pytest.mark.parametrize("quality", tiers([75, 92, 95, 100], slow=3))
@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize("kind", ["lines", "thick", "RGB"])
def test_drawings_saved_with_loss_are_no_label_maps(tmp_path, drawn, quality, suffix, kind):
    def drawing(i):
        lines = lines_of(i)
        if kind == "thick":
            lines = np.minimum(lines, np.roll(lines, 1, axis=0))
        return Image.fromarray(lines).convert("RGB") if kind == "RGB" or suffix == ".webp" else Image.fromarray(lines)

    for i in range(12):
        for letter, made in (("A", drawing(i)), ("B", Image.fromarray(drawn[i][1]))):
            (tmp_path / letter).mkdir(exist_ok=True)
            made.save(tmp_path / letter / f"{i}{suffix}", quality=quality)
    findings = check(tmp_path)
    assert "--data.input.kind" not in options_of(tmp_path, findings)
    assert "--data.input.palette" not in describe(findings).plain


def with_void(index: int, kind: str):
    ids = to_ids(facade(3, index, size=64)[1])
    ids[:5] = 255
    if kind == "palette":
        picture = Image.fromarray(ids)
        picture.putpalette([*COLOURS.ravel().tolist(), *[9] * (3 * 243), 255, 255, 255])
        return picture
    return np.repeat(ids[..., None], 3, -1) if kind == "RGB" else ids[..., None]


@pytest.mark.parametrize("kind", tiers(["grey", "RGB", "palette"], slow=2))
def test_255_above_class_numbers_is_advised_as_ignored(tmp_path, drawn, kind):
    folder = make_set(tmp_path, lambda i: drawn[i][1], lambda i: with_void(i, kind), count=TRAIN)
    findings = check(folder)
    found = options_of(folder, findings)  # reads every pair with these options
    assert (found["--data.target.classes"], found["--data.target.ignore"]) == (["12"], ["255"])
    assert "255, which is taken for pixels of which nothing is known" in describe(findings).plain


def test_black_and_white_is_no_class_with_unknown_pixels(tmp_path, drawn):
    folder = make_set(tmp_path, lambda i: drawn[i][1], lambda i: lines_of(i)[..., None])
    assert not [option for option in options_of(folder, check(folder)) if "ignore" in option]


@pytest.mark.parametrize("orientation", tiers([6, 3, 8], slow=2))
@pytest.mark.parametrize("ending", ["jpg", "tiff", "png"])
def test_an_orientation_on_one_side_only_is_told(good, drawn, orientation, ending):
    (good / "trainB" / "4.png").unlink()
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(drawn[4][1]).save(good / "trainB" / f"4.{ending}", exif=exif)
    found = kinds(check(good))
    assert found["turned"] == [f"{good}/trainB/4.{ending} (EXIF orientation {orientation})"]


def test_an_orientation_on_both_sides_is_no_warning(good, drawn):
    exif = Image.Exif()
    exif[274] = 6
    for letter, pixels in zip("AB", drawn[4], strict=True):
        Image.fromarray(pixels).save(good / f"train{letter}" / "4.png", exif=exif)
    assert kinds(check(good)) == {}


def test_sizes_that_differ_by_an_orientation_say_so(tmp_path, drawn):
    folder = make_set(tmp_path, lambda i: drawn[i][0][:40], lambda i: drawn[i][1][:40], count=3)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(drawn[1][1][:40]).save(folder / "B" / "1.png", exif=exif)
    found = kinds(check(folder))
    assert "1.png has 40 x 64 (turned upright by EXIF)" in found["sizes_differ"][0]


def test_arrays_with_their_channels_first_are_told(tmp_path, drawn):
    for i in range(3):
        for letter, make in (("A", lambda i: drawn[i][0]), ("B", lambda i: np.repeat(drawn[i][1], 2, 1)[:64, :, :3])):
            (tmp_path / letter).mkdir(exist_ok=True)
            np.save(tmp_path / letter / f"{i}.npy", make(i).transpose(2, 0, 1))
    found = kinds(check(tmp_path))
    assert all("seems to be (channels, height, width)" in line for line in found["unreadable"])
    for i in range(3):
        np.save(tmp_path / "A" / f"{i}.npy", np.zeros((12, 80, 90), np.uint8))
        np.save(tmp_path / "B" / f"{i}.npy", np.zeros((12, 80, 90), np.uint8))
    assert len(kinds(check(tmp_path))["channels_first"]) == 6

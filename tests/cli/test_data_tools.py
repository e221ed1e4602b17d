"""The tools as commands: what they make of folders, and that they write nothing that they should not."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import DEFAULTS, draw, files_in, fill, pixels_of, square, tool
from PIL import Image

from p2p_jax.cli.data import HELP
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.layout import find_parts
from p2p_jax.data.pictures import Picture, write_picture
from p2p_jax.data.tools.arrays import draw_lines, find_edges, on_white


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", {"1.png": draw(1), "sub/2.png": draw(2), "sub/10.png": draw(10)})


# Combine and split.


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_combine_and_split_give_back_the_same_bits(tmp_path, channels, dtype):
    names = ("1.png", "sub/2.png")
    sides = {
        side: fill(tmp_path / side, {name: draw(i + 7 * k, (9, 11), channels, dtype) for i, name in enumerate(names)})
        for k, side in enumerate("AB")
    }
    tool("combine", sides["A"], sides["B"], "--output", tmp_path / "pairs")
    assert files_in(tmp_path / "pairs") == sorted(names)
    assert pixels_of(tmp_path / "pairs" / "1.png").shape == (9, 22, channels)
    tool("split", tmp_path / "pairs", "--output", tmp_path / "halves")
    for side, folder in sides.items():
        for name in names:
            found, expected = pixels_of(tmp_path / "halves" / side / name), pixels_of(folder / name)
            assert found.dtype == expected.dtype == dtype
            assert np.array_equal(found, expected)


def test_real_numbers_stay_as_they_are_in_tiff(tmp_path):
    a = fill(tmp_path / "A", {"1.tiff": draw(1, channels=5, dtype=np.float32)})
    b = fill(tmp_path / "B", {"1.npy": draw(2, channels=5, dtype=np.float32)})
    tool("combine", a, b, "-o", tmp_path / "pairs", "--format", "tiff")
    tool("split", tmp_path / "pairs", "-o", tmp_path / "halves", "--format", "npy")
    for side, seed in (("A", 1), ("B", 2)):
        found = pixels_of(tmp_path / "halves" / side / "1.npy")
        assert np.array_equal(found, draw(seed, channels=5, dtype=np.float32))
    with pytest.raises(ValueError, match=r"A/1\.tiff.*cannot be written as \.png"):
        tool("combine", a, b, "-o", tmp_path / "png")
    assert not files_in(tmp_path / "png")


def test_combine_wants_one_size_or_resizes_b(tmp_path):
    a = fill(tmp_path / "A", {"1.png": draw(1), "2.png": draw(1)})
    b = fill(tmp_path / "B", {"1.png": draw(1), "2.png": np.kron(draw(2), np.ones((2, 2, 1), np.uint8))})
    with pytest.raises(ValueError, match=r"A/2.png has 10 x 12 pixels but .*B/2.png has 20 x 24.*--resize-b.*1 of 2"):
        tool("combine", a, b, "-o", tmp_path / "pairs")
    tool("combine", a, b, "-o", tmp_path / "pairs", "--overwrite", "--resize-b", "--method", "nearest")
    assert np.array_equal(pixels_of(tmp_path / "pairs" / "2.png")[:, 10:], draw(2))


def test_combine_names_what_has_no_counterpart(tmp_path, capsys):
    a = fill(tmp_path / "A", {"1.png": draw(1), "2.png": draw(2)})
    b = fill(tmp_path / "B", {"1.jpg": draw(1)})
    with pytest.raises(ValueError, match=r"2\.png has no picture of the same name"):
        tool("combine", a, b, "-o", tmp_path / "pairs")
    tool("combine", a, b, "-o", tmp_path / "pairs", "--on-error", "skip")
    assert files_in(tmp_path / "pairs") == ["1.png"]
    assert "1 left out" in (printed := capsys.readouterr().out)
    assert "2.png" in printed


def test_split_keeps_the_splits_so_that_training_finds_them(tmp_path):
    pairs = {f"{split}/{i}.png": draw(i, (10, 20)) for split in ("train", "validation", "test") for i in (1, 2)}
    tool("split", fill(tmp_path / "pairs", pairs), "-o", tmp_path / "halves")
    assert {path.split("/")[0] for path in files_in(tmp_path / "halves")} == {
        "trainA", "trainB", "valA", "valB", "testA", "testB",
    }  # fmt: skip
    found = find_parts(tmp_path / "halves")
    assert {split: [name for name, _ in items] for split, items in found.items()} == {
        "train": ["1", "2"], "val": ["1", "2"], "test": ["1", "2"],
    }  # fmt: skip
    assert np.array_equal(pixels_of(found["val"][1][1]["B"]), draw(2, (10, 20))[:, 10:])


def test_split_draws_splits_from_the_seed(tmp_path):
    pairs = fill(tmp_path / "pairs", {f"{i}.png": draw(i, (8, 16)) for i in range(10)})
    found = {}
    for name, seed in (("x", 1), ("y", 1), ("z", 2)):
        tool("split", pairs, "-o", tmp_path / name, "--val-fraction", 0.2, "--test-fraction", 0.3, "--seed", seed)
        found[name] = {split: [n for n, _ in items] for split, items in find_parts(tmp_path / name).items()}
    assert {split: len(names) for split, names in found["x"].items()} == {"train": 5, "val": 2, "test": 3}
    assert sorted(name for names in found["x"].values() for name in names) == sorted(map(str, range(10)))
    assert found["x"] == found["y"] != found["z"]


def test_split_refuses_what_it_cannot_cut(tmp_path):
    odd = fill(tmp_path / "odd", {"1.png": draw(1, (8, 17))})
    with pytest.raises(ValueError, match=r"1\.png: it is 17 pixels wide"):
        tool("split", odd, "-o", tmp_path / "out")
    mixed = fill(tmp_path / "mixed", {"1.png": draw(1, (8, 16)), "train/1.png": draw(1, (8, 16))})
    with pytest.raises(ValueError, match=r"folders for splits, such as train, and pictures outside"):
        tool("split", mixed, "-o", tmp_path / "out")
    (mixed / "1.png").unlink()
    with pytest.raises(ValueError, match="fractions were given"):
        tool("split", mixed, "-o", tmp_path / "out", "--val-fraction", 0.5)
    with pytest.raises(ValueError, match=r"--test-fraction was given 0\.6|--val-fraction was given 0\.6"):
        tool("split", mixed, "-o", tmp_path / "out", "--val-fraction", 0.6, "--test-fraction", 0.6)
    assert not files_in(tmp_path / "out")


# Resize.


def test_resize_to_a_size(tmp_path, photos):
    tool("resize", photos, "-o", tmp_path / "out", "--size", 24, 30, "--method", "nearest")
    assert files_in(tmp_path / "out") == files_in(photos)
    expected = draw(10).repeat(2, 0).repeat(3, 1)
    assert np.array_equal(pixels_of(tmp_path / "out" / "sub" / "10.png"), expected)


def test_resize_with_padding_keeps_the_ratio(tmp_path, photos):
    tool("resize", photos, "-o", tmp_path / "out", "--size", 12, 15, "--pad", "--fill", 9)
    found = pixels_of(tmp_path / "out" / "1.png")
    assert np.array_equal(found[:, 2:12], draw(1))
    assert (found[:, :2] == 9).all()
    assert (found[:, 12:] == 9).all()
    tool("resize", photos, "-o", tmp_path / "mirrored", "--size", 17, 10, "--pad", "--fill", "mirror")
    found = pixels_of(tmp_path / "mirrored" / "1.png")
    assert np.array_equal(found[2:14], draw(1))
    assert np.array_equal(found[:2], draw(1)[2:0:-1])
    assert np.array_equal(found[14:], draw(1)[-2:-5:-1])


# Edges.


def test_edges_and_photo_side_by_side(tmp_path):
    photos = fill(tmp_path / "photos", {"sub/1.png": square(), "deep.png": square().astype(np.uint16) * 257})
    tool("edges", photos, "-o", tmp_path / "lines")
    alone = pixels_of(tmp_path / "lines" / "sub" / "1.png")
    assert np.array_equal(alone, draw_lines(find_edges(square(), **DEFAULTS), 1))
    tool("edges", photos, "-o", tmp_path / "pairs", "--pairs", "--thickness", 2, "--invert")
    pair = pixels_of(tmp_path / "pairs" / "sub" / "1.png")
    assert np.array_equal(pair[:, 40:], square())
    thick = draw_lines(find_edges(square(), **DEFAULTS), 2, invert=True)
    assert np.array_equal(pair[:, :40], thick.repeat(3, -1))
    deep = pixels_of(tmp_path / "pairs" / "deep.png")
    assert deep.dtype == np.uint16
    assert np.array_equal(deep, pair.astype(np.uint16) * 257)


def test_what_transparency_hides_has_no_edges(tmp_path):
    clear = np.concatenate([square(), np.zeros((40, 40, 1), np.uint8)], axis=-1)
    assert (on_white(Picture(clear, True)) == 255).all()
    assert on_white(Picture(np.full((8, 8, 4), 51, np.uint8), True))[0, 0].tolist() == [214] * 3  # 255 - 204 / 5
    assert on_white(Picture(np.array([[[0, 0, 0, 1]]], np.uint16), True)).max() == 65534
    assert on_white(Picture(np.array([[[9, 200, 0, 77]]], np.uint8), True)).tolist() == [[[181, 238, 178]]]
    tool("edges", fill(tmp_path / "clear", {"1.png": clear}), "-o", tmp_path / "lines")
    assert (pixels_of(tmp_path / "lines" / "1.png") == 255).all()


# Blank.


@pytest.mark.parametrize("shape", ["random-rectangle", "strokes"])
def test_the_mask_is_the_hole(tmp_path, shape, photos):
    write_picture(photos / "clear.png", draw(7, channels=4))
    write_picture(photos / "deep.png", draw(8, dtype=np.uint16))
    tool("blank", photos, "-o", tmp_path / "out", "--shape", shape, "--fill", 3)
    (split,) = find_parts(tmp_path / "out").values()
    assert [name for name, _ in split] == ["1", "clear", "deep", "sub/2", "sub/10"]
    for name, parts in split:
        a, b, mask = (pixels_of(parts[part]) for part in ("A", "B", "mask"))
        assert mask.shape == (12, 10, 1)
        assert mask.dtype == np.uint8
        hole = mask[..., 0] == 255
        assert (hole | (mask[..., 0] == 0)).all()
        assert 0.15 < hole.mean() < 0.4
        assert np.array_equal(b, pixels_of(photos / f"{name}.png"))
        assert np.array_equal(a[~hole], b[~hole])
        assert (a[hole][:, :3] == (3 * 257 if a.dtype == np.uint16 else 3)).all()
        if name == "clear":
            assert np.array_equal(a[..., 3], b[..., 3])


def test_a_hole_follows_from_the_name_and_the_seed(tmp_path, photos):
    def masks(folder: Path, output: str, *options: object) -> dict[str, bytes]:
        tool("blank", folder, "-o", tmp_path / output, "--shape", "random-rectangle", *options)
        return {name: (tmp_path / output / "mask" / name).read_bytes() for name in files_in(tmp_path / output / "mask")}

    first = masks(photos, "x", "--workers", 3)
    assert len(set(first.values())) == 3
    fewer = fill(tmp_path / "fewer", {"sub/10.png": draw(99)})
    assert masks(fewer, "y", "--workers", 1) == {"sub/10.png": first["sub/10.png"]}
    assert masks(photos, "z", "--seed", 1) != first


# Grayscale.


def test_grayscale_makes_pairs_for_colorization(tmp_path, photos, capsys):
    write_picture(photos / "grey.png", draw(3, channels=1))
    tool("grayscale", photos, "-o", tmp_path / "out")
    assert "1 of 4 pictures had no colours" in capsys.readouterr().out
    grey = np.asarray(Image.fromarray(draw(2)).convert("L"))[..., None]
    assert np.array_equal(pixels_of(tmp_path / "out" / "A" / "sub" / "2.png"), grey)
    assert np.array_equal(pixels_of(tmp_path / "out" / "B" / "sub" / "2.png"), draw(2))
    assert np.array_equal(pixels_of(tmp_path / "out" / "B" / "grey.png"), draw(3, channels=1).repeat(3, -1))
    tool("grayscale", photos, "-o", tmp_path / "pairs", "--pairs")
    assert np.array_equal(pixels_of(tmp_path / "pairs" / "sub" / "2.png"), np.hstack([grey.repeat(3, -1), draw(2)]))


def test_grayscale_keeps_depth_and_alpha_and_refuses_other_channels(tmp_path):
    deep = draw(1, channels=4, dtype=np.uint16)
    tool("grayscale", fill(tmp_path / "deep", {"1.png": deep}), "-o", tmp_path / "out")
    grey = pixels_of(tmp_path / "out" / "A" / "1.png")
    assert grey.shape == (12, 10, 2)
    assert np.array_equal(grey[..., 1], deep[..., 3])
    assert np.allclose(grey[..., 0], deep[..., :3] @ [0.299, 0.587, 0.114], atol=0.6)
    with pytest.raises(ValueError, match=r"1\.npy: it has 5 channels"):
        tool("grayscale", fill(tmp_path / "five", {"1.npy": draw(1, channels=5)}), "-o", tmp_path / "no")


# Labels.


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    return fill(tmp_path / "ids", {"1.png": (np.arange(120) % 12).astype(np.uint8).reshape(12, 10, 1)})


def test_labels_to_colours_and_back(tmp_path, ids, capsys):
    numbers = pixels_of(ids / "1.png")
    tool("labels", ids, "-o", tmp_path / "colours", "--palette", "cmp")
    assert np.array_equal(pixels_of(tmp_path / "colours" / "1.png"), COLOURS[numbers[..., 0]])
    tool("labels", tmp_path / "colours", "-o", tmp_path / "back", "--palette", "cmp", "--to-ids", "--tolerance", 0)
    assert np.array_equal(pixels_of(tmp_path / "back" / "1.png"), numbers)
    assert "All pixels had a colour" in capsys.readouterr().out


@pytest.mark.parametrize("to_ids", [False, True])
def test_palette_pngs_hold_numbers_and_colours(tmp_path, ids, to_ids):
    numbers = pixels_of(ids / "1.png")
    source = fill(tmp_path / "colours", {"1.png": COLOURS[numbers[..., 0]]}) if to_ids else ids
    flags = ["--to-ids"] if to_ids else []
    tool("labels", source, "-o", tmp_path / "both", "--palette", "cmp", "--as-palette-png", *flags)
    assert np.array_equal(pixels_of(tmp_path / "both" / "1.png"), COLOURS[numbers[..., 0]])
    assert np.array_equal(pixels_of(tmp_path / "both" / "1.png", indices=True), numbers)
    tool(
        "labels",
        tmp_path / "both",
        "-o",
        tmp_path / "colours2",
        "--palette",
        "#010203",
        *[f"#{i:02x}0000" for i in range(11)],
    )
    first = numbers[..., 0] == 0
    assert (pixels_of(tmp_path / "colours2" / "1.png")[first] == (1, 2, 3)).all()


def test_blurred_colours_go_to_the_nearest_or_are_refused(tmp_path, capsys):
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[:, 5:] = 255
    pixels[2, 3] = (0, 6, 8)
    colours = fill(tmp_path / "colours", {"1.png": pixels})
    palette = ["--palette", "#000000", "#ffffff"]
    with pytest.raises(ValueError, match=r"1\.png: the pixel in row 2, column 3 is #000608, which is 10\.0 from .*#000000"):
        tool("labels", colours, "-o", tmp_path / "out", "--to-ids", "--tolerance", 9.5, *palette)
    assert not files_in(tmp_path / "out")
    tool("labels", colours, "-o", tmp_path / "out", "--to-ids", "--tolerance", 10, *palette)
    assert "1.00 % of the pixels had no colour" in (printed := capsys.readouterr().out)
    assert "by 10.0, is in" in printed
    write_picture(colours / "2.png", np.zeros((10, 10, 3), np.uint8))
    tool("labels", colours, "-o", tmp_path / "out", "--to-ids", *palette, "--overwrite")
    assert "0.50 % of the pixels" in (printed := capsys.readouterr().out)
    assert f"by 10.0, is in {colours / '1.png'}" in printed
    assert np.array_equal(pixels_of(tmp_path / "out" / "1.png")[..., 0], pixels[..., 0] // 255)


def test_class_numbers_may_be_of_any_kind_but_must_be_classes(tmp_path):
    numbers = np.arange(64).reshape(8, 8) % 2
    (tmp_path / "maps").mkdir()
    for dtype in (np.int64, np.uint16, np.float64, np.bool_):
        np.save(tmp_path / "maps" / f"{np.dtype(dtype)}.npy", numbers.astype(dtype))
    tool("labels", tmp_path / "maps", "-o", tmp_path / "out", "--palette", "#000000", "#0000ff")
    for path in (tmp_path / "out").iterdir():
        assert np.array_equal(pixels_of(path)[..., 2], numbers * 255)
    for wrong in (-1, 0.5, 2):
        np.save(tmp_path / "maps" / "bool.npy", np.where(np.arange(64).reshape(8, 8) == 10, wrong, numbers))
        with pytest.raises(ValueError, match=f"row 1, column 2 is {wrong}, .*1 of 4"):
            tool("labels", tmp_path / "maps", "-o", tmp_path / "out", "--palette", "#000000", "#0000ff", "--overwrite")


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (draw(1), [], "3 channels, and class numbers have one: for colours give --to-ids"),
        (np.full((8, 8, 1), 2, np.uint8), [], r"row 0, column 0 is 2, but the palette has 2 colours, .* from 0 to 1"),
        (np.full((8, 8, 4), 9, np.uint8), ["--to-ids"], "in part transparent"),
        (draw(1, dtype=np.uint16), ["--to-ids"], "3 channels of uint16"),
        (np.zeros((8, 8, 1), np.uint8), ["--tolerance", 3], "goes with --to-ids"),
        (np.zeros((8, 8, 1), np.uint8), ["--format", "jpg"], "does not keep label maps"),
        (np.zeros((8, 8, 1), np.uint8), ["--format", "tiff", "--as-palette-png"], "leave one of them out"),
    ],
)
def test_other_label_maps_are_refused(tmp_path, pixels, options, message):
    folder = fill(tmp_path / "maps", {"1.png": pixels})
    with pytest.raises(ValueError, match=message):
        tool("labels", folder, "-o", tmp_path / "out", *options, "--palette", "#000000", "#ffffff")
    assert not (tmp_path / "out").exists()


# What all tools share.


RUNS = {
    "combine": [], "split": [], "resize": ["--size", 16, 16], "edges": [], "blank": [], "grayscale": [],
    "labels": ["--palette", "cmp", "--to-ids"],
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_every_tool_keeps_sub_folders_and_overwrites_only_when_told(tmp_path, photos, name, capsys):
    argv = [photos, photos] if name == "combine" else [photos, *RUNS[name]]
    before = {path: (photos / path).read_bytes() for path in files_in(photos)}
    tool(name, *argv, "-o", tmp_path / "out", "--dry-run")
    assert not (tmp_path / "out").exists()
    printed = capsys.readouterr().out
    tool(name, *argv, "-o", tmp_path / "out")
    written = files_in(tmp_path / "out")
    assert len({path for path in written if path.endswith("sub/10.png")}) == len(written) / 3
    assert f"{len(written)} files would be written" in printed
    assert str(tmp_path / "out" / written[0]) in printed
    kept = tmp_path / "out" / written[1]
    for path in written:
        if path != written[1]:
            (tmp_path / "out" / path).unlink()
    kept.write_text("mine")
    with pytest.raises(ValueError, match=rf"{written[1]} exists already, and 1 of {len(written)} files do.*--overwrite"):
        tool(name, *argv, "-o", tmp_path / "out")
    assert files_in(tmp_path / "out") == [written[1]]
    assert kept.read_text() == "mine"
    tool(name, *argv, "-o", tmp_path / "out", "--overwrite")
    assert files_in(tmp_path / "out") == written
    assert kept.read_bytes() != b"mine"
    assert {path: (photos / path).read_bytes() for path in files_in(photos)} == before
    assert name in HELP


def test_unreadable_pictures_are_counted_and_named(tmp_path, photos, capsys):
    (photos / "3.png").write_bytes(b"no picture")
    (photos / "sub" / "4.jpg").write_bytes((photos / "1.png").read_bytes()[:60])
    with pytest.raises(
        ValueError, match=r"3\.png is not a picture.*leave such files out with --on-error skip.*2 of 5 could not be used"
    ):
        tool("grayscale", photos, "-o", tmp_path / "out")
    tool("grayscale", photos, "-o", tmp_path / "out", "--overwrite", "--on-error", "skip")
    printed = capsys.readouterr().out
    assert "2 left out" in printed
    assert "3.png" in printed
    assert "4.jpg" in printed
    assert "--data.on-error" not in printed
    assert files_in(tmp_path / "out" / "A") == ["1.png", "sub/10.png", "sub/2.png"]
    for name in ("1.png", "sub/2.png", "sub/10.png"):
        (photos / name).write_bytes(b"")
    with pytest.raises(ValueError, match="5 of 5"):
        tool("grayscale", photos, "-o", tmp_path / "none", "--on-error", "skip")


def test_nothing_is_written_into_the_input(tmp_path, photos):
    for output in (photos, photos / "out", tmp_path / "other" / ".." / "photos"):
        with pytest.raises(ValueError, match="lies in the input"):
            tool("edges", photos, "-o", output, "--overwrite")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "1.png").symlink_to(photos / "1.png")
    with pytest.raises(ValueError, match="one of the pictures read"):
        tool("edges", photos, "-o", tmp_path / "links", "--overwrite")
    assert files_in(photos) == ["1.png", "sub/10.png", "sub/2.png"]


def test_formats_keep_what_they_say(tmp_path):
    photos = fill(tmp_path / "photos", {"1.png": draw(1, (32, 32))})
    for name in ("png", "tiff", "webp", "npy", "jpg"):
        tool("resize", photos, "-o", tmp_path / "out", "--size", 32, 32, "--format", name)
        difference = np.abs(pixels_of(tmp_path / "out" / f"1.{name}").astype(int) - draw(1, (32, 32))).max()
        assert difference <= (40 if name == "jpg" else 0)  # of noise, which JPEG likes least
    clear = fill(tmp_path / "clear", {"1.png": np.dstack([draw(1), np.zeros((12, 10), np.uint8)])})
    tool("resize", clear, "-o", tmp_path / "out", "--size", 12, 10, "--format", "webp", "--overwrite")
    assert np.array_equal(pixels_of(tmp_path / "out" / "1.webp"), pixels_of(clear / "1.png"))  # what is hidden as well
    deep = fill(tmp_path / "deep", {"1.png": draw(1, dtype=np.uint16), "2.png": draw(2)})
    with pytest.raises(ValueError, match=r"1\.png: uint16 pictures cannot be written as \.jpg"):
        tool("blank", deep, "-o", tmp_path / "holes", "--format", "jpg")
    assert files_in(tmp_path / "holes") == ["A/2.jpg", "B/2.jpg", "mask/2.png"]


def test_pictures_are_turned_upright(tmp_path):
    (tmp_path / "photos").mkdir()
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    Image.fromarray(draw(1)).save(tmp_path / "photos" / "1.png", exif=exif)
    tool("blank", tmp_path / "photos", "-o", tmp_path / "out")
    assert np.array_equal(pixels_of(tmp_path / "out" / "B" / "1.png"), np.rot90(draw(1), -1))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("edges photos -o out --low 70", r"--low 70.0 and --high 30.0"),
        ("edges photos -o out --sigma -1", "--sigma was given -1"),
        ("edges photos -o out --thickness 0", "--thickness was given 0"),
        ("edges photos -o out --workers 0", "--workers was given 0"),
        ("edges photos -o out --thicknes 2", "did you mean --thickness"),
        ("edges photos -o out --overwite", "did you mean --overwrite"),
        ("blank photos -o out --share 1", "--share was given 1"),
        ("blank photos -o out --share 0", "--share was given 0"),
        ("blank photos -o out --fill 256", "--fill was given 256"),
        ("resize photos -o out --size 0 5", "--size was given 0 5"),
        ("resize photos -o out --size 8 8 --fill -1", "--fill was given -1"),
        ("split photos -o out --val-fraction 1", "--val-fraction was given 1"),
        ("edges missing -o out", "the folder missing does not exist"),
        ("edges photos/1.png -o out", r"the folder photos/1\.png is a file"),
        ("edges empty -o out", "the folder empty holds no pictures"),
        ("combine photos missing -o out", "the folder missing does not exist"),
        ("combine empty empty -o out", "no picture in empty has the name of one in empty"),
        ("labels photos -o out --palette cpm", "no palette file cpm"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, photos, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        tool(*argv.split())
    assert not (tmp_path / "out").exists()


def test_two_pictures_of_one_name_are_refused(tmp_path, photos):
    write_picture(photos / "1.jpg", draw(1))
    with pytest.raises(ValueError, match="have the same name"):
        tool("edges", photos, "-o", tmp_path / "out")
    both = fill(tmp_path / "both", {"val/1.png": draw(1), "validation/1.png": draw(2)})
    with pytest.raises(ValueError, match=r"would both be written to .*valA/1\.png"):
        tool("split", both, "-o", tmp_path / "out")

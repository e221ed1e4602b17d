"""The check of a set of pairs: each kind of mistake is found, and nothing is said of a good set."""

import json
import shlex
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2p_jax.cli import data_check as doctor
from p2p_jax.cli.data_check import check, describe, examine, train_line
from p2p_jax.cli.options import parse, train_options
from p2p_jax.config import Config
from p2p_jax.config.checks import check_config
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.doctor import look as looking
from p2p_jax.data.doctor import report
from p2p_jax.data.doctor.findings import Findings
from p2p_jax.data.doctor.match import match
from p2p_jax.data.doctor.report import make_visible
from p2p_jax.data.fit import fit_of_training
from p2p_jax.data.layout import find_parts
from p2p_jax.data.pairs import FileRecords, RecordedPairs
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.procedural import facade

TRAIN, TEST, SIZE = 24, 6, 64


@pytest.fixture(scope="module")
def drawn() -> list[tuple[np.ndarray, np.ndarray]]:
    """(labels, photo)."""
    return [facade(3, i, size=SIZE)[::-1] for i in range(TRAIN + TEST)]


@pytest.fixture(scope="module")
def original(drawn, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    for i, pair in enumerate(drawn):
        split = "train" if i < TRAIN else "test"
        for letter, pixels in zip("AB", pair, strict=True):
            write_picture(folder / f"{split}{letter}" / f"{i}.png", pixels)
    return folder


@pytest.fixture
def good(original, tmp_path) -> Path:
    return shutil.copytree(original, tmp_path / "pairs")


def look(folder: Path, **options) -> Findings:
    return examine(folder, threads=2, **options)


def kinds(findings: Findings) -> dict[str, list[str]]:
    """{kind: items} of all problems and warnings."""
    return {finding.kind: list(finding.items) for finding in [*findings.problems, *findings.warnings]}


def options_of(folder: Path, findings: Findings) -> dict[str, list[str]]:
    """The options of the train line, without the path, once every pair that nothing is wrong with was read with them."""
    words = shlex.split(train_line(folder, findings))
    assert words[:5] == ["p2p-jax", "train", "pix2pix", "--data.path", str(folder)]
    config = parse(train_options("pix2pix", Config()), words[3:], "p2p-jax train").config
    check_config(config)
    for files in find_parts(folder).values() if not findings.problems else ():
        pairs = RecordedPairs(FileRecords(files), config.data)
        examples = [pairs.read(i, fit_of_training(config)) for i in range(pairs.count())]
        assert len({example["input"].shape for example in examples}) == 1
    found: dict[str, list[str]] = {}
    for word in words[5:]:
        if word.startswith("--"):
            found[word] = []
        else:
            found[list(found)[-1]].append(word)
    return found


def exchange(first: Path, second: Path) -> None:
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def make_set(folder: Path, a, b, count: int = 12, suffix: str = ".png") -> Path:
    """Pairs in folders A and B: what two functions make of the number of a pair."""
    for i in range(count):
        for letter, make in (("A", a), ("B", b)):
            made = make(i)
            path = (
                folder
                / letter
                / f"{i}{suffix if not isinstance(made, np.ndarray) or made.dtype != np.float32 else '.tiff'}"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, made) if isinstance(made, np.ndarray) else made.save(path)
    return folder


def to_ids(labels: np.ndarray) -> np.ndarray:
    return (labels[:, :, None] == COLOURS).all(-1).argmax(-1).astype(np.uint8)


def to_palette(labels: np.ndarray, colours: np.ndarray = COLOURS) -> Image.Image:
    picture = Image.fromarray(to_ids(labels))
    picture.putpalette(colours.ravel().tolist())
    return picture


def test_of_a_good_set_nothing_is_said(good):
    findings = look(good)
    assert kinds(findings) == {}
    assert {split: {p: s.count for p, s in parts.items()} for split, parts in findings.summaries.items()} == {
        "train": {"A": TRAIN, "B": TRAIN},
        "test": {"A": TEST, "B": TEST},
    }
    summary = findings.summaries["train"]["A"]
    assert (summary.sizes, summary.channels, summary.depths) == ([((64, 64), 24)], [(3, 24)], [("8", 24)])
    assert summary.colours is not None
    assert summary.labels == "labels"
    assert findings.summaries["train"]["B"].labels == ""


@pytest.mark.parametrize("change", ["dark and noisy", "covered", "negative"])
def test_nothing_is_said_of_other_good_tasks(tmp_path, drawn, change):
    random = np.random.default_rng(0)

    def made(i):
        photo = drawn[i][1].copy()
        if change == "covered":
            photo[20:50, 10:50] = 255
        if change == "dark and noisy":
            photo = np.clip(photo * 0.3 + random.normal(0, 5, photo.shape), 0, 255).astype(np.uint8)
        return 255 - photo if change == "negative" else photo

    assert kinds(look(make_set(tmp_path, made, lambda i: drawn[i][1], count=TRAIN + TEST))) == {}


@pytest.mark.parametrize("damage", [b"", b"this is text", None])
def test_every_unreadable_file_is_one_line(good, damage):
    for number in (3, 5):
        file = good / "trainB" / f"{number}.png"
        file.write_bytes(file.read_bytes()[:900] if damage is None else damage)
    findings = look(good)
    found = kinds(findings)
    assert list(found) == ["unreadable"]
    assert [str(good / "trainB" / f"{n}.png") in line for n, line in zip((3, 5), found["unreadable"], strict=True)] == [
        True
    ] * 2
    assert all("\n" not in line for line in found["unreadable"])
    assert options_of(good, findings)["--data.on-error"] == ["skip"]


def test_a_picture_that_hangs_is_left_behind(good, monkeypatch):
    real = looking.decode
    monkeypatch.setattr(looking, "decode", lambda e, **o: time.sleep(5) if e.name.endswith("A/7.png") else real(e, **o))
    start = time.monotonic()
    monkeypatch.setattr(report, "decode", looking.decode)
    findings = examine(good, threads=1, patience=0.3)
    assert report.draw_sheet(good.parent / "sheet.png", findings, 1)
    found = kinds(findings)
    assert time.monotonic() - start < 4
    assert list(found) == ["unreadable"]
    assert "A/7.png" in found["unreadable"][0]
    assert len(found["unreadable"]) == 1


@pytest.mark.parametrize("error", [MemoryError, RuntimeError("broken")])
def test_a_picture_that_upsets_us_is_one_line(good, monkeypatch, error):
    real = looking.find_edges
    calls = []

    def upset(levels):
        calls.append(1)
        if len(calls) == 9:
            raise error
        return real(levels)

    monkeypatch.setattr(looking, "find_edges", upset)
    found = kinds(look(good))
    assert {kind: len(items) for kind, items in found.items()} == {"unreadable": 1}


def test_a_missing_half_is_named(good):
    (good / "trainB" / "4.png").unlink()
    found = kinds(look(good))
    assert list(found) == ["alone"]
    assert str(good / "trainA" / "4.png") in found["alone"][0]


def test_halves_that_never_match_are_a_problem_not_a_wrong_path(tmp_path, drawn):
    write_picture(tmp_path / "A" / "x.png", drawn[0][0])
    write_picture(tmp_path / "B" / "y.png", drawn[0][1])
    found = kinds(look(tmp_path))
    assert set(found) == {"alone", "no_training_pairs"}
    assert len(found["alone"]) == 2


def test_halves_of_different_sizes_are_named(good, drawn):
    write_picture(good / "trainB" / "4.png", drawn[4][1][:, :60])
    found = kinds(look(good))
    assert list(found) == ["sizes_differ"]
    assert "A/4.png has 64 x 64" in found["sizes_differ"][0]
    assert "B/4.png has 60 x 64" in found["sizes_differ"][0]


def test_side_by_side_pictures_are_cut_and_odd_ones_named(tmp_path, drawn):
    for i in range(5):
        write_picture(tmp_path / f"{i}.png", np.concatenate(drawn[i], axis=1)[:, : 127 if i == 2 else 128])
    findings = look(tmp_path)
    assert kinds(findings) == {
        "odd_width": [f"{tmp_path}/2.png is 127 pixels wide, so it has no two halves of the same size"]
    }
    assert findings.summaries["train"]["A"].sizes == [((64, 64), 4)]
    assert findings.summaries["train"]["A"].labels == "labels"


def test_too_small_pictures_are_named(tmp_path, drawn):
    for i in range(3):
        write_picture(tmp_path / f"{i}.png", np.concatenate(drawn[i], axis=1) if i else drawn[i][0][:10, :12])
    assert list(kinds(look(tmp_path))) == ["too_small"]  # 12 x 10 can be read, but its halves have 6 x 10


def test_without_training_pairs_nothing_can_start(good):
    shutil.rmtree(good / "trainA")
    shutil.rmtree(good / "trainB")
    assert list(kinds(look(good))) == ["no_training_pairs"]


def test_a_set_of_bad_files_only_has_no_training_pairs(tmp_path):
    for letter in "AB":
        (tmp_path / letter).mkdir()
        (tmp_path / letter / "1.png").write_bytes(b"")
    findings = look(tmp_path)
    assert set(kinds(findings)) == {"unreadable", "no_training_pairs"}
    assert train_line(tmp_path, findings)


def test_channels_that_no_option_takes_together_are_named(good, drawn):
    write_picture(good / "trainB" / "4.tiff", np.concatenate([drawn[4][1]] * 2, axis=-1))
    (good / "trainB" / "4.png").unlink()
    findings = look(good)
    assert kinds(findings) == {"channels_differ": [f"{good}/trainB/4.tiff (6)"]}
    assert options_of(good, findings)["--data.on-error"] == ["skip"]


def test_grey_among_colours_is_no_problem(good, drawn):
    write_picture(good / "trainB" / "4.png", drawn[4][1][..., :1])
    findings = look(good)
    assert kinds(findings) == {}
    assert "--data.target.channels" not in options_of(good, findings)


def test_real_numbers_among_whole_ones_are_named(good, drawn):
    write_picture(good / "trainB" / "4.tiff", drawn[4][1].astype(np.float32) / 255)
    (good / "trainB" / "4.png").unlink()
    findings = look(good)
    assert kinds(findings) == {"depths_differ": [f"{good}/trainB/4.tiff (real)"]}
    assert "--data.target.depth" not in options_of(good, findings)


def test_different_and_uneven_sizes_are_warned_of(good, drawn):
    for letter, pixels in zip("AB", drawn[4], strict=True):
        write_picture(good / f"train{letter}" / "4.png", pixels[:61])
    findings = look(good)
    assert kinds(findings) == {"many_sizes": ["64 x 64: 29 pairs", "64 x 61: 1 pairs"], "uneven_sizes": ["train: 4"]}
    assert not findings.problems


def copy_pair(folder: Path, source: str, target: str, letters: str = "AB") -> None:
    for letter in letters:
        shutil.copy(folder / source.replace("/", f"{letter}/"), folder / target.replace("/", f"{letter}/"))


def test_identical_pairs_are_told_by_their_pixels(good):
    copy_pair(good, "test/26.png", "train/90.png")
    copy_pair(good, "train/2.png", "train/91.png")
    for letter in "AB":
        Image.open(good / f"train{letter}" / "91.png").save(good / f"train{letter}" / "91.png", compress_level=1)
    assert kinds(look(good)) == {
        "same_pair_across": ["train: 90 = test: 26"],
        "same_pair_within": ["train: 2 = train: 91"],
    }


def test_single_identical_halves_are_told_apart_from_pairs(good):
    copy_pair(good, "train/2.png", "train/90.png", "A")
    shutil.copy(good / "testB" / "27.png", good / "trainB" / "90.png")
    found = kinds(look(good))
    found.pop("misplaced", None)  # such a pair does not fit together, either
    assert found == {"same_a_within": ["train: 2 = train: 90"], "same_b_across": ["train: 90 = test: 27"]}


def test_the_same_picture_on_both_sides_is_named(good):
    shutil.copy(good / "trainB" / "5.png", good / "trainA" / "5.png")
    assert kinds(look(good)) == {"a_is_b": ["train: 5"]}


@pytest.mark.parametrize("noise", [0, 1])
def test_constant_pictures_are_named_and_nothing_else_of_them(good, noise):
    pixels = 70 + np.random.default_rng(0).integers(0, noise + 1, (64, 64, 3), np.uint8)
    pixels[..., 1] = 200 - pixels[..., 1]
    for number in (5, 8):
        write_picture(good / "trainB" / f"{number}.png", pixels)
    assert kinds(look(good)) == {"constant": [str(good / "trainB" / "5.png"), str(good / "trainB" / "8.png")]}


def test_low_numbers_of_classes_are_not_constant(tmp_path, drawn):
    folder = make_set(tmp_path, lambda i: to_ids(drawn[i][0])[..., None] // 6, lambda i: drawn[i][1])
    assert kinds(look(folder)) == {}


def test_exchanged_files_are_named_with_their_partners(good):
    exchange(good / "trainB" / "4.png", good / "trainB" / "17.png")
    assert kinds(look(good)) == {
        "misplaced": ["train: 4: its A fits the B of 17 better", "train: 17: its A fits the B of 4 better"]
    }


@pytest.mark.parametrize(("lag", "words"), [(1, "1 after"), (-2, "2 before")])
def test_a_shift_of_all_is_said_once(good, lag, words):
    files = [good / "trainB" / f"{i}.png" for i in range(TRAIN)]
    contents = [file.read_bytes() for file in files]
    for i, content in enumerate(contents):
        files[(i + lag) % TRAIN].write_bytes(content)
    findings = look(good)
    assert list(kinds(findings)) == ["shifted"]
    assert words in findings.warnings[0].sentence


def test_shuffled_halves_do_not_belong_together(good):
    order = np.random.default_rng(5).permutation(TRAIN)
    contents = [(good / "trainB" / f"{i}.png").read_bytes() for i in order]
    for i, content in enumerate(contents):
        (good / "trainB" / f"{i}.png").write_bytes(content)
    assert list(kinds(look(good))) == ["unrelated"]


def test_of_a_part_that_is_shifted_the_pairs_are_named(good):
    contents = [(good / "trainB" / f"{i}.png").read_bytes() for i in range(TRAIN)]
    half = TRAIN // 2
    for i in range(half, TRAIN):
        (good / "trainB" / f"{i}.png").write_bytes(contents[i + 1 if i + 1 < TRAIN else half])
    found = kinds(look(good))
    assert list(found) == ["misplaced"]
    right = [f"train: {i}: its A fits the B of {i - 1 if i > half else TRAIN - 1} better" for i in range(half, TRAIN)]
    assert len(set(found["misplaced"]) & set(right)) >= half - 2
    assert not set(found["misplaced"]) - set(right)


def test_few_pairs_are_not_judged_by_their_edges():
    edges = list(np.random.default_rng(0).integers(-99, 99, (8, 2048)).astype(np.int8))
    assert match(edges, edges[1:] + edges[:1]) == (None, 0, {})


def test_sets_of_any_size_are_compared_in_parts(monkeypatch):
    monkeypatch.setattr("p2p_jax.data.doctor.match.AT_ONCE", 16)
    a = list(np.random.default_rng(0).integers(-99, 99, (40, 2048)).astype(np.int8))
    b = list(a)
    b[30], b[35] = b[35], b[30]
    found = match(a, b)
    assert found.misplaced == {30: 35, 35: 30}


def test_a_pair_the_other_way_round_is_named(good):
    exchange(good / "trainA" / "9.png", good / "trainB" / "9.png")
    assert kinds(look(good)) == {"swapped": ["train: 9"]}


def test_masks_are_checked(good, drawn):
    for i in range(TRAIN):
        write_picture(good / "trainmask" / f"{i}.png", (drawn[i][1][..., :1] > 99).astype(np.uint8))
    shutil.rmtree(good / "testA")
    assert list(kinds(look(good))) == ["mask_values"]
    write_picture(good / "trainmask" / "3.png", drawn[3][1][..., :1].astype(np.uint16))
    found = kinds(look(good))
    assert found["mask"] == [str(good / "trainmask" / "3.png")]
    write_picture(good / "trainmask" / "3.png", drawn[3][1][..., :1])
    assert kinds(look(good)) == {}


def test_sizes_and_channels_become_options(tmp_path, drawn):
    grey = make_set(tmp_path / "grey", lambda i: drawn[i][1][:48, :, :1], lambda i: drawn[i][1][:48])
    assert options_of(grey, look(grey)) == {"--data.input.channels": ["1"], "--image-size": ["48", "64"]}


@pytest.mark.parametrize(
    ("height", "width", "options"),
    [
        (256, 256, {}),
        (300, 300, {}),
        (100, 100, {"--image-size": ["100"]}),
        (12, 12, {"--image-size": ["24"]}),
        (300, 400, {"--image-size": ["300", "400"]}),
        (600, 300, {"--data.preprocess": ["scale_width_and_crop"]}),
        (300, 600, {"--data.preprocess": ["scale_width_and_crop"], "--data.load-size": ["286", "572"]}),
    ],
)
def test_the_size_of_pictures_becomes_an_option(tmp_path, height, width, options):
    random = np.random.default_rng(0)
    folder = make_set(tmp_path, *2 * [lambda i: random.integers(0, 256, (height, width, 3), np.uint8)], count=2)
    assert options_of(folder, look(folder)) == options


def test_small_and_large_pictures_take_the_size_of_the_small(tmp_path):
    random = np.random.default_rng(0)
    folder = make_set(tmp_path, *2 * [lambda i: random.integers(0, 256, (100 + 100 * (i % 2), 180, 3), np.uint8)], count=4)
    assert options_of(folder, look(folder)) == {"--image-size": ["100"]}


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
    findings = look(folder)
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
    findings = look(folder)
    found = options_of(folder, findings)
    found.pop("--image-size")
    assert found == {f"--data.target.{name}": values for name, values in options.items()}
    assert kinds(findings) == {}


def test_numbers_of_different_palettes_are_no_classes(tmp_path, drawn):
    folder = make_set(
        tmp_path, lambda i: drawn[i][1], lambda i: to_palette(drawn[i][0], COLOURS if i % 2 else COLOURS[::-1])
    )
    found = options_of(folder, look(folder))
    assert found["--data.target.kind"] == ["labels"]
    assert "--data.target.classes" not in found


def test_drawn_lines_are_no_label_map(tmp_path, drawn):
    def lines(i):
        rows = np.diff(to_ids(drawn[i][0]), axis=0, prepend=0) != 0
        return np.where(rows, 0, 255).astype(np.uint8)[..., None]

    folder = make_set(tmp_path, lines, lambda i: drawn[i][1])
    assert options_of(folder, look(folder)) == {"--data.input.channels": ["1"], "--image-size": ["64"]}


def test_alpha_is_kept_only_where_all_use_it(tmp_path, drawn):
    def with_alpha(i, lowest):
        alpha = np.full((64, 64, 1), 255, np.uint8)
        alpha[:30] = lowest
        return np.concatenate([drawn[i][1], alpha], axis=-1)

    def found(name, make):
        options = options_of(tmp_path / name, look(make_set(tmp_path / name, lambda i: drawn[i][1], make)))
        options.pop("--image-size")
        return options

    assert found("used", lambda i: with_alpha(i, 9)) == {"--data.target.channels": ["4"]}
    assert found("opaque", lambda i: with_alpha(i, 255)) == {}
    assert found("some", lambda i: with_alpha(i, 9) if i % 2 else drawn[i][1]) == {"--data.transparency": ["drop"]}
    assert found("grey", lambda i: with_alpha(i, 9) if i % 2 else drawn[i][1][..., :1]) == {"--data.transparency": ["drop"]}


def test_several_pictures_a_side_take_a_number_each(tmp_path, drawn):
    for i in range(12):
        write_picture(tmp_path / "A1" / f"{i}.png", drawn[i][1])
        write_picture(tmp_path / "A2" / f"{i}.png", drawn[i][1][..., :1])
        write_picture(tmp_path / "B" / f"{i}.png", 255 - drawn[i][1])
    assert options_of(tmp_path, look(tmp_path))["--data.input.channels"] == ["3", "1"]


def test_a_list_is_read(good, tmp_path):
    rows = [f"pairs/trainA/{i}.png,pairs/trainB/{i}.png,{'train' if i < 20 else 'val'}" for i in range(TRAIN)]
    path = tmp_path / "my list.csv"
    path.write_text("\n".join(["A,B,split", *rows]))
    findings = look(path)
    assert kinds(findings) == {}
    assert {split: parts["A"].count for split, parts in findings.summaries.items()} == {"train": 20, "val": 4}
    assert options_of(path, findings)["--image-size"] == ["64"]


def test_label_maps_saved_as_jpeg_are_said_to_be_no_classes(tmp_path):
    pairs = [facade(3, i, size=256) for i in range(6)]
    folder = make_set(tmp_path, lambda i: pairs[i][0], lambda i: pairs[i][1], count=6, suffix=".jpg")
    findings = look(folder)
    assert kinds(findings) == {}
    assert options_of(folder, findings) == {}
    words = describe(findings).plain
    assert "B looks like a label map saved as JPEG" in words
    assert "A looks like" not in words


def run(folder: Path, tmp_path: Path, *argv: str) -> int:
    return check([str(folder), "--output", str(tmp_path / "out" / "sheet.png"), *argv])


def test_the_command_ends_with_the_line_alone_and_draws_a_sheet(good, tmp_path, capsys):
    assert run(good, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == train_line(good, look(good))
    assert "train: 24 pairs" in lines
    assert any("24 pictures of 64 x 64, RGB, 8 bits, values" in line for line in lines)
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 300
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["sheet.png"]


def test_a_warning_is_no_failure_and_a_problem_is_one(good, tmp_path, capsys):
    copy_pair(good, "test/26.png", "train/90.png")
    assert run(good, tmp_path) == 0
    assert "train: 90 = test: 26" in capsys.readouterr().out
    for i in range(3):
        (good / "trainA" / f"{i}.png").write_bytes(b"")
    assert run(good, tmp_path, "--limit", "2") == 1
    out = capsys.readouterr().out
    assert ("A/1.png" in out, "A/2.png" in out, "and 1 more" in out) == (True, False, True)


def test_json_has_everything(good, tmp_path, capsys):
    for i in range(3):
        (good / "trainA" / f"{i}.png").write_bytes(b"")
    assert run(good, tmp_path, "--json", "--limit", "1") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert len(found["problems"][0]["items"]) == 3
    assert found["train"] == train_line(good, look(good))
    assert found["splits"]["train"]["parts"]["A"]["count"] == 21
    assert found["sides"]["target"]["channels"] == [3]
    assert Path(found["sheet"]).is_file()


def test_marked_pairs_come_first_in_the_sheet(good, tmp_path):
    def red() -> int:
        with Image.open(tmp_path / "out" / "sheet.png") as sheet:
            return int((np.asarray(sheet) == (255, 0, 0)).all(-1).sum())

    assert run(good, tmp_path, "--pictures", "2") == 0
    plain = red()
    (good / "trainB" / "20.png").write_bytes(b"")
    assert run(good, tmp_path, "--pictures", "2") == 1
    assert red() > plain + 200


def test_deep_values_and_class_numbers_are_made_visible():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1)
    for values, limits in (
        ((ramp * 900).astype(np.uint16), (0, 900)),
        (ramp * 3 - 1, (-1, 2)),
        ((ramp * 11).astype(np.uint8), (0, 11)),
    ):
        shown = make_visible(values, limits)
        assert (shown.min(), shown.max(), shown.dtype, shown.shape[-1]) == (0, 255, np.uint8, 3)
    photo = np.full((8, 8, 3), 90, np.uint8)
    assert (make_visible(photo, (0, 200)) == 90).all()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nowhere"], "does not exist"),
        (["{good}", "--pictures", "-1"], "--pictures was given -1"),
        (["{good}", "--threads", "0"], "--threads was given 0"),
        (["{good}", "--output", "{good}/sheet.png"], "which lies in"),
        (["{good}", "--pictrues", "1"], "did you mean --pictures"),
    ],
)
def test_wrong_usage_is_one_sentence(good, argv, words):
    with pytest.raises(ValueError, match=words):
        check([word.format(good=good) for word in argv])


def test_progress_is_told(good):
    told = []
    doctor.examine(good, threads=3, on_picture=lambda done, total: told.append((done, total)))
    assert told == [(i, TRAIN + TEST) for i in range(1, TRAIN + TEST + 1)]


@pytest.mark.parametrize("inside", [True, False])
def test_by_default_the_sheet_lies_here_but_never_among_the_pairs(good, tmp_path, monkeypatch, inside):
    here = good if inside else tmp_path / "elsewhere"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    assert check([str(good), "--threads", "1"]) == 0
    place = good.parent if inside else here
    assert (place / "data_check.png").is_file()
    assert not (good / "data_check.png").exists()

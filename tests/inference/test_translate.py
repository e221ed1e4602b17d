"""Translating: which files, under which names, at which size; and each picture by itself."""

import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.runs import finished_run
from PIL import Image

import p2p_jax
from p2p_jax.cli import main
from p2p_jax.inference.translate import make_translate
from p2p_jax.inference.translate_files import Inputs, find_pictures
from p2p_jax.network import Network


@pytest.fixture(scope="module")
def translator():
    return p2p_jax.load(finished_run())


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)


def save(path: Path, size=(16, 16), seed=0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
    return path


def translate(*arguments) -> int:
    return main(["translate", str(finished_run()), *map(str, arguments)])


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_translator_is_shown_without_its_weights(translator):
    assert len(repr(translator).splitlines()) == 1
    assert "step=8" in repr(translator)
    assert "params" not in repr(translator)


def test_files_and_folders_are_found_with_their_names(tmp_path):
    one, two = save(tmp_path / "in" / "a" / "1.png"), save(tmp_path / "in" / "b" / "c" / "1.jpg")
    alone = save(tmp_path / "x.bmp")
    (tmp_path / "in" / "notes.txt").write_text("")
    assert find_pictures([tmp_path / "in", alone]).inputs == [
        Inputs((one,), Path("a/1.png")),
        Inputs((two,), Path("b/c/1.jpg")),
        Inputs((alone,), Path("x.bmp")),
    ]


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_an_input_that_is_missing_or_empty_is_refused_by_name(tmp_path, kind):
    path = tmp_path / "in"
    if kind == "empty":
        path.mkdir()
    message = "holds no pictures" if kind == "empty" else "does not exist"
    with pytest.raises(ValueError, match=message) as caught:
        find_pictures([path])
    assert str(path) in str(caught.value)


def test_two_results_of_one_name_are_refused(tmp_path):
    paths = [save(tmp_path / "in" / name) for name in ("1.png", "1.jpg")]
    with pytest.raises(ValueError, match="translate them separately") as caught:
        find_pictures([tmp_path / "in"])
    assert all(str(path) in str(caught.value) for path in paths)
    with pytest.raises(ValueError, match="translate them separately"):
        find_pictures([save(tmp_path / "a" / "2.png"), save(tmp_path / "b" / "2.png")])


@pytest.mark.parametrize("native", tiers([("--native",), ()], slow=1))
def test_names_folders_and_sizes_are_kept(tmp_path, capsys, native):
    sizes = {"1": (16, 16), "deep/er/2": (37, 21), "deep/3": (8, 50)}
    for seed, (name, size) in enumerate(sizes.items()):
        save(tmp_path / "in" / f"{name}.png", size, seed)
    assert translate(tmp_path / "in", "--output", tmp_path / "out", "--batch-size", "2", *native) == 0
    found = {str(path.relative_to(tmp_path / "out")): Image.open(path).size for path in (tmp_path / "out").rglob("*.*")}
    assert found == {f"{name}.png": size for name, size in sizes.items()}
    assert "3 pictures written" in capsys.readouterr().out


@pytest.mark.parametrize(("ending", "kind"), [("jpg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")])
def test_the_requested_format_is_written(tmp_path, ending, kind):
    save(tmp_path / "in" / "1.v2.png")
    assert translate(tmp_path / "in", "-o", tmp_path / "out", "--format", ending) == 0
    (path,) = (tmp_path / "out").iterdir()
    assert Image.open(path).format == kind


def test_a_point_in_a_name_is_kept(tmp_path):
    save(tmp_path / "in" / "1.a.png")
    save(tmp_path / "in" / "1.b.png")
    assert translate(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.a.png", "1.b.png"]


def test_files_are_resized_to_the_size_of_training_and_back(tmp_path, translator):
    path = save(tmp_path / "in" / "1.png", (40, 24))
    assert translate(path, "-o", tmp_path / "out") == 0
    small = Image.open(path).resize((16, 16), Image.Resampling.BICUBIC)
    expected = Image.fromarray(translator(np.asarray(small))).resize((40, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(opened(tmp_path / "out" / "1.png"), np.asarray(expected))


def test_native_translates_at_the_pictures_own_scale(tmp_path, translator):
    path = save(tmp_path / "in" / "1.png", (20, 12))
    assert translate(path, "-o", tmp_path / "out", "--native") == 0
    assert np.array_equal(opened(tmp_path / "out" / "1.png"), translator(opened(path)))


def test_native_pads_by_mirroring_to_a_size_that_fits_and_crops(translator):
    """For a user's own networks that accept only some sizes."""

    def mean_of_4_x_4(params, state, x, *, train, key=None):
        n, height, width, c = x.shape
        means = x.reshape(n, height // 4, 4, width // 4, 4, c).mean((2, 4))
        return means.repeat(4, 1).repeat(4, 2), state

    translator = replace(translator, apply=make_translate(Network(None, mean_of_4_x_4)))
    picture = np.random.default_rng(0).integers(0, 256, (13, 18, 3), np.uint8)
    filled = np.pad(picture, ((0, 3), (0, 2), (0, 0)), mode="reflect")
    assert filled.shape == (16, 20, 3)
    assert np.array_equal(translator.native(picture), translator(filled)[:13, :18])


def test_the_batch_does_not_change_a_picture(translator, pictures):
    whole = translator(pictures)
    assert whole.shape == pictures.shape
    assert whole.dtype == np.uint8
    assert len({picture.tobytes() for picture in whole}) == 5
    for index, picture in enumerate(pictures):
        assert np.array_equal(translator(picture), whole[index])
        assert np.array_equal(translator(picture[None])[0], whole[index])
    assert np.array_equal(translator(pictures[::-1])[::-1], whole)


@pytest.mark.slow
def test_the_batch_size_does_not_change_the_files(tmp_path):
    for seed in range(5):
        save(tmp_path / "in" / f"{seed}.png", (20 + seed, 18), seed)
    for size in ("1", "2", "5", "8"):
        assert translate(tmp_path / "in", "-o", tmp_path / size, "--batch-size", size) == 0
    for seed in range(5):
        assert len({opened(tmp_path / size / f"{seed}.png").tobytes() for size in ("1", "2", "5", "8")}) == 1


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("picture", [0, 0, 1, 127, 255, 255]), ("running", [0, 0, 1, 127, 255, 255]), ("reference", [0, 0, 0, 126, 254, 255])],
)
def test_values_are_limited_and_rounded_except_in_mode_reference(mode, expected):
    made = jnp.asarray([-2.0, -1.0, 0.7 / 127.5 - 1, 126.6 / 127.5 - 1, 254.7 / 127.5 - 1, 2.0]).reshape(1, 1, 6, 1)
    network = Network(lambda *_: ({}, {}), lambda params, state, picture, *, train, key=None: (made, state))
    pictures = jnp.zeros((1, 1, 6, 1), jnp.uint8)
    assert make_translate(network, mode)({}, {}, jax.random.key(0), pictures).reshape(-1).tolist() == expected


def test_a_picture_always_has_the_same_translation(translator, pictures):
    assert np.array_equal(translator(pictures), translator(pictures, seed=1))
    assert np.array_equal(translator(pictures), p2p_jax.load(finished_run())(pictures))


@pytest.mark.slow
def test_the_modes_differ_and_reference_is_noisy(translator, pictures):
    made = {mode: p2p_jax.load(finished_run(), mode=mode) for mode in ("picture", "running", "reference")}
    results = {mode: each(pictures) for mode, each in made.items()}
    assert np.array_equal(results["picture"], translator(pictures))
    assert len({result.tobytes() for result in results.values()}) == 3
    assert np.array_equal(made["running"](pictures), made["running"](pictures, seed=1))
    assert not np.array_equal(made["reference"](pictures), made["reference"](pictures, seed=1))
    assert np.array_equal(made["reference"](pictures), results["reference"])
    twice = made["reference"](np.stack([pictures[0]] * 2))
    assert not np.array_equal(twice[0], twice[1]), "each picture has noise of its own"


def test_the_running_statistics_make_a_picture_independent_of_its_own(pictures):
    """With running statistics far pixels do not matter, because the network is local; with the picture's own they do."""
    running = p2p_jax.load(finished_run(), mode="running")
    own = p2p_jax.load(finished_run())
    one = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    two = one.copy()
    two[48:] = 255
    assert np.array_equal(running(one)[:16], running(two)[:16])
    assert not np.array_equal(own(one)[:16], own(two)[:16])


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 16, 16, 3), np.float32),
        np.zeros((16, 16), np.uint8),
        np.zeros((1, 1, 16, 16, 3), np.uint8),
        np.zeros((1, 16, 16, 1), np.uint8),
        np.zeros((1, 16, 16, 4), np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_wrong_arrays_are_refused_with_what_was_given(translator, wrong):
    with pytest.raises(ValueError, match="it expects uint8") as caught:
        translator(wrong)
    assert str(wrong.shape) in str(caught.value)


@pytest.mark.slow
def test_checkpoints_are_chosen_by_step(pictures):
    made = {step: p2p_jax.load(finished_run(), checkpoint_step=step) for step in (3, 6, 8, "latest", "best")}
    assert {step: each.step for step, each in made.items() if step != "best"} == {3: 3, 6: 6, 8: 8, "latest": 8}
    assert made["best"].step in (3, 6, 8)
    assert not np.array_equal(made[3](pictures), made[8](pictures))
    assert np.array_equal(made["latest"](pictures), made[8](pictures))


def test_a_broken_picture_is_named(tmp_path, capsys):
    save(tmp_path / "in" / "1.png")
    (tmp_path / "in" / "2.png").write_text("no picture")
    assert translate(tmp_path / "in", "-o", tmp_path / "out") == 2
    assert "2.png" in capsys.readouterr().err


def test_transparent_and_grey_pictures_are_translated(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (16, 16), (1, 2, 3, 0)).save(tmp_path / "in" / "1.png")
    Image.new("L", (16, 16), 100).save(tmp_path / "in" / "2.png")
    assert translate(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert opened(tmp_path / "out" / "1.png").shape == opened(tmp_path / "out" / "2.png").shape == (16, 16, 3)


def test_the_python_entry_takes_a_path_as_text(pictures, translator, tmp_path):
    moved = shutil.copytree(finished_run(), tmp_path / "moved")
    assert np.array_equal(p2p_jax.load(str(moved))(pictures), translator(pictures))


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not the workdir of a run"):
        p2p_jax.load(tmp_path)


def test_unreadable_pictures_are_named_and_the_others_translated(tmp_path, capsys):
    for name in "012":
        save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "1.png").write_text("no picture")
    capsys.readouterr()
    assert translate(tmp_path / "in", "-o", tmp_path / "out", "--batch-size", "2") == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert str(tmp_path / "in" / "1.png") in output.err
    assert "2 pictures written" in output.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "2.png"]

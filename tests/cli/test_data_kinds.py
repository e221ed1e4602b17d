"""Training on pictures of every kind, and translating to files of the same kind."""

from pathlib import Path

import numpy as np
import pytest
from helpers.cases import tiers
from helpers.runs import NO_REPORT, quick_experiment
from PIL import Image

import p2p_jax
from p2p_jax.cli import main
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.pictures import decode, of_file, write_picture
from p2p_jax.data.procedural import facade
from p2p_jax.training import trainer

HEIGHT, WIDTH = 20, 26


def drawn(index: int) -> dict[str, np.ndarray]:
    """One facade in several kinds of picture, (HEIGHT, WIDTH, c)."""
    photo, labels = facade(0, index, size=(HEIGHT, WIDTH))
    grey = np.asarray(Image.fromarray(photo).convert("L"))[..., None]
    hole = np.arange(WIDTH)[None, :, None] < np.full((HEIGHT, 1, 1), 6)
    return {
        "photo": photo,
        "grey": grey,
        "deep": grey.astype(np.uint16) * 256 + np.arange(WIDTH, dtype=np.uint16)[:, None],
        "real": (photo / np.float32(85) - 1)[..., :2].astype(np.float32),
        "four": np.concatenate([photo, grey], axis=-1),
        "labels": labels,
        "void": np.where(hole, 255, (labels[:, :, None] == COLOURS).all(-1).argmax(-1)[..., None]).astype(np.uint8),
        "heights": np.where(hole, -9999, grey).astype(np.float32),
        "ids": (labels[:, :, None] == COLOURS).all(-1).argmax(-1).astype(np.uint8)[..., None],
        "mask": np.where(np.arange(HEIGHT)[:, None, None] > 5, 255, 0).astype(np.uint8).repeat(WIDTH, 1),
    }


# Sides and their kinds of picture; options; ending, dtype and channels of the translated files.
KINDS = {
    "16 bit to real": (
        {"A": "deep", "B": "real"},
        "--data.input.channels 1 --data.input.depth 16 --data.target.channels 2 --data.target.depth float "
        "--data.target.range -1 2",
        (".tiff", np.float32, 2),
    ),
    "grey to 16 bit": (
        {"A": "grey", "B": "deep"},
        "--data.input.channels 1 --data.target.channels 1 --data.target.depth 16",
        (".png", np.uint16, 1),
    ),
    "4 to 1 channels": (
        {"A": "four", "B": "grey"},
        "--data.input.channels 4 --data.target.channels 1",
        (".png", np.uint8, 1),
    ),
    "labels to photo": (
        {"A": "labels", "B": "photo"},
        "--data.input.kind labels --data.input.palette cmp",
        (".png", np.uint8, 3),
    ),
    "photo to classes": (
        {"A": "photo", "B": "ids"},
        "--data.target.kind labels --data.target.classes 12 --data.target.channels 1",
        (".png", np.uint8, 1),
    ),
    "photo to colours of classes": (
        {"A": "photo", "B": "labels"},
        "--data.target.kind labels --data.target.palette cmp",
        (".png", np.uint8, 3),
    ),
    "classes to heights, both with unknown pixels": (
        {"A": "void", "B": "heights"},
        "--data.input.kind labels --data.input.classes 12 --data.input.ignore 255 --data.target.channels 1 "
        "--data.target.depth float --data.target.range 0 255 --data.target.ignore -9999",
        (".tiff", np.float32, 1),
    ),
    "photo to classes, some unknown": (
        {"A": "photo", "B": "void"},
        "--data.target.kind labels --data.target.classes 12 --data.target.channels 1 --data.target.ignore 255",
        (".png", np.uint8, 1),
    ),
    "two inputs, masked": (
        {"A1": "labels", "A2": "grey", "B": "photo", "mask": "mask"},
        "--data.input.channels 3 1",
        (".png", np.uint8, 3),
    ),
    "own sizes": ({"A": "labels", "B": "photo"}, "--data.preprocess none", (".png", np.uint8, 3)),
    "rectangles": ({"A": "labels", "B": "photo"}, "--image-size 16 22 --data.load-size 18 24", (".png", np.uint8, 3)),
}


def write_pairs(folder: Path, sides: dict[str, str]) -> Path:
    for index in range(3):
        pictures = drawn(index)
        for side, kind in sides.items():
            ending = "tiff" if pictures[kind].dtype == np.float32 else "png"
            write_picture(folder / side / f"{index}.{ending}", pictures[kind])
    return folder


REPORTED = ("two inputs, masked", "own sizes", "classes to heights, both with unknown pixels")


@pytest.mark.parametrize("name", tiers(KINDS, 0, slow=3))
def test_every_kind_is_trained_on_and_translated_to_its_own_kind_of_file(tmp_path, monkeypatch, name):
    sides, options, (ending, dtype, channels) = KINDS[name]
    if name not in REPORTED:  # compiling the metrics takes longer than everything else here
        monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    pairs, run = write_pairs(tmp_path / "pairs", sides), tmp_path / "run"
    line = ["--workdir", str(run), "--data.path", str(pairs), *options.split()]
    assert main(["train", quick_experiment(tmp_path), *line]) == 0
    assert (run / ("report/test.png" if name in REPORTED else "samples/step_00000001.png")).is_file()
    inputs = pairs if "A1" in sides else pairs / "A"
    assert main(["translate", str(run), str(inputs), "-o", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{i}{ending}" for i in range(3)]
    pixels = decode(of_file(tmp_path / "out" / f"0{ending}")).pixels
    assert (pixels.shape, pixels.dtype) == ((HEIGHT, WIDTH, channels), dtype)
    if "to classes" in name or "of classes" in name:
        allowed = COLOURS if channels == 3 else np.arange(12, dtype=np.uint8)[:, None]
        assert {tuple(pixel) for pixel in pixels.reshape(-1, channels).tolist()} <= {tuple(c) for c in allowed.tolist()}
    if dtype != np.uint8 and "unknown" not in name:  # those outputs are mostly at the ends of the range
        assert len(np.unique(pixels)) > 256, "more values than 8 bits can hold"


@pytest.mark.slow
def test_a_translator_of_deep_pictures_has_inputs_and_outputs_of_their_depths(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    sides, options, _ = KINDS["16 bit to real"]
    line = ["--workdir", str(tmp_path / "run"), "--data.path", str(write_pairs(tmp_path / "pairs", sides))]
    assert main(["train", quick_experiment(tmp_path), *line, *options.split()]) == 0
    translate = p2p_jax.load(tmp_path / "run")
    made = translate(np.full((16, 16, 1), 40000, np.uint16))
    assert (made.shape, made.dtype) == ((16, 16, 2), np.float32)
    assert made.min() >= -1
    assert made.max() <= 2
    with pytest.raises(ValueError, match="expects uint16"):
        translate(np.zeros((16, 16, 1), np.uint8))


@pytest.mark.slow
def test_labels_are_not_written_in_a_lossy_format(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    sides, options, _ = KINDS["photo to classes"]
    pairs = write_pairs(tmp_path / "pairs", sides)
    assert (
        main(
            [
                "train",
                quick_experiment(tmp_path),
                "--workdir",
                str(tmp_path / "run"),
                "--data.path",
                str(pairs),
                *options.split(),
            ]
        )
        == 0
    )
    capsys.readouterr()
    assert main(["translate", str(tmp_path / "run"), str(pairs / "A"), "-o", str(tmp_path / "out"), "--format", "jpg"]) == 2
    assert "labels cannot be written as .jpg" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_values_beyond_the_range_are_refused_unless_they_are_clipped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    pairs, run = write_pairs(tmp_path / "pairs", {"A": "real", "B": "deep"}), tmp_path / "run"
    options = (
        "--data.input.channels 2 --data.input.depth float --data.input.range -1 2 --data.target.channels 1 "
        "--data.target.depth 16"
    )
    line = ["--workdir", str(run), "--data.path", str(pairs), *options.split()]
    assert main(["train", quick_experiment(tmp_path), *line]) == 0
    values = drawn(0)["real"].copy()
    values[:4], values[4:8] = 1e9, -50
    write_picture(tmp_path / "new" / "beyond.tiff", values)
    write_picture(tmp_path / "new" / "clipped.tiff", values.clip(-1, 2))
    translate = ["translate", str(run), str(tmp_path / "new"), "-o", str(tmp_path / "out")]
    capsys.readouterr()
    assert main(translate) == 2
    err = capsys.readouterr().err
    assert "from -50 to 1e+09, outside of -1 to 2: give pictures like those of training, or --clip" in err
    assert main([*translate, "--clip", "--overwrite"]) == 0
    assert (tmp_path / "out" / "beyond.png").read_bytes() == (tmp_path / "out" / "clipped.png").read_bytes()
    done = p2p_jax.translate(run, tmp_path / "new" / "beyond.tiff", tmp_path / "python", clip=True)
    assert done.written[0].read_bytes() == (tmp_path / "out" / "beyond.png").read_bytes()

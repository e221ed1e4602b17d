"""Figures of a translator and of two baselines, compared with figures computed by hand."""

import json
import signal

import numpy as np
import pytest
from helpers.runs import finished_run, folder_of_pairs, folder_run

from p2p_jax.cli import main
from p2p_jax.config import Config, Data, Side
from p2p_jax.data.fit import Fit
from p2p_jax.data.loading import open_dataset
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.values import to_255
from p2p_jax.evaluation import evaluate, explain, partial_scores, scoring
from p2p_jax.evaluation.baselines import baselines

FIT = Fit("resize_and_crop", (32, 32), (32, 32))


def read_both(pairs, index):
    pair = pairs.read(index, FIT)
    return pair["input"], pair["target"]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Six pairs, of which two are for the test; each target is the negative of its input."""
    folder = tmp_path_factory.mktemp("data") / "pairs"
    data = Data(path=str(folder_of_pairs(folder)), test_fraction=0.34)
    return Config(image_size=32, data=data)


@pytest.mark.slow
def test_a_perfect_translator_has_perfect_figures(config):
    pairs = open_dataset(config).splits["train"]
    figures = scoring.score(pairs, lambda pictures: 255 - pictures, FIT)
    assert figures["l1"] == 0
    assert figures["ssim"] == pytest.approx(1, abs=1e-6)
    assert figures["psnr"] == 100


def test_figures_are_means_over_the_pictures(config):
    pairs = open_dataset(config).splits["train"]
    figures = scoring.score(pairs, lambda pictures: pictures, FIT)
    differences = [np.abs(np.subtract(*read_both(pairs, i), dtype=np.float64)) for i in range(4)]
    assert figures["l1"] == pytest.approx(np.mean([d.mean() / 127.5 for d in differences]), rel=1e-5)
    assert figures["psnr"] == pytest.approx(np.mean([10 * np.log10(255**2 / (d**2).mean()) for d in differences]), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [3])
def test_the_batch_size_does_not_change_the_figures(config, batch_size):
    pairs = open_dataset(config).splits["train"]
    expected = scoring.score(pairs, lambda pictures: pictures, FIT)
    assert scoring.score(pairs, lambda pictures: pictures, FIT, batch_size=batch_size) == pytest.approx(expected, rel=1e-5)


def test_only_the_first_pairs_are_measured_if_asked(config):
    pairs = open_dataset(config).splits["train"]
    l1 = [np.abs(np.subtract(*read_both(pairs, i), dtype=np.float64)).mean() / 127.5 for i in range(4)]
    for count, expected in ((1, l1[0]), (2, np.mean(l1[:2])), (99, np.mean(l1))):
        figures = scoring.score(pairs, lambda pictures: pictures, FIT, count=count)
        assert figures["l1"] == pytest.approx(expected, rel=1e-5)


def test_the_baselines_are_the_input_and_the_mean_target_of_training(config):
    splits = open_dataset(config).splits
    targets = [splits["train"].read(i, FIT)["target"] for i in range(4)]
    mean = np.round(np.mean(targets, axis=0)).astype(np.uint8)
    figures = evaluate.evaluate_translator(config, lambda pictures: 255 - pictures, step=7)
    assert (figures.step, figures.split, figures.pairs, figures.replaced) == (7, "test", 2, 0)
    assert set(figures.scores) == {"translator", "input itself", "mean training target", "nearest input's target"}
    tests = [read_both(splits["test"], i) for i in range(2)]
    by_hand = {
        "translator": 0,
        "input itself": np.mean([np.abs(a.astype(float) - b).mean() for a, b in tests]) / 127.5,
        "mean training target": np.mean([np.abs(mean.astype(float) - b).mean() for _, b in tests]) / 127.5,
    }
    for name, l1 in by_hand.items():
        assert figures.scores[name]["l1"] == pytest.approx(l1, rel=1e-5), name


def test_the_input_baseline_converts_grey_to_colour_and_colour_to_grey(config):
    for inputs, targets in ((1, 3), (3, 1)):
        data = Data(path=config.data.path, input=Side(channels=(inputs,)), target=Side(channels=(targets,)))
        changed = Config(image_size=32, data=data)
        splits = open_dataset(changed).splits
        outputs = baselines(splits["train"], changed)["input itself"](np.full((2, 32, 32, inputs), 7, np.uint8))
        assert outputs.shape == (2, 32, 32, targets)
        assert (outputs == 7).all()


@pytest.mark.parametrize(
    ("splits", "asked", "chosen"),
    [
        (("train", "val", "test"), None, "test"),
        (("train", "val"), None, "val"),
        (("train",), None, "train"),
        (("train", "test"), "train", "train"),
    ],
)
def test_the_split_is_the_one_asked_for_or_the_first_of_test_val_and_train(splits, asked, chosen):
    assert evaluate.choose_split(dict.fromkeys(splits), {}, asked, "x") == chosen


def test_a_missing_split_is_refused_with_a_list_of_the_others(capsys):
    assert main(["evaluate", str(folder_run()), "--split", "val"]) == 2
    assert "has no split val: it has train." in capsys.readouterr().err


def test_the_command_prints_json(capsys):
    finished_run()
    capsys.readouterr()
    assert main(["evaluate", str(finished_run()), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["step"], result["split"], result["pairs"]) == (8, "test", 1)
    stored = json.loads((finished_run() / "report" / "figures.json").read_text())
    for name, figures in result["figures"].items():
        assert figures == pytest.approx(stored["figures"][name], rel=1e-5)


def test_the_command_prints_a_table(capsys):
    assert main(["evaluate", str(finished_run()), "--checkpoint", "3", "--split", "train"]) == 0
    output = capsys.readouterr().out
    assert "step 3" in output
    assert "mean training target" in output
    assert "8 pairs of the split 'train'" in output


def test_moved_pictures_are_evaluated_in_their_new_place(tmp_path, capsys):
    pairs = folder_of_pairs(tmp_path / "moved", 3)
    folder_run()
    capsys.readouterr()
    assert main(["evaluate", str(folder_run()), "--data-path", str(pairs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 3


@pytest.mark.parametrize("kind", ["four", "deep", "classes"])
def test_the_input_baseline_works_for_every_kind_of_side(tmp_path, kind):
    random = np.random.default_rng(0)
    pixels, side = {
        "four": (random.integers(0, 256, (32, 32, 4), np.uint8), Side(channels=(4,))),
        "deep": (random.integers(0, 65536, (32, 32, 1)).astype(np.uint16), Side(channels=(1,), depth="16")),
        "classes": (random.integers(0, 3, (32, 32, 1)).astype(np.uint8), Side(kind="labels", channels=(1,), classes=3)),
    }[kind]
    for part in "AB":
        write_picture(tmp_path / part / "1.png", pixels)
    config = Config(image_size=32, data=Data(path=str(tmp_path), input=side, target=side))
    train = open_dataset(config).splits["train"]
    output = baselines(train, config)["input itself"](train.read(0, FIT)["input"][None])
    np.testing.assert_allclose(output[0], to_255(side, train.read(0, FIT)["target"]), rtol=1e-5)


def test_a_label_target_has_metrics_of_labels_and_none_of_pictures(tmp_path):
    random = np.random.default_rng(0)
    maps = random.integers(0, 3, (4, 16, 16, 1)).astype(np.uint8)
    for index, numbers in enumerate(maps):
        write_picture(tmp_path / "A" / f"{index}.png", np.repeat(numbers * 100, 3, -1))
        write_picture(tmp_path / "B" / f"{index}.png", numbers)
    side = Side(kind="labels", channels=(1,), classes=3)
    config = Config(image_size=16, data=Data(path=str(tmp_path), target=side, test_fraction=0.5))
    figures = evaluate.evaluate_translator(config, lambda pictures: np.uint8(pictures[..., :1] > 50) * 2, step=1)
    labels = {"pixel_accuracy", "class_accuracy", "iou", "frequency_weighted_iou"}
    assert set(figures.scores["translator"]) == {"l1", "psnr", "ssim"} | labels
    assert not labels & set(figures.scores["input itself"])
    pairs = open_dataset(config).splits["test"]
    true = np.stack([pairs.read(index, Fit("resize_and_crop", (16, 16), (16, 16)))["target"] for index in range(2)])
    assert figures.scores["translator"]["pixel_accuracy"] == pytest.approx((true != 1).mean(), rel=1e-6)
    parts = [(true == 0).sum() / (true == 0).sum(), 0, (true == 2).sum() / (true > 0).sum()]
    assert figures.scores["translator"]["iou"] == pytest.approx(np.mean(parts), rel=1e-6)
    assert [row[i] for row in explain.figures_table(figures) if row[0] == "IoU" for i in (0, 3)] == ["IoU", "-"]


def test_metrics_that_pairs_lack_are_named(config):
    figures = evaluate.evaluate_translator(config, lambda pictures: 255 - pictures, step=7)
    expected = ["l1", "psnr", "ssim", "haarpsi", "sharpness", "checkerboard", "colour_distance"]
    assert list(figures.scores["translator"]) == expected
    assert figures.scores["translator"]["sharpness"] == pytest.approx(1)
    assert figures.notes[0].startswith("MS-SSIM: no pair has it, because each side of a picture needs at least 161 pixels")
    assert figures.notes[0] in explain.remarks(figures)
    assert figures.as_json()["notes"] == list(figures.notes)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [KeyboardInterrupt, lambda: signal.raise_signal(signal.SIGTERM)])
def test_a_stopped_evaluation_resumes_with_the_same_figures(tmp_path, monkeypatch, capsys, stop):
    line = ["evaluate", str(finished_run()), "--split", "train", "--json"]
    capsys.readouterr()  # the training of the run, if this is its first use
    assert main(line) == 0
    expected = json.loads(capsys.readouterr().out)
    batches_of = scoring.batches_of
    monkeypatch.setattr(scoring, "batches_of", lambda pairs, fit, indices, _: batches_of(pairs, fit, indices, 2))
    assert main(line) == 0
    in_small_batches = json.loads(capsys.readouterr().out)

    measured = []

    def stopping(pairs, fit, indices, _):
        measured.append(list(indices))
        for index, batch in enumerate(batches_of(pairs, fit, indices, 2)):
            if index == 2:
                code = stop()
                if isinstance(code, BaseException):
                    raise code
            yield batch

    monkeypatch.setattr(scoring, "batches_of", stopping)
    monkeypatch.setattr(partial_scores, "SAVE_INTERVAL", 0.0)
    partial = tmp_path / "partial"
    line += ["--partial", str(partial)]
    assert [main(line), main(line)] == [130 if stop is KeyboardInterrupt else 75, 0]
    assert measured == [list(range(8)), list(range(4, 8))]
    found = json.loads(capsys.readouterr().out)
    assert found == in_small_batches
    assert found["figures"]["translator"] == pytest.approx(expected["figures"]["translator"], rel=1e-5)
    assert not list(partial.iterdir())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["evaluate", str(finished_run()), "--partial", str(tmp_path / "file" / "folder")]) == 2
    message = capsys.readouterr().err
    assert (
        message == f"p2p-jax: the folder {tmp_path}/file/folder cannot be made (not a directory): give another --partial.\n"
    )

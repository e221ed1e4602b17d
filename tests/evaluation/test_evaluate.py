"""Figures: right for what can be said by hand, beside two baselines."""

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
from p2p_jax.evaluation import evaluate, partial_sums

FIT = Fit("resize_and_crop", (32, 32), (32, 32))


def both(pairs, index):
    pair = pairs.read(index, FIT)
    return pair["input"], pair["target"]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Six pairs, each target the negative of its input; two of them for the test."""
    folder = tmp_path_factory.mktemp("data") / "pairs"
    data = Data(path=str(folder_of_pairs(folder)), test_fraction=0.34)
    return Config(image_size=32, data=data)


def test_a_perfect_translator_has_perfect_figures(config):
    pairs = open_dataset(config).splits["train"]
    figures = evaluate.score(pairs, lambda pictures: 255 - pictures, FIT)
    assert figures["l1"] == 0
    assert figures["ssim"] == pytest.approx(1, abs=1e-6)
    assert figures["psnr"] == 100


def test_figures_are_means_over_the_pictures(config):
    pairs = open_dataset(config).splits["train"]
    figures = evaluate.score(pairs, lambda pictures: pictures, FIT)
    differences = [np.abs(np.subtract(*both(pairs, i), dtype=np.float64)) for i in range(4)]
    assert figures["l1"] == pytest.approx(np.mean([d.mean() / 127.5 for d in differences]), rel=1e-5)
    assert figures["psnr"] == pytest.approx(np.mean([10 * np.log10(255**2 / (d**2).mean()) for d in differences]), rel=1e-5)


@pytest.mark.parametrize("batch_size", [3])
def test_the_batch_size_does_not_change_the_figures(config, batch_size):
    pairs = open_dataset(config).splits["train"]
    expected = evaluate.score(pairs, lambda pictures: pictures, FIT)
    assert evaluate.score(pairs, lambda pictures: pictures, FIT, batch_size=batch_size) == pytest.approx(expected, rel=1e-5)


def test_only_as_many_pairs_are_looked_at_as_asked(config):
    pairs = open_dataset(config).splits["train"]
    l1 = [np.abs(np.subtract(*both(pairs, i), dtype=np.float64)).mean() / 127.5 for i in range(4)]
    for count, expected in ((1, l1[0]), (2, np.mean(l1[:2])), (99, np.mean(l1))):
        figures = evaluate.score(pairs, lambda pictures: pictures, FIT, count=count)
        assert figures["l1"] == pytest.approx(expected, rel=1e-5)


def test_the_baselines_are_the_input_and_the_mean_target_of_training(config):
    splits = open_dataset(config).splits
    targets = [splits["train"].read(i, FIT)["target"] for i in range(4)]
    mean = np.round(np.mean(targets, axis=0)).astype(np.uint8)
    result = evaluate.evaluate(config, lambda pictures: 255 - pictures)
    assert (result["split"], result["pairs"]) == ("test", 2)
    assert set(result["figures"]) == {"translator", "input itself", "mean training target"}
    tests = [both(splits["test"], i) for i in range(2)]
    by_hand = {
        "translator": 0,
        "input itself": np.mean([np.abs(a.astype(float) - b).mean() for a, b in tests]) / 127.5,
        "mean training target": np.mean([np.abs(mean.astype(float) - b).mean() for _, b in tests]) / 127.5,
    }
    for name, l1 in by_hand.items():
        assert result["figures"][name]["l1"] == pytest.approx(l1, rel=1e-5), name


def test_grey_input_stands_as_colour_and_colour_as_grey(config):
    for inputs, targets in ((1, 3), (3, 1)):
        data = Data(path=config.data.path, input=Side(channels=(inputs,)), target=Side(channels=(targets,)))
        changed = Config(image_size=32, data=data)
        splits = open_dataset(changed).splits
        made = evaluate.baselines(splits["train"], changed)["input itself"](np.full((2, 32, 32, inputs), 7, np.uint8))
        assert made.shape == (2, 32, 32, targets)
        assert (made == 7).all()


@pytest.mark.parametrize(
    ("there", "asked", "chosen"),
    [
        (("train", "val", "test"), None, "test"),
        (("train", "val"), None, "val"),
        (("train",), None, "train"),
        (("train", "test"), "train", "train"),
    ],
)
def test_the_split_is_the_one_asked_for_or_the_hardest(there, asked, chosen):
    assert evaluate.choose_split(dict.fromkeys(there), asked, "x") == chosen


def test_a_split_that_is_not_there_is_refused_with_those_that_are(capsys):
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


def test_pictures_that_were_moved_are_evaluated_where_they_are(tmp_path, capsys):
    pairs = folder_of_pairs(tmp_path / "moved", 3)
    folder_run()
    capsys.readouterr()
    assert main(["evaluate", str(folder_run()), "--data-path", str(pairs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 3


@pytest.mark.parametrize("kind", ["four", "deep", "classes"])
def test_the_baseline_of_equal_sides_is_the_input_whatever_its_kind(tmp_path, kind):
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
    guess = evaluate.baselines(train, config)["input itself"](train.read(0, FIT)["input"][None])
    np.testing.assert_allclose(guess[0], to_255(side, train.read(0, FIT)["target"]), rtol=1e-5)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, lambda: signal.raise_signal(signal.SIGTERM)])
def test_a_stopped_evaluation_goes_on_with_the_same_figures(tmp_path, monkeypatch, capsys, stop):
    line = ["evaluate", str(finished_run()), "--split", "train", "--json"]
    assert main(line) == 0
    expected = json.loads(capsys.readouterr().out)
    batches_of = evaluate.batches_of
    monkeypatch.setattr(evaluate, "batches_of", lambda pairs, fit, share, _: batches_of(pairs, fit, share, 2))
    assert main(line) == 0
    in_small_batches = json.loads(capsys.readouterr().out)

    looked_at = []

    def stopping(pairs, fit, share, _):
        looked_at.append(list(share))
        for index, batch in enumerate(batches_of(pairs, fit, share, 2)):
            if index == 2:
                code = stop()
                if isinstance(code, BaseException):
                    raise code
            yield batch

    monkeypatch.setattr(evaluate, "batches_of", stopping)
    monkeypatch.setattr(partial_sums, "EVERY", 0.0)
    partial = tmp_path / "partial"
    line += ["--partial", str(partial)]
    assert [main(line), main(line)] == [130 if stop is KeyboardInterrupt else 75, 0]
    assert looked_at == [list(range(8)), list(range(4, 8))]
    found = json.loads(capsys.readouterr().out)
    assert found == in_small_batches
    assert found["figures"]["translator"] == pytest.approx(expected["figures"]["translator"], rel=1e-5)
    assert not list(partial.iterdir())


def test_a_folder_that_cannot_be_made_is_told(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["evaluate", str(finished_run()), "--partial", str(tmp_path / "file" / "folder")]) == 2
    said = capsys.readouterr().err
    assert said == f"p2p-jax: the folder {tmp_path}/file/folder cannot be made (not a directory): give another --partial.\n"


def test_a_tally_is_of_what_it_was_of_and_a_damaged_one_starts_anew(tmp_path):
    first = partial_sums.PartialSums((1, 2), tmp_path, ["a"])
    first.sums += 0.1
    first.done, first.replaced = 3, {1, 2}
    first.keep(at_once=True)
    again, other = partial_sums.PartialSums((1, 2), tmp_path, ["a"]), partial_sums.PartialSums((1, 2), tmp_path, ["b"])
    assert (again.done, again.sums.tolist(), again.replaced) == (3, [[0.1, 0.1]], {1, 2})
    assert (other.done, other.sums.tolist(), other.replaced) == (0, [[0, 0]], set())
    first.path.write_text("{")
    with pytest.warns(UserWarning, match="is damaged: what it should hold is measured again"):
        assert partial_sums.PartialSums((1, 2), tmp_path, ["a"]).done == 0

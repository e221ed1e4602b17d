"""Scores of a report are used if they are the same as would be measured; anything else is measured."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import finished_run

from p2p_jax import Config, Data, Figures, Side
from p2p_jax.data.loading import open_dataset
from p2p_jax.data.pictures import write_picture
from p2p_jax.evaluation.comparison.candidates import Candidate, open_runs
from p2p_jax.evaluation.comparison.scores import Wanted, align, measure, read_scores
from p2p_jax.evaluation.comparison.statistics import measure_runs
from p2p_jax.evaluation.evaluate import evaluate_translator
from p2p_jax.experiment import Experiment, build_paper
from p2p_jax.files.writing import write_text
from p2p_jax.inference.translate import load
from p2p_jax.workdir.record import save_record

CONFIG = Config(image_size=16, data=Data(source="procedural", count=8))


def make_run(folder: Path) -> Path:
    """A workdir of a record and a report, without checkpoints."""
    save_record(folder, Experiment("pix2pix", CONFIG, build_paper), "procedural 0 8")
    scores = {"l1": 0.5, "psnr": 12.0, "ssim": 0.25}
    figures = Figures(
        8, "test", 1, 0, {"translator": scores}, {}, {}, ("facade_9",), {name: (each,) for name, each in scores.items()},
        fingerprint="procedural 0 8",
    )  # fmt: skip
    write_text(folder / "report" / "figures.json", json.dumps(figures.as_json()))
    return folder


@pytest.fixture
def run(tmp_path):
    folders = [make_run(tmp_path / name) for name in "ab"]
    return open_runs(list(map(str, folders)), folders, data_path=None, trust=False, build=None)[0]


def wanted_of(run, *, step=8, split="test", metrics=(), required=False):
    return Wanted(step, split, run.dataset, metrics, required)


def change(run, **values):
    path = run.folder / "report" / "figures.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.slow
def test_scores_of_a_report_are_those_that_would_be_measured(tmp_path):
    other = make_run(tmp_path / "other")
    folders = [finished_run(), other]
    run = open_runs(list(map(str, folders)), folders, data_path=None, trust=False, build=None)[0]
    wanted = wanted_of(run)
    stored = read_scores(run, wanted)
    measured = measure(run, load(run.folder), wanted, inception=None, partial=None, on_done=lambda done, total: None)
    assert (stored.measured, measured.measured) == (False, True)
    assert stored.columns == measured.columns
    np.testing.assert_allclose(stored.rows, measured.rows, rtol=1e-5)


@pytest.mark.slow
def test_scores_of_label_maps_hold_the_counts_of_their_classes(tmp_path):
    random = np.random.default_rng(0)
    for index, numbers in enumerate(random.integers(0, 3, (4, 16, 16, 1)).astype(np.uint8)):
        write_picture(tmp_path / "A" / f"{index}.png", np.repeat(numbers * 100, 3, -1))
        write_picture(tmp_path / "B" / f"{index}.png", numbers)
    side = Side(kind="labels", channels=(1,), classes=3)
    config = Config(image_size=16, data=Data(path=str(tmp_path), target=side, test_fraction=0.5))
    figures = evaluate_translator(config, lambda pictures: np.uint8(pictures[..., :1] > 50) * 2, step=8)
    save_record(tmp_path / "run", Experiment("pix2pix", config, build_paper), figures.fingerprint)
    write_text(tmp_path / "run" / "report" / "figures.json", json.dumps(figures.as_json()))
    dataset = open_dataset(config)
    run = Candidate("a", tmp_path / "run", Experiment("pix2pix", config, build_paper), {}, dataset)
    found = read_scores(run, wanted_of(run))
    measured, _ = measure_runs(found.columns, [found.rows])
    assert figures.scores["translator"]["iou"] > 0
    assert {name: float(each.values[0]) for name, each in measured.items()} == pytest.approx(figures.scores["translator"])
    change(run, counts=[[1.0, 2.0], None])
    with pytest.warns(UserWarning, match="counts has 2 values, not 9"):
        assert read_scores(run, wanted_of(run)) is None


def test_scores_of_another_checkpoint_split_or_data_set_are_not_used(run):
    assert read_scores(run, wanted_of(run)) is not None
    assert read_scores(run, wanted_of(run, step=6)) is None
    assert read_scores(run, wanted_of(run, split="val")) is None
    change(run, fingerprint="another")
    assert read_scores(run, wanted_of(run)) is None


@pytest.mark.parametrize("values", [{"replaced": 1}, {"pictures": {"names": ["another"], "l1": [0.5]}}])
def test_scores_of_other_pairs_are_not_used(run, values):
    change(run, **values)
    assert read_scores(run, wanted_of(run)) is None


def test_scores_of_an_older_version_are_not_used(run):
    path = run.folder / "report" / "figures.json"
    path.write_text(json.dumps({"step": 8, "split": "test", "pairs": 1, "replaced": 0, "figures": {}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_scores(run, wanted_of(run)) is None
    path.unlink()
    assert read_scores(run, wanted_of(run)) is None


DAMAGED = {
    "no JSON": (lambda path: path.write_text("{"), "not valid JSON"),
    "a list": (lambda path: path.write_text("[]"), "not an object"),
    "deep": (lambda path: path.write_text("[" * 200_000), "nested too deeply"),
    "text for a number": (lambda path: replace_values(path, step="8"), "step is 8, not a whole number"),
    "too few values": (lambda path: replace_pictures(path, l1=[]), "l1 has 0 values, not 1"),
    "no numbers": (lambda path: replace_pictures(path, l1=["<b>"]), "l1 is <b>"),
    "infinite": (lambda path: replace_pictures(path, l1=[float("inf")]), "l1 is Infinity, not a finite number"),
}


def replace_values(path: Path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def replace_pictures(path: Path, **values):
    replace_values(path, pictures=json.loads(path.read_text())["pictures"] | values)


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_named_and_not_used(run, kind):
    damage, words = DAMAGED[kind]
    damage(run.folder / "report" / "figures.json")
    with pytest.warns(UserWarning, match="the run is measured again.$") as caught:
        assert read_scores(run, wanted_of(run)) is None
    assert words in str(caught[0].message)


def test_metrics_that_nobody_knows_are_ignored_and_outputs_that_are_not_finite_are_kept(run):
    path = run.folder / "report" / "figures.json"
    replace_pictures(path, beauty=[1.0], ssim=[None])
    figures = json.loads(path.read_text())["figures"]
    figures["translator"] |= {"ssim": None, "kid_vgg16": 3.0}
    replace_values(path, figures=figures)
    found = read_scores(run, wanted_of(run))
    assert "beauty" not in found.columns.names
    assert found.rows[0, found.columns.names.index("ssim")] == np.inf
    assert found.sets == {"kid_vgg16": (3.0, None)}


def test_only_metrics_that_all_runs_have_are_compared(run):
    both = read_scores(run, wanted_of(run))
    fewer = both._replace(columns=both.columns._replace(names=both.columns.names[:2]), rows=both.rows[:, :2])
    columns, tables, absent = align([both, fewer], run.config.data.target)
    assert both.rows.tolist() == [[0.5, 12.0, 0.25]]
    assert columns.names == both.columns.names[:2]
    assert absent == list(both.columns.names[2:])
    np.testing.assert_array_equal(tables[0], tables[1])

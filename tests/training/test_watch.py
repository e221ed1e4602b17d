"""What a run says of itself: when its patience ends, across resumes, and each diagnosis once."""

import functools
import shutil

import pytest
from helpers.runs import DRAWN, NO_REPORT, crash, finished_run, leaves_of, rows_of, steps_of, stop_after, train

from p2p_jax.config import Config
from p2p_jax.training import previews, trainer
from p2p_jax.training.watch import Best, Watch, next_best
from p2p_jax.workdir import checkpoint

OPTIONS = (*DRAWN, "--steps", "12", "--checkpoint-every", "1", "--sample-every", "50", "--log-every", "50", "--keep", "1")
VALUES = {1: 0.2, 2: 0.9, 3: 0.1, 4: 0.95, 5: 0.3, 6: 0.2, 7: 0.9, 8: 0.99}
"""{step: haarpsi}: the first value without a better one among the next three is that of step 4."""


def validations(*values, name="val_ssim"):
    return [{"step": float(step), name: value} for step, value in enumerate(values, start=1)]


def find_best(metric, figures):
    return functools.reduce(functools.partial(next_best, metric), figures, None)


def test_the_best_validation_is_the_first_of_equal_ones():
    assert find_best("ssim", validations(0.1, 0.5, 0.5, 0.2)) == Best(2, 0.5, 2, 0.2)
    assert find_best("val_l1", validations(0.1, 0.5, 0.05, name="val_l1")) == Best(3, 0.05, 0, 0.05)
    assert find_best("sharpness", validations(3.0, 1.2, 0.9, name="val_sharpness")) == Best(3, 0.9, 0, 0.9)


def test_validations_without_the_metric_do_not_count():
    mixed = [*validations(0.3, name="val_l1"), *validations(0.5, float("nan"), 0.4)]
    assert find_best("ssim", mixed) == Best(1, 0.5, 1, 0.4)
    assert find_best("ssim", []) is None


def test_patience_ends_after_so_many_validations_without_a_better_one():
    watch = Watch(Config(patience=2))
    ends = []
    for row in validations(0.5, 0.4, 0.6, 0.6, 0.5, 0.9):
        watch.note(row)
        ends.append(watch.over is not None)
    assert ends == [False, False, False, False, True, False]


def test_each_kind_of_sentence_is_said_once():
    watch = Watch(Config(steps=1000))
    figures = {"sample_variation": 0.01, "val_l1": 0.2}
    said = []
    for step in (400, 500, 600, 700):
        watch.note({"step": step, **figures})
        said.append([sentence[:20] for sentence in watch.new_sentences()])
    assert said == [["No validation pair h"], [], ["The outputs are near"], []]


@pytest.fixture
def scores(monkeypatch):
    """Validations with `VALUES` of HaarPSI in place of measured ones, by the number of rows that are in the run's file."""
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)

    def use(workdir):
        def score(*_, **options):
            assert options["names"] == ("l1", "psnr", "ssim", "haarpsi")
            done = len(rows_of(workdir)) if (workdir / "metrics.jsonl").exists() else 0
            return {"l1": 0.1, "psnr": 1.0, "ssim": 0.5, "haarpsi": VALUES.get(done + 1, 0.5)}

        monkeypatch.setattr(previews.scoring, "score", score)

    return use


def said_in(capsys):
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_patience_ends_a_run_though_it_was_stopped_and_a_higher_one_goes_on(tmp_path, monkeypatch, capsys, scores):
    run, options = tmp_path / "run", (*OPTIONS, "--best-metric", "haarpsi", "--patience", "3")
    scores(run)
    with monkeypatch.context() as patch:
        stop_after(patch, 5, crash)
        assert train(run, *options) == 70
    assert steps_of(run)[-1] == 5
    assert train(run, *options) == 0
    ended = "The run ended at step 7 of 12 by --patience 3: the last 3 validations were no better than that of step 4"
    said = said_in(capsys)
    assert ended in said
    assert "(val_haarpsi 0.95, and 0.9 at the end)" in said
    assert said.count(f"translate {run} PICTURES --output translated --checkpoint best") == 2
    assert steps_of(run) == [4, 7]
    assert checkpoint.restore_params(run, "best", best_metric="haarpsi")[2] == 4

    before = leaves_of(run)
    assert train(run, *options) == 0
    assert ended in said_in(capsys), "the same command says so again"
    assert leaves_of(run) == before

    assert train(run, "--patience", "4") == 0
    assert "The run ended" not in said_in(capsys)
    assert steps_of(run) == [8, 12]


@pytest.mark.slow
def test_another_metric_may_choose_the_best_checkpoint_of_a_resumed_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    run = shutil.copytree(finished_run(), tmp_path / "run")
    with pytest.raises(ValueError, match="because none has the figure val_sharpness"):
        checkpoint.restore_params(run, "best", best_metric="sharpness")
    assert train(run, "--steps", "10", "--best-metric", "sharpness") == 0
    assert {"val_l1", "val_psnr", "val_ssim", "val_sharpness"} <= set(rows_of(run)[-1])
    assert checkpoint.restore_params(run, "best", best_metric="sharpness")[2] in (9, 10)
    assert checkpoint.restore_params(run, "best", best_metric="val_ssim")[2] in steps_of(run)
    capsys.readouterr()


def test_patience_without_validation_pairs_is_refused_before_anything_is_written(tmp_path, capsys):
    options = ("--data.source", "folder", "--data.path", str(finished_run() / "samples"), "--patience", "2")
    assert train(tmp_path / "run", *DRAWN, *options, "--data.layout", "side_by_side") == 2
    assert "--patience was given 2, but the data have no validation pairs" in capsys.readouterr().err
    assert not (tmp_path / "run" / "experiment.json").exists()

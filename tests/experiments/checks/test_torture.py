"""The torture of runs, a little of it; and that it would notice."""

import random
import shutil
import threading

import pytest
from helpers.runs import finished_run
from rich.console import Console

from experiments.checks.torture import __main__ as torture
from experiments.checks.torture import faults, trial
from experiments.checks.torture.trial import Trial, lost, outcome


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A run with checkpoints 3, 6 and 8, all of which it had to keep."""
    monkeypatch.setattr(trial, "STEPS", 8)
    shutil.copytree(finished_run(), tmp_path / "run")
    return Trial(tmp_path, tmp_path / "caches", random.Random(0), threading.Event(), finished={3, 6, 8})


def checkpoint_of(finished, step):
    return finished.workdir / "checkpoints" / str(step)


def spoil(folder):
    file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:100])


def test_checkpoints_that_are_gone_or_damaged_are_lost(finished):
    assert lost(finished) == []
    shutil.rmtree(checkpoint_of(finished, 6))
    assert lost(finished) == [6]
    spoil(checkpoint_of(finished, 8) / "generator")
    assert lost(finished) == [8]


def test_those_that_the_run_need_not_keep_are_not_lost(finished):
    finished.keep = 2
    shutil.rmtree(checkpoint_of(finished, 3))
    assert lost(finished) == []


def test_those_that_were_damaged_here_are_not_lost(finished):
    finished.damaged.add(checkpoint_of(finished, 8).stat().st_ino)
    spoil(checkpoint_of(finished, 8) / "generator")
    assert lost(finished) == []


def test_another_end_is_noticed(finished):
    before = outcome(finished)
    rows = finished.workdir / "metrics.jsonl"
    rows.write_text(rows.read_text().replace('"step": 4', '"step": 5'))
    (finished.workdir / "samples" / "step_00000004.png").unlink()
    shutil.rmtree(checkpoint_of(finished, 8))
    checkpoint_of(finished, 6).rename(checkpoint_of(finished, 8))
    after = outcome(finished)
    different = {name for name in before if before[name] != after[name]}
    assert {"losses", "sample grids", "['training']['step']"} <= different


@pytest.mark.parametrize("count", ["lost", "wrong", "differing"])
def test_the_table_tells_and_the_exit_code_too(capsys, count):
    name = "killed while it saves"
    assert torture.report(torture.Tally(), 61, Console()) == 0
    tally = torture.Tally(complaints=["it was so"])
    tally.times[name] = 3
    getattr(tally, count)[name] = 1
    assert torture.report(tally, 61, Console(width=200)) == 1
    said = capsys.readouterr().out
    assert "it was so" in said
    assert name in said


@pytest.mark.slow
def test_runs_that_are_killed_end_as_those_left_in_peace(monkeypatch, capsys):
    short = [word.replace("120", "24") for word in trial.OPTIONS]
    monkeypatch.setattr(trial, "OPTIONS", short)
    monkeypatch.setattr(faults, "TRAINING", 0.3)
    for module in (trial, torture):
        monkeypatch.setattr(module, "STEPS", 24)
    chosen = {"killed": (faults.kill_saving, 1), "flipped": (faults.flip_bit, 1)}
    monkeypatch.setattr(torture, "FAULTS", chosen)
    code = torture.main(["--kills", "2", "--at-once", "1", "--seed", "1"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "runs of 24 steps, 2 kills" in said

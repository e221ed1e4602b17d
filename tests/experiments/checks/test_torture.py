"""The torture: which damage it notices, and a short torture of real runs."""

import random
import shutil
import threading

import pytest
from helpers.runs import finished_run
from rich.console import Console

from experiments.checks.torture import command, faults, trial
from experiments.checks.torture.trial import Trial, final_arrays, lost_checkpoints


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A finished run with checkpoints 3, 6 and 8, all of which it must keep."""
    monkeypatch.setattr(trial, "STEPS", 8)
    shutil.copytree(finished_run(), tmp_path / "run")
    return Trial(tmp_path, tmp_path / "caches", random.Random(0), threading.Event(), finished={3, 6, 8})


def checkpoint_of(finished, step):
    return finished.workdir / "checkpoints" / str(step)


def spoil(folder):
    file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.slow
def test_missing_and_damaged_checkpoints_are_lost(finished):
    assert lost_checkpoints(finished) == []
    shutil.rmtree(checkpoint_of(finished, 6))
    assert lost_checkpoints(finished) == [6]
    spoil(checkpoint_of(finished, 8) / "generator")
    assert lost_checkpoints(finished) == [8]


def test_checkpoints_beyond_those_to_keep_are_not_lost(finished):
    finished.keep = 2
    shutil.rmtree(checkpoint_of(finished, 3))
    assert lost_checkpoints(finished) == []


def test_checkpoints_that_a_fault_damaged_are_not_lost(finished):
    finished.damaged.add(checkpoint_of(finished, 8).stat().st_ino)
    spoil(checkpoint_of(finished, 8) / "generator")
    assert lost_checkpoints(finished) == []


def test_a_different_end_is_noticed(finished, monkeypatch):
    before = final_arrays(finished)
    rows = finished.workdir / "metrics.jsonl"
    rows.write_text(rows.read_text().replace('"step": 4', '"step": 5'))
    (finished.workdir / "samples" / "step_00000004.png").unlink()
    monkeypatch.setattr(trial, "STEPS", 6)
    after = final_arrays(finished)
    different = {name for name in before if before[name] != after[name]}
    assert {"losses", "sample grids", "['training']['step']"} <= different


@pytest.mark.parametrize("count", ["lost", "wrong", "differing"])
def test_the_table_and_the_exit_code_show_failures(capsys, count):
    name = "killed while it saves"
    assert command.report(command.Results(), 61, Console()) == 0
    results = command.Results(complaints=["it went wrong"])
    results.times[name] = 3
    getattr(results, count)[name] = 1
    assert command.report(results, 61, Console(width=200)) == 1
    printed = capsys.readouterr().out
    assert "it went wrong" in printed
    assert name in printed


def test_a_copied_step_is_not_lost_when_it_is_set_aside(finished, monkeypatch):
    monkeypatch.setattr(faults, "kill_training", lambda trial: "")
    assert faults.copy_step(finished) == ""
    (copy,) = [path for path in (finished.workdir / "checkpoints").iterdir() if path.name not in ("3", "6", "8")]
    assert int(copy.name) > 8
    copy.rename(copy.with_name(f"{copy.name}.damaged"))
    assert lost_checkpoints(finished) == []


def test_a_moved_run_keeps_its_checkpoints(finished, monkeypatch):
    monkeypatch.setattr(faults, "kill_training", lambda trial: "")
    before = finished.workdir
    assert faults.move_to_brackets(finished) == ""
    assert not before.exists()
    assert finished.name != "run"
    assert lost_checkpoints(finished) == []


def test_the_pictures_of_the_validation_are_those_of_the_run(finished):
    trial.draw_pictures(finished.pictures)
    victims = trial.validation_pictures(finished)
    assert len(victims) == 2
    assert all(path.is_file() for path in victims)


@pytest.mark.exhaustive
def test_killed_runs_end_like_an_undisturbed_run(monkeypatch, capsys):
    short = [word.replace("120", "24") for word in trial.OPTIONS]
    monkeypatch.setattr(trial, "OPTIONS", short)
    monkeypatch.setattr(faults, "TRAINING", 0.3)
    for module in (trial, command):
        monkeypatch.setattr(module, "STEPS", 24)
    chosen = {"killed": (faults.kill_saving, 1), "flipped": (faults.flip_bit, 1)}
    monkeypatch.setattr(command, "FAULTS", chosen)
    code = command.main(["--kills", "1", "--at-once", "1", "--seed", "1"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "runs of 24 steps, 1 kill" in printed

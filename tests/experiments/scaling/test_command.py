"""The command."""

import sys

import pytest

from experiments.scaling import command


@pytest.mark.parametrize("option", ["--output", "--picture"])
def test_a_file_that_exists_is_told_before_anything_is_counted(monkeypatch, tmp_path, capsys, option):
    (tmp_path / "mine").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["scaling", option, str(tmp_path / "mine")])
    monkeypatch.setattr(command, "run_worker", None)
    assert command.main() == 2
    assert f"mine exists already: give another {option}, or --overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.exhaustive
def test_the_plan_is_written(monkeypatch, tmp_path):
    (tmp_path / "plan.json").write_text("mine")
    line = ["scaling", "--devices", "--output", str(tmp_path / "plan.json"), "--overwrite"]
    monkeypatch.setattr(sys, "argv", line)
    assert command.main() == 0
    assert '"plan"' in (tmp_path / "plan.json").read_text()

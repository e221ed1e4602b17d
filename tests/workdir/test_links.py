"""Links that somebody has planted in a workdir: their targets stay as they are."""

import os
import shutil
from pathlib import Path

import pytest
from helpers.runs import finished_run, quick_experiment, train

from p2p_jax.cli import main
from p2p_jax.errors import UserError
from p2p_jax.evaluation.partial_scores import PartialScores
from p2p_jax.experiment import find
from p2p_jax.workdir import lock
from p2p_jax.workdir.metrics_file import metrics_writer
from p2p_jax.workdir.record import save_record


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    (tmp_path / "victim").write_text("precious")
    return tmp_path / "victim"


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


def test_a_lock_that_is_a_link_is_refused(finished, victim, capsys):
    (finished / "lock").unlink()
    (finished / "lock").symlink_to(victim)
    assert train(finished) == 2
    message = capsys.readouterr().err
    assert f"{finished / 'lock'} is a link" in message
    assert message.count("\n") == 1
    assert victim.read_text() == "precious"


def test_a_lock_with_a_second_name_leaves_the_content_of_that_one(tmp_path, victim):
    (tmp_path / "run").mkdir()
    os.link(victim, tmp_path / "run" / "lock")
    with lock.hold(tmp_path / "run"):
        with pytest.raises(UserError, match="is in use by process"), lock.hold(tmp_path / "run"):
            pass
        assert (tmp_path / "run" / "lock").read_text().startswith("process")
    assert victim.read_text() == "precious"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["report/figures.json.tmp", "report/index.html.tmp", "report/index.html", "report/test.png"]
)
def test_links_in_a_report_are_not_followed(finished, victim, name):
    (finished / name).unlink(missing_ok=True)
    (finished / name).symlink_to(victim)
    assert main(["report", str(finished)]) == 0
    assert victim.read_text() == "precious"
    assert (finished / "report" / "index.html").read_text().startswith("<!doctype html>")


def test_a_report_folder_that_is_a_link_is_refused(finished, tmp_path, capsys):
    shutil.rmtree(finished / "report")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("precious")
    (finished / "report").symlink_to(tmp_path / "site")
    assert main(["report", str(finished)]) == 2
    assert "report is a link" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]
    assert (tmp_path / "site" / "index.html").read_text() == "precious"


@pytest.mark.parametrize("name", ["experiment.json.tmp", "experiment.json", "experiment.py"])
def test_links_beside_a_record_are_not_followed(tmp_path, victim, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(victim)
    found = find(quick_experiment(tmp_path))
    save_record(tmp_path / "run", found, "print")
    assert victim.read_text() == "precious"
    assert (tmp_path / "run" / "experiment.py").read_text() == Path(found.file).read_text()


def test_rows_are_not_appended_through_a_link(tmp_path, victim):
    (tmp_path / "metrics.jsonl").symlink_to(victim)
    with pytest.raises(UserError, match=r"metrics\.jsonl is a link"), metrics_writer(tmp_path):
        pass
    assert victim.read_text() == "precious"


def test_partial_scores_are_not_written_through_a_link(tmp_path, victim):
    scores = PartialScores((1, 2), tmp_path / "partial", ["a"])
    for name in (scores.path.name, f"{scores.path.name}.tmp"):
        (tmp_path / "partial" / name).symlink_to(victim)
    scores.save(now=True)
    assert victim.read_text() == "precious"
    assert not scores.path.is_symlink()

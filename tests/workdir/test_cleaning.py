"""Removing files from a workdir: unfinished ones, those after a checkpoint, or all of a run."""

import shutil
from pathlib import Path

import pytest
from helpers.runs import LINEAR, crash, finished_run, leaves_of, rows_of, skip_report, stop_after, train

from p2p_jax.errors import INTERNAL_ERROR
from p2p_jax.files.writing import PREFIX, UNFINISHED
from p2p_jax.training import trainer
from p2p_jax.workdir import cleaning


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    finished_run()
    skip_report(monkeypatch)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


def unfinished_in(workdir):
    names = [path.name for path in workdir.rglob("*")]
    return [name for name in names if name.endswith(UNFINISHED) or "orbax-checkpoint-tmp" in name]


@pytest.mark.slow
def test_unfinished_files_of_a_killed_run_are_removed_by_the_next_run(tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 4, crash)
        assert train(tmp_path, *LINEAR) == INTERNAL_ERROR
    assert "RuntimeError: a crash" in capsys.readouterr().err
    (tmp_path / "checkpoints" / "6.orbax-checkpoint-tmp" / "generator.orbax-checkpoint-tmp").mkdir(parents=True)
    of_older_versions = ("experiment.json.tmp", "metrics.jsonl.tmp", "samples/step_00000004.png.tmp")
    for name in (*of_older_versions, f"{PREFIX}1.tmp", f"report/{PREFIX}2.tmp", "mine.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{")
    left = []
    with pytest.MonkeyPatch.context() as patch:
        real = trainer.open_reader
        patch.setattr(trainer, "open_reader", lambda *a, **b: left.append(unfinished_in(tmp_path)) or real(*a, **b))
        assert train(tmp_path, *LINEAR) == 0
    assert left == [["mine.tmp"]], "before anything is written, for there may be no room"
    assert unfinished_in(tmp_path) == ["mine.tmp"]
    assert leaves_of(tmp_path) == leaves_of(finished_run())


def test_files_that_are_written_late_are_removed_too(tmp_path, monkeypatch):
    unfinished, real, late = tmp_path / "checkpoints/3.orbax-checkpoint-tmp", shutil.rmtree, iter([True])

    def removing(path, **options):
        real(path, **options)
        if next(late, False):
            path.mkdir()

    with cleaning.clean_unfinished(tmp_path):
        unfinished.mkdir(parents=True)
        monkeypatch.setattr(shutil, "rmtree", removing)
    assert not unfinished.exists()


def test_rows_and_samples_later_than_the_checkpoint_are_dropped(finished):
    shutil.rmtree(finished / "checkpoints" / "8")
    shutil.rmtree(finished / "checkpoints" / "6")
    with (finished / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "gener')
    cleaning.drop_later(finished, 3)
    assert [row["step"] for row in rows_of(finished)] == [2, 3]
    assert list((finished / "samples").iterdir()) == []


def test_overwrite_in_a_folder_that_holds_no_run_removes_nothing(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "mine.png").write_bytes(b"mine")
    cleaning.clear_workdir(tmp_path)
    assert (tmp_path / "samples" / "mine.png").is_file()

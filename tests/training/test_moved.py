"""A workdir that is renamed, replaced or removed during training, or whose record is missing."""

import hashlib
import os
import shutil

import pytest
from helpers.runs import LINEAR, finished_run, leaves_of, skip_report, steps_of, stop_after, train

from p2p_jax.training import loop
from p2p_jax.training.feed import open_stream
from p2p_jax.workdir import held


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    finished_run()
    skip_report(monkeypatch)


on_linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux gives an open folder a path")


def content_of(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def restart(monkeypatch, workdir):
    monkeypatch.setattr(loop, "open_stream", open_stream)
    return train(workdir, *LINEAR)


@pytest.mark.slow
@on_linux
def test_a_renamed_workdir_is_noticed_and_gets_the_last_state(tmp_path, monkeypatch, capsys):
    run, moved = tmp_path / "run", tmp_path / "moved"
    stop_after(monkeypatch, 3, lambda: run.rename(moved))  # its sample grid of step 4 is due
    assert train(run, *LINEAR) == 2
    message = capsys.readouterr().err
    assert f"the workdir {run} was renamed to {moved} while the run trained, so training stopped at step" in message
    assert f"resume with --workdir {moved}" in message
    assert message.count("\n") == 1
    assert not run.exists()
    assert steps_of(moved)[-1] > 3
    assert not list(moved.rglob("*tmp*"))
    assert restart(monkeypatch, moved) == 0
    assert leaves_of(moved) == leaves_of(finished_run())
    assert sorted(path.name for path in (moved / "samples").iterdir()) == ["step_00000004.png", "step_00000008.png"]


@pytest.mark.exhaustive
@on_linux
def test_a_run_that_takes_the_place_of_a_renamed_workdir_is_not_touched(tmp_path, monkeypatch, capsys):
    run, moved = tmp_path / "run", tmp_path / "moved"

    def replace():
        run.rename(moved)
        shutil.copytree(finished_run(), run)
        (run / "checkpoints" / "9.orbax-checkpoint-tmp").mkdir()  # a save of the other run, which goes on

    stop_after(monkeypatch, 4, replace)
    assert train(run, *LINEAR) == 2
    assert f"was renamed to {moved}" in capsys.readouterr().err
    assert content_of(run) == content_of(finished_run())
    assert (run / "checkpoints" / "9.orbax-checkpoint-tmp").is_dir()
    assert restart(monkeypatch, moved) == 0
    assert leaves_of(moved) == leaves_of(finished_run())


@pytest.mark.slow
def test_a_removed_workdir_is_noticed_and_not_made_again(tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    stop_after(monkeypatch, 4, lambda: shutil.rmtree(run))
    assert train(run, *LINEAR) == 2
    assert "was renamed, replaced or removed while the run trained" in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.slow
def test_a_removed_folder_of_checkpoints_is_noticed(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run" / "checkpoints"
    stop_after(monkeypatch, 4, lambda: shutil.rmtree(folder))
    assert train(tmp_path / "run", *LINEAR) == 2
    assert f"the folder {folder} was renamed, replaced or removed" in capsys.readouterr().err


@pytest.mark.slow
def test_a_renamed_workdir_is_noticed_on_other_systems(tmp_path, monkeypatch, capsys):
    run, moved = tmp_path / "run", tmp_path / "moved"
    monkeypatch.setattr(held, "_path_of", lambda descriptor: None)
    stop_after(monkeypatch, 4, lambda: run.rename(moved))
    assert train(run, *LINEAR) == 2
    assert "was renamed, replaced or removed while the run trained" in capsys.readouterr().err
    assert not run.exists()
    assert steps_of(moved) == [3]


@pytest.mark.slow
def test_a_record_that_is_removed_during_training_is_written_again(tmp_path, monkeypatch, capsys):
    record = tmp_path / "run" / "experiment.json"
    removed = []
    stop_after(monkeypatch, 4, lambda: (removed.append(record.read_bytes()), record.unlink()))
    assert train(tmp_path / "run", *LINEAR) == 0
    assert "experiment.json was removed while the run trained; it was written again" in capsys.readouterr().out
    assert [record.read_bytes()] == removed


def without_record(folder):
    shutil.copytree(finished_run(), folder)
    (folder / "experiment.json").unlink()


def checkpoint_of_another_tool(folder):
    (folder / "checkpoints" / "100").mkdir(parents=True)
    (folder / "checkpoints" / "100" / "model.pt").write_bytes(b"weights")


def write(name):
    def make(folder):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text('{"counts": {}}')

    return make


UNRECORDED = {
    "checkpoints, metrics.jsonl, samples/, report/": without_record,
    "checkpoints": checkpoint_of_another_tool,
    **{name: write(name) for name in ("metrics.jsonl", "imported.json", "replaced.txt")},
    "samples/": write("samples/step_best.png"),
    "report/": write("report/index.html"),
}


@pytest.mark.parametrize("found", UNRECORDED)
@pytest.mark.parametrize("options", [(), ("--overwrite",)], ids=["", "overwrite"])
def test_files_of_a_run_without_a_record_are_not_mixed_with_another_run(tmp_path, capsys, found, options):
    UNRECORDED[found](tmp_path / "run")
    before = content_of(tmp_path / "run")
    assert train(tmp_path / "run", *LINEAR, "--seed", "7", *options) == 2
    message = capsys.readouterr().err
    assert f"run holds {found}, but no experiment.json that says of which run: put that file back" in message
    assert message.count("\n") == 1
    assert content_of(tmp_path / "run") == before


@pytest.mark.slow
def test_a_record_that_is_put_back_resumes_the_run(tmp_path):
    without_record(tmp_path / "run")
    assert train(tmp_path / "run", *LINEAR) == 2
    shutil.copy(finished_run() / "experiment.json", tmp_path / "run")
    assert train(tmp_path / "run", *LINEAR) == 0
    assert leaves_of(tmp_path / "run") == leaves_of(finished_run())


@pytest.mark.exhaustive
def test_other_files_in_the_folder_do_not_matter(tmp_path):
    for name in ("samples/mine.png", "report/mine.txt", "notes.txt", "experiment.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / "checkpoints").mkdir()
    assert train(tmp_path, *LINEAR, "--steps", "1") == 0
    for name in ("samples/mine.png", "report/mine.txt", "notes.txt", "experiment.py"):
        assert (tmp_path / name).read_text() == "mine"


def test_a_run_does_not_replace_another_experiment_file(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "experiment.py").write_text("mine")
    (tmp_path / "other.py").write_text("from experiments.quickstart import CONFIG as CONFIG")
    assert train(tmp_path / "run", *LINEAR, name=str(tmp_path / "other.py")) == 2
    assert "run holds experiment.py, but no experiment.json" in capsys.readouterr().err
    assert (tmp_path / "run" / "experiment.py").read_text() == "mine"

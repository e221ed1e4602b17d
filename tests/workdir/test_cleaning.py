"""Removing files from a workdir: unfinished ones, those after a checkpoint, or all of a run."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.runs import LINEAR, crash, finished_run, leaves_of, rows_of, skip_report, stop_after, train

from p2p_jax.errors import INTERNAL_ERROR, UserError
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


@pytest.mark.exhaustive
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


@pytest.mark.slow
def test_files_that_are_written_late_are_removed_too(tmp_path, monkeypatch):
    shutil.copy(finished_run() / "experiment.json", tmp_path)
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


def test_other_pictures_among_the_samples_stay(finished):
    (finished / "samples" / "step_final.png").write_bytes(b"mine")
    cleaning.drop_later(finished, 3)
    assert [path.name for path in (finished / "samples").iterdir()] == ["step_final.png"]


@pytest.mark.parametrize("record", [None, "", "{}", '{"name": "thesis", "format": 1}', '{"format": 2}', "[1]", b"\xff\xfe"])
def test_unfinished_files_of_somebody_else_stay(tmp_path, record):
    names = ("report/draft.tmp", "report/index.html.tmp", "samples/a.tmp", "checkpoints/5.orbax-checkpoint-tmp/a")
    before = contents(fill(tmp_path / "theirs", record, *names))
    with cleaning.clean_unfinished(tmp_path / "theirs"):
        pass
    assert contents(tmp_path / "theirs") == before


def fill(folder: Path, record: str | bytes | None, *names: str) -> Path:
    """Writes files with their names as content, and a file in place of the record."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    if record is not None:
        (folder / "experiment.json").write_bytes(record if isinstance(record, bytes) else record.encode())
    return folder


def contents(folder: Path) -> dict[str, bytes | str]:
    """{path: content or target of the link} of everything in a folder but the lock file."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.name != "lock"}
    return {
        name: os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
        for name, path in found.items()
    }


THEIRS = (
    "thesis.tex",
    "report/thesis.tex",
    "checkpoints/model.pt",
    "checkpoints/100/model.pt",
    "samples/step_00000001.png",
)


@pytest.mark.parametrize("record", ["", "{}", '{"name": "thesis", "format": 1}', '{"format": 2}', "[1]", "7", b"\xff\xfe"])
def test_overwrite_removes_nothing_where_the_record_is_not_that_of_a_run(tmp_path, capsys, record):
    before = contents(fill(tmp_path / "theirs", record, *THEIRS))
    assert train(tmp_path / "theirs", *LINEAR, "--overwrite") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "nothing in" in message
    assert contents(tmp_path / "theirs") == before


MIXED = {
    "checkpoints/model.pt": "holds checkpoints, but no experiment.json",
    "samples/step_1.png": "holds samples/, but no experiment.json",
    "profile/plugins/a": "holds profile/, but no experiment.json",
    "tracking/wandb.run.json": "holds tracking/, but no experiment.json",
    "tensorboard/events.out.tfevents.1": "holds tensorboard/, but no experiment.json",
    "metrics.jsonl": "holds metrics.jsonl, but no experiment.json",
    "report": "holds report, but no experiment.json",
    "lock": "lock is not the lock of a run",
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_run_is_not_mixed_with_files_of_somebody_else(tmp_path, capsys, name, options):
    before = contents(fill(tmp_path / "theirs", None, name))
    assert train(tmp_path / "theirs", *LINEAR, *options) == 2
    assert MIXED[name] in capsys.readouterr().err
    assert contents(tmp_path / "theirs") == before
    assert (tmp_path / "theirs" / name).read_text() == name


def test_clearing_removes_what_the_run_wrote_and_keeps_the_rest(finished):
    fill(finished, None, "thesis.tex", "report/thesis.tex", "samples/mine.png", "checkpoints/model.pt", "profile/mine/a.pb")
    fill(finished, None, "profile/plugins/profile/2026/host.xplane.pb", "tensorboard/events.out.tfevents.1.host.0")
    (finished / "checkpoints" / "8" / ".DS_Store").write_text("")
    shutil.rmtree(finished / "checkpoints" / "6" / "generator")  # a damaged checkpoint
    (finished / "checkpoints" / "3").rename(finished / "checkpoints" / "3.damaged")
    with pytest.warns(UserWarning, match=r"keeps checkpoints/model\.pt, samples/mine\.png, report/thesis\.tex and 1 more"):
        cleaning.clear_workdir(finished)
    files = {name for name, content in contents(finished).items() if content != "folder"}
    assert files == {"thesis.tex", "report/thesis.tex", "samples/mine.png", "checkpoints/model.pt", "profile/mine/a.pb"}


def test_clearing_removes_what_trackers_wrote(finished):
    run = "tracking/wandb/offline-run-20261130_201627-8e4f9538"
    written = [f"{run}/run-8e4f9538.wandb", "tracking/wandb.run.json", "tracking/wandb.log", "tracking/mlflow/mlflow.db"]
    fill(finished, None, *written, "tracking/mlflow/artifacts/1/a.png", "tracking/trackio/p2p-jax.db-wal")
    fill(finished, None, "tracking/trackio/media/p2p-jax/a.png", f"{run}/logs/debug.log")
    (finished / run / "logs" / "debug-core.log").symlink_to("/nowhere")
    cleaning.clear_workdir(finished)
    assert not (finished / "tracking").exists()


@pytest.mark.parametrize("name", ["tracking/mine.csv", "tracking/wandb/notes.txt", "tracking/mlflow/mine/a.png"])
def test_clearing_keeps_what_no_tracker_wrote(finished, name):
    fill(finished, None, "tracking/trackio/p2p-jax.db", name)
    with pytest.warns(UserWarning, match="keeps tracking/"):
        cleaning.clear_workdir(finished)
    assert (finished / name).exists()
    assert not (finished / "tracking" / "trackio").exists()


@pytest.mark.parametrize(
    "name", ["checkpoints/100/model.pt", "checkpoints/8/notes.txt", "checkpoints/9", "experiment.py", "replaced.txt/a"]
)
def test_clearing_is_refused_where_the_next_run_would_meet_files_of_somebody_else(finished, name):
    before = contents(fill(finished, None, name))
    with pytest.raises(UserError, match=r"so nothing is removed: move it away"):
        cleaning.clear_workdir(finished)
    assert contents(finished) == before


@pytest.mark.parametrize("name", [".", "checkpoints", "report", "samples", "metrics.jsonl", "experiment.json"])
def test_nothing_is_removed_through_a_link(finished, tmp_path, name):
    path = finished / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="link"):
        cleaning.clear_workdir(finished)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("moved", [0, 1, 4, 9])
def test_a_clearing_that_fails_leaves_the_whole_run(finished, monkeypatch, moved):
    before, real, count = contents(finished), Path.rename, iter(range(1000))

    def rename(path, target):
        if next(count) == moved:
            raise OSError(errno.EIO, "the disk failed")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="the disk failed"):
        cleaning.clear_workdir(finished)
    assert contents(finished) == before


@pytest.mark.parametrize("moved", [0, 1, 4, 9, 11])
def test_after_a_clearing_that_was_killed_the_run_is_whole_or_gone(finished, monkeypatch, moved):
    before, real, count = contents(finished), Path.rename, iter(range(1000))

    def rename(path, target):
        if next(count) == moved:
            raise SystemExit
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(cleaning, "restore_cleared", lambda workdir: None)
        with suppress(SystemExit):
            cleaning.clear_workdir(finished)
    with cleaning.clean_unfinished(finished):
        pass
    assert contents(finished) == (before if moved < 10 else {})


def test_the_rest_of_a_removal_that_was_killed_is_not_moved_into_the_next_run(finished, monkeypatch):
    def killed(path, **options):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with suppress(SystemExit):
            cleaning.clear_workdir(finished)
    shutil.copy(finished_run() / "experiment.json", finished)
    with cleaning.clean_unfinished(finished):
        pass
    assert list(contents(finished)) == ["experiment.json"]

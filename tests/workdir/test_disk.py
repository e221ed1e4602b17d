"""A disk that takes no more ends a run with one sentence; what was saved stays, and nothing unfinished takes up room."""

import errno
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.cases import mostly_slow
from helpers.runs import (
    LINEAR,
    NO_REPORT,
    crash,
    fill,
    finished_run,
    leaves_of,
    rows_of,
    small_disk,
    steps_of,
    stop_after,
    train,
)

from p2p_jax.errors import INTERNAL_ERROR
from p2p_jax.evaluation import report
from p2p_jax.training import loop, trainer
from p2p_jax.workdir import checkpoint, cleaning, disk, record
from p2p_jax.workdir.disk import atomic_write, explain

WRITE_REPORT = trainer.write_report


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    finished_run()
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as unfinished:
        unfinished.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    for error in (OSError, KeyboardInterrupt):
        with suppress(error), atomic_write(path) as unfinished:
            unfinished.write_text("tw")
            raise error
        assert path.read_text() == "one"
        assert list(tmp_path.iterdir()) == [path]


def tensorstore(number):
    return ValueError(f"INTERNAL: Error writing \"/x\": Failed to write 81 bytes [os_error_code='{number}']")


def caused(error):
    outer = RuntimeError("a save failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize("wrap", [lambda error: error, caused])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on the disk"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "quota"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "ulimit -f"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "the disk failed"),
        (tensorstore(errno.ENOSPC), "no space left on the disk"),
        (tensorstore(errno.EDQUOT), "quota"),
        (tensorstore(errno.EMFILE), "ulimit -n"),
        (RuntimeError(f"write failed: {os.strerror(errno.EDQUOT)}"), "quota"),
    ],
)
def test_it_is_said_in_one_sentence_who_or_whatever_met_it(error, said, wrap):
    assert said in explain(wrap(error))


@pytest.mark.parametrize(
    "error",
    [ValueError("a mistake"), OSError(errno.ENOENT, "none"), tensorstore(errno.ENOENT), OSError(), RuntimeError("")],
)
def test_other_errors_are_not_the_disks(error):
    assert explain(error) is None


def unfinished_in(workdir):
    names = [path.name for path in workdir.rglob("*")]
    return [name for name in names if name.endswith(disk.UNFINISHED) or "orbax-checkpoint-tmp" in name]


def assert_ended_in_one_sentence(capsys):
    message = capsys.readouterr().err
    advice = "free some space, then start the same command again; saved checkpoints are kept."
    assert f"no space left on the disk: {advice}" in message
    assert message.count("\n") == 1


def test_a_disk_that_is_full_at_a_checkpoint(tmp_path, monkeypatch, capsys):
    def fill_after_the_first_save():
        while not steps_of(small / "run"):
            time.sleep(0.01)
        fill(small)

    with small_disk(tmp_path / "disk") as small:
        with monkeypatch.context() as patch:
            stop_after(patch, 5, fill_after_the_first_save)
            assert train(small / "run", *LINEAR) == 2
        assert_ended_in_one_sentence(capsys)
        assert steps_of(small / "run") == [3]
        assert unfinished_in(small / "run") == []
        (small / "ballast").unlink()
        fill(small)
        before = {path: path.read_bytes() for path in (small / "run").rglob("*") if path.is_file()}
        assert train(small / "run", *LINEAR) == 2, "it is still full"
        assert_ended_in_one_sentence(capsys)
        after = {path: path.read_bytes() for path in (small / "run").rglob("*") if path.is_file()}
        assert [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)] == []
        (small / "ballast").unlink()
        assert train(small / "run", *LINEAR) == 0
        assert leaves_of(small / "run") == leaves_of(finished_run())
        assert [row["step"] for row in rows_of(small / "run")] == [row["step"] for row in rows_of(finished_run())]


def test_a_disk_that_is_full_from_the_start(tmp_path, capsys):
    with small_disk(tmp_path / "disk", "64k") as small:
        fill(small)
        assert train(small / "run", *LINEAR) == 2
        assert_ended_in_one_sentence(capsys)
        assert not (small / "run").exists()


def test_a_disk_that_is_full_when_the_report_is_written(tmp_path, monkeypatch, capsys):
    with small_disk(tmp_path / "disk") as small:
        with monkeypatch.context() as patch:
            patch.setattr(trainer, "write_report", lambda *args: (fill(small), WRITE_REPORT(*args)))
            assert train(small / "run", *LINEAR) == 2
        assert_ended_in_one_sentence(capsys)
        assert leaves_of(small / "run") == leaves_of(finished_run())
        assert unfinished_in(small / "run") == []


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_first_record_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Path, "write_text", full)
    assert train(tmp_path / "run", *LINEAR) == 2
    assert_ended_in_one_sentence(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", mostly_slow(["save", "row", "report", "replaced"], keep=2))
def test_whatever_cannot_be_written_leaves_what_was_saved(tmp_path, monkeypatch, capsys, part):
    def fail_at(module, name, when=lambda *args: True):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **options: (full if when(*args) else real)(*args, **options))

    if part == "save":
        fail_at(checkpoint, "save", lambda manager, state, *_: int(state.step) == 6)
    elif part == "row":
        real = loop.describe
        monkeypatch.setattr(loop, "describe", lambda row: full() if row["step"] == 6 else real(row))
    elif part == "report":
        monkeypatch.setattr(trainer, "write_report", WRITE_REPORT)
        fail_at(report, "plot_curves")
    else:
        fail_at(trainer, "_say_what_was_replaced")
    assert train(tmp_path / "run", *LINEAR) == 2
    assert_ended_in_one_sentence(capsys)
    assert steps_of(tmp_path / "run") == ([3] if part in ("save", "row") else [3, 6, 8])
    assert unfinished_in(tmp_path / "run") == []


def test_events_that_cannot_be_written_end_the_run(tmp_path, monkeypatch, capsys):
    """The package's own writer would wait for its thread for ever."""
    writer = pytest.importorskip("tensorboardX.record_writer")
    real, count = writer.RecordWriter.write, [0]

    def write(self, data):
        count[0] += 1
        return real(self, data) if count[0] < 4 else full()

    monkeypatch.setattr(writer.RecordWriter, "write", write)
    assert train(tmp_path / "run", *LINEAR, "--tensorboard") == 2
    assert_ended_in_one_sentence(capsys)
    assert steps_of(tmp_path / "run") == [3]


def test_what_a_killed_run_left_unfinished_is_removed_by_the_next(tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 4, crash)
        assert train(tmp_path, *LINEAR) == INTERNAL_ERROR
    assert "RuntimeError: a crash" in capsys.readouterr().err
    (tmp_path / "checkpoints" / "6.orbax-checkpoint-tmp" / "generator.orbax-checkpoint-tmp").mkdir(parents=True)
    for name in ("experiment.json.tmp", "metrics.jsonl.tmp", "samples/step_00000004.png.tmp", "mine.tmp"):
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


def test_the_list_of_trusted_code_survives_a_full_disk(tmp_path, monkeypatch):
    record.trust_hash("a" * 64)
    monkeypatch.setattr(Path, "write_text", full)
    record.trust_hash("b" * 64)
    assert record.trusted_hashes() == {"a" * 64}


def test_what_is_written_late_is_removed_too(tmp_path, monkeypatch):
    unfinished, real, late = tmp_path / "checkpoints/3.orbax-checkpoint-tmp", shutil.rmtree, iter([True])

    def removing(path, **options):
        real(path, **options)
        if next(late, False):
            path.mkdir()

    with cleaning.clean_unfinished(tmp_path):
        unfinished.mkdir(parents=True)
        monkeypatch.setattr(shutil, "rmtree", removing)
    assert not unfinished.exists()

"""A full disk ends a run with one sentence; saved checkpoints stay, and no unfinished file takes up space."""

import errno
import os
import time

import pytest
from helpers.cases import tiers
from helpers.full_disk import assert_full_disk_was_reported, fail_to_write
from helpers.runs import (
    LINEAR,
    WRITE_REPORT,
    fill,
    finished_run,
    keep_report,
    leaves_of,
    rows_of,
    skip_report,
    small_disk,
    steps_of,
    stop_after,
    train,
)

from p2p_jax.evaluation import report
from p2p_jax.files.writing import UNFINISHED
from p2p_jax.training import loop, trainer
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.disk import explain


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    finished_run()
    skip_report(monkeypatch)


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
def test_errors_of_the_disk_are_explained(error, said, wrap):
    assert said in explain(wrap(error))


@pytest.mark.parametrize(
    "error",
    [ValueError("a mistake"), OSError(errno.ENOENT, "none"), tensorstore(errno.ENOENT), OSError(), RuntimeError("")],
)
def test_other_errors_are_not_explained(error):
    assert explain(error) is None


def unfinished_in(workdir):
    names = [path.name for path in workdir.rglob("*")]
    return [name for name in names if name.endswith(UNFINISHED) or "orbax-checkpoint-tmp" in name]


@pytest.mark.slow
def test_a_disk_that_is_full_at_a_checkpoint(tmp_path, monkeypatch, capsys):
    def fill_after_the_first_save():
        while not steps_of(small / "run"):
            time.sleep(0.01)
        fill(small)

    with small_disk(tmp_path / "disk") as small:
        with monkeypatch.context() as patch:
            stop_after(patch, 5, fill_after_the_first_save)
            assert train(small / "run", *LINEAR) == 2
        assert_full_disk_was_reported(capsys)
        assert steps_of(small / "run") == [3]
        assert unfinished_in(small / "run") == []
        (small / "ballast").unlink()
        fill(small)
        before = {path: path.read_bytes() for path in (small / "run").rglob("*") if path.is_file()}
        assert train(small / "run", *LINEAR) == 2, "it is still full"
        assert_full_disk_was_reported(capsys)
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
        assert_full_disk_was_reported(capsys)
        assert not (small / "run").exists()


@pytest.mark.slow
def test_a_disk_that_is_full_when_the_report_is_written(tmp_path, monkeypatch, capsys):
    with small_disk(tmp_path / "disk") as small:
        with monkeypatch.context() as patch:
            patch.setattr(trainer, "write_report", lambda *args: fill(small) and WRITE_REPORT(*args))
            assert train(small / "run", *LINEAR) == 2
        assert_full_disk_was_reported(capsys)
        assert leaves_of(small / "run") == leaves_of(finished_run())
        assert unfinished_in(small / "run") == []


def test_a_record_that_cannot_be_written_leaves_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "fsync", fail_to_write)
    assert train(tmp_path / "run", *LINEAR) == 2
    assert_full_disk_was_reported(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", tiers(["save", "row", "report", "replaced"], 0, slow=4))
def test_a_failed_write_leaves_the_saved_checkpoints(tmp_path, monkeypatch, capsys, part):
    def fail_at(module, name, when=lambda *args: True):
        real = getattr(module, name)

        def write(*args, **options):
            return (fail_to_write if when(*args) else real)(*args, **options)

        monkeypatch.setattr(module, name, write)

    if part == "save":
        fail_at(checkpoint, "save", lambda manager, state, *_: int(state.step) == 6)
    elif part == "row":
        real = loop.describe
        monkeypatch.setattr(loop, "describe", lambda row: fail_to_write() if row["step"] == 6 else real(row))
    elif part == "report":
        keep_report(monkeypatch)
        fail_at(report, "save_grid")
    else:
        fail_at(trainer, "report_replaced")
    assert train(tmp_path / "run", *LINEAR) == 2
    assert_full_disk_was_reported(capsys)
    # If only the row fails, the state is saved before the run ends.
    assert steps_of(tmp_path / "run") == {"save": [3], "row": [3, 6]}.get(part, [3, 6, 8])
    assert unfinished_in(tmp_path / "run") == []

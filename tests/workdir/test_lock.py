"""Only one run may train in a workdir, and a process that has ended holds no lock."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from helpers.runs import (
    DRAWN,
    SMALL,
    crash,
    finished_run,
    leaves_of,
    quick_experiment,
    rows_of,
    skip_report,
    steps_of,
    stop_after,
    train,
)

from p2p_jax.cli import main
from p2p_jax.errors import INTERNAL_ERROR, UserError
from p2p_jax.workdir import lock


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    skip_report(monkeypatch)


HOLDER = "import sys, time; from pathlib import Path; from p2p_jax.workdir import lock\n"
HOLDER += "with lock.hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path / "run"."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_second_run_is_refused_and_the_holder_is_named(tmp_path, holder, capsys, options):
    before = sorted((tmp_path / "run").iterdir())
    assert train(tmp_path / "run", *SMALL, "--steps", "2", *options) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"{tmp_path / 'run'} is in use by process {holder.pid} on {socket.gethostname()}" in message
    assert sorted((tmp_path / "run").iterdir()) == before


@pytest.mark.parametrize("command", ["report", "init-from"])
def test_every_command_that_writes_into_a_workdir_is_refused_where_it_is_in_use(tmp_path, capsys, command):
    workdir = shutil.copytree(finished_run(), tmp_path / "run")
    with lock.hold(workdir):
        before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
        if command == "report":
            assert main(["report", str(workdir)]) == 2
        else:
            assert train(workdir, *SMALL, "--steps", "8", "--overwrite", "--init-from", str(finished_run())) == 2
        assert f"{workdir} is in use by process" in capsys.readouterr().err
        assert {path: path.stat().st_mtime_ns for path in workdir.rglob("*")} == before


@pytest.mark.parametrize("record", [None, "{}"])
def test_a_report_of_a_folder_without_a_run_leaves_no_lock_there(tmp_path, capsys, record):
    if record:
        (tmp_path / "experiment.json").write_text(record)
    before = list(tmp_path.iterdir())
    assert main(["report", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == before


def test_a_killed_process_holds_no_lock(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert f"process {holder.pid} on" in (tmp_path / "run" / "lock").read_text()
    with lock.hold(tmp_path / "run"):
        assert (tmp_path / "run" / "lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"


@pytest.mark.slow
def test_a_run_is_locked_until_it_ends(tmp_path, monkeypatch, capsys):
    tried = []

    def try_it():
        tried.append(train(tmp_path, *SMALL, "--steps", "4", "--overwrite"))

    stop_after(monkeypatch, 2, try_it)
    assert train(tmp_path, *SMALL, "--steps", "4") == 0
    assert tried == [2], "within the same process too"
    assert steps_of(tmp_path) == [3, 4]
    monkeypatch.undo()
    skip_report(monkeypatch)
    stop_after(monkeypatch, 1, crash)
    assert train(tmp_path, *SMALL, "--steps", "4", "--overwrite") == INTERNAL_ERROR
    assert "RuntimeError: a crash" in capsys.readouterr().err
    with lock.hold(tmp_path):
        pass


@pytest.mark.exhaustive
def test_overwriting_keeps_the_lock(tmp_path, monkeypatch):
    assert train(tmp_path, *SMALL, "--steps", "1") == 0
    inode = (tmp_path / "lock").stat().st_ino
    assert train(tmp_path, *SMALL, "--steps", "1", "--overwrite") == 0
    assert (tmp_path / "lock").stat().st_ino == inode


def test_a_mistake_leaves_no_folder_behind(tmp_path, capsys):
    assert train(tmp_path / "new", *DRAWN, "--batch-size", "100") == 2
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    assert train(tmp_path / "mine", *DRAWN, "--batch-size", "100") == 2
    assert (tmp_path / "mine").is_dir()


def test_a_lock_on_a_removed_file_does_not_count(tmp_path, monkeypatch):
    """If the holder removes the file after another process has opened it, that process opens a new file."""
    real, removed = lock.try_lock, []

    def lock_late(file):
        if not removed:
            removed.append((tmp_path / "lock").unlink())
        real(file)

    monkeypatch.setattr(lock, "try_lock", lock_late)
    with lock.hold(tmp_path):
        assert (tmp_path / "lock").read_text().startswith("process")
        with pytest.raises(UserError, match="is in use by process"), lock.hold(tmp_path):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_causes_a_warning(tmp_path, monkeypatch, number):
    def refuse(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock, "try_lock", refuse)
    with pytest.warns(UserWarning, match="does not support locks"), lock.hold(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_workdir_that_cannot_be_written_is_refused(tmp_path, monkeypatch, capsys, number):
    real = os.open

    def refuse(path, *args, **options):
        if str(path).endswith("lock"):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    quick = quick_experiment(tmp_path)
    assert train(tmp_path / "run", name=quick) == 2
    message = capsys.readouterr().err
    assert f"the workdir {tmp_path / 'run'} cannot be written ({os.strerror(number).lower()})" in message
    assert message.count("\n") == 1


@pytest.mark.exhaustive
def test_a_clock_that_runs_backwards_changes_nothing(tmp_path, monkeypatch):
    """The same checkpoints are kept, and times are measured with a monotonic clock."""
    started, now, options = time.monotonic(), [2e9], (*SMALL, "--keep", "2", "--optimizer.schedule", "linear")

    def backwards():
        now[0] -= 3600
        return now[0]

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", backwards)
        assert train(tmp_path, *options, "--steps", "8") == 0
        assert steps_of(tmp_path)[-2:] == [6, 8]
        assert train(tmp_path) == 0
    assert now[0] < 2e9 - 3600
    assert leaves_of(tmp_path) == leaves_of(finished_run())
    assert 0 < sum(row["seconds"] for row in rows_of(tmp_path)) < time.monotonic() - started

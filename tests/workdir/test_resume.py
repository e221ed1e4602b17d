"""A resumed run equals the run that was never stopped, and only the same run may be resumed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.cases import tiers
from helpers.runs import (
    DRAWN,
    LINEAR,
    SMALL,
    TINY,
    crash,
    finished_run,
    folder_of_pairs,
    leaves_of,
    rows_of,
    skip_report,
    steps_of,
    stop_after,
    train,
)

from p2p_jax.errors import INTERNAL_ERROR
from p2p_jax.training import trainer


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    finished_run()
    skip_report(monkeypatch)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


@pytest.mark.parametrize(("taken", "rescued"), tiers([(5, False), (2, False), (5, True)], slow=1, several=True))
def test_a_crashed_run_resumes_bit_for_bit(tmp_path, monkeypatch, capsys, taken, rescued):
    """From the state that was saved at the crash, or without it from the last checkpoint."""
    with monkeypatch.context() as patch:
        stop_after(patch, taken, crash)
        assert train(tmp_path, *LINEAR) == INTERNAL_ERROR
    assert "RuntimeError: a crash" in capsys.readouterr().err
    saved = taken // 3 * 3
    assert steps_of(tmp_path) == [step for step in (3, 6) if step <= saved] + [taken]
    if not rescued:
        shutil.rmtree(tmp_path / "checkpoints" / str(taken))
    start = taken if rescued else saved
    assert train(tmp_path, *LINEAR) == 0
    assert (f"Resuming from step {start} of 8." in capsys.readouterr().out) == (start > 0)
    assert leaves_of(tmp_path) == leaves_of(finished_run())
    rows = rows_of(tmp_path)
    # A rescued state has a row of its own, as a run that was stopped by a signal has.
    assert [row["step"] for row in rows] == [2, 3, 4, *([5] if rescued else []), 6, 8]
    same = ("step", "generator_l1", "discriminator_loss", "learning_rate")
    if start == 3:  # then every interval between two rows is as in a run without a crash
        assert [[row[name] for name in same] for row in rows] == [
            [row[name] for name in same] for row in rows_of(finished_run())
        ]
    samples = [path.read_bytes() for path in sorted((tmp_path / "samples").iterdir())]
    assert samples == [path.read_bytes() for path in sorted((finished_run() / "samples").iterdir())]


@pytest.mark.slow
def test_a_lengthened_run_equals_the_longer_run(tmp_path):
    """With a constant learning rate, 4 steps and 4 more are 8 steps."""
    assert train(tmp_path / "once", *SMALL, "--steps", "8") == 0
    assert train(tmp_path / "twice", *SMALL, "--steps", "4") == 0
    assert train(tmp_path / "twice", "--steps", "8") == 0
    assert leaves_of(tmp_path / "once") == leaves_of(tmp_path / "twice")


def kill_and_resume(workdir: Path, options: tuple[str, ...], seed: int) -> int:
    """Kills a run at a random moment after its first checkpoint and resumes it; returns its newest step at the kill."""
    command = [sys.executable, "-c", "import sys; from p2p_jax.cli import main; sys.exit(main())"]
    command += ["train", "quickstart", "--workdir", str(workdir), *options]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not steps_of(workdir):
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(random.Random(seed).uniform(0, 0.5))
    finally:
        process.send_signal(signal.SIGKILL)
        code = process.wait()
        process.stderr.close()
    assert code == -signal.SIGKILL, "the run ended before it was killed"
    newest = max(steps_of(workdir))
    assert train(workdir, *options) == 0
    return newest


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_bit_for_bit(tmp_path):
    options = (*DRAWN, "--steps", "40", "--checkpoint-every", "4", "--log-every", "1", "--keep", "3")
    newest = kill_and_resume(tmp_path / "killed", options, seed=time.time_ns())
    assert newest < 40
    assert train(tmp_path / "unbroken", *options) == 0
    assert leaves_of(tmp_path / "killed") == leaves_of(tmp_path / "unbroken")
    assert [row["step"] for row in rows_of(tmp_path / "killed")] == list(range(1, 41))


def test_a_finished_run_is_not_changed(finished, capsys):
    before = leaves_of(finished), rows_of(finished)
    assert train(finished) == 0
    assert "has done its 8 steps" in capsys.readouterr().out
    assert (leaves_of(finished), rows_of(finished)) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_damaged_checkpoint_is_skipped_and_the_result_is_the_same(finished, capsys):
    for path in (finished / "checkpoints" / "8").rglob("*"):
        if path.is_file() and path.stat().st_size > 3000:
            data = bytearray(path.read_bytes())
            data[len(data) // 2 :] = bytes(b ^ 255 for b in data[len(data) // 2 :])
            path.write_bytes(data)
    assert train(finished) == 0
    output = capsys.readouterr()
    assert "warning: checkpoint 8" in output.err
    assert "Resuming from step 6 of 8" in output.out
    assert [row["step"] for row in rows_of(finished)] == [2, 3, 4, 6, 8]
    assert leaves_of(finished) == leaves_of(finished_run())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--seed", "1"), "seed is 0, not 1"),
        (("--batch-size", "2"), "batch_size is 1, not 2"),
        (("--optimizer.learning-rate", "0.1"), "optimizer.learning_rate is 0.01, not 0.1"),
        (("--generator.width", "3"), "generator.width is 2, not 3"),
        (("--augment.flip",), "augment.flip is False, not True"),
        (("--data.count", "9"), "data.count is 8, not 9"),
    ],
)
def test_options_that_change_the_numbers_are_refused(finished, capsys, options, named):
    assert train(finished, *options) == 2
    message = capsys.readouterr().err
    assert named in message
    assert "--overwrite" in message
    assert message.count("\n") == 1


@pytest.mark.slow
def test_runtime_options_may_change(finished):
    shutil.rmtree(finished / "checkpoints" / "8")
    options = ("--log-every", "1", "--keep", "9", "--data.threads", "0", "--data.cache-mib", "0", "--checkpoint-every", "1")
    assert train(finished, *options) == 0
    assert steps_of(finished) == [3, 6, 7, 8]
    assert [row["step"] for row in rows_of(finished)] == [2, 3, 4, 6, 7, 8]
    assert leaves_of(finished) == leaves_of(finished_run())


def test_options_that_are_not_typed_keep_their_stored_values(finished):
    before = json.loads((finished / "experiment.json").read_text())["config"]
    assert train(finished, "--keep", "7") == 0
    assert json.loads((finished / "experiment.json").read_text())["config"] == before | {"keep": 7}


def test_fewer_steps_are_refused(finished, capsys):
    assert train(finished, "--steps", "5") == 2
    assert "has 8 steps, and 5 is less: give at least 8 steps" in capsys.readouterr().err


@pytest.mark.slow
def test_fewer_steps_in_epochs_are_refused(finished, capsys, monkeypatch):
    """A length in epochs may not shorten a run of 20 steps."""
    monkeypatch.setattr(trainer, "run_steps", lambda run, state, *_, **__: state)
    assert train(finished, "--steps", "20") == 0
    assert train(finished, "--epochs", "1") == 2
    assert "less" in capsys.readouterr().err


def test_steps_and_epochs_together_are_refused(tmp_path, capsys):
    assert train(tmp_path, *SMALL, "--steps", "5", "--epochs", "1") == 2
    assert "give one of them" in capsys.readouterr().err


def test_another_experiment_is_refused(finished, capsys):
    assert train(finished, name="facades") == 2
    assert "holds a run of the experiment quickstart, not of facades" in capsys.readouterr().err


def run_of_pairs(tmp_path: Path) -> tuple[Path, Path]:
    pairs, run = folder_of_pairs(tmp_path / "pairs"), tmp_path / "run"
    assert train(run, *TINY, "--data.source", "folder", "--data.path", str(pairs), "--steps", "2") == 0
    return pairs, run


@pytest.mark.slow
def test_changed_pictures_are_refused(tmp_path, capsys):
    pairs, run = run_of_pairs(tmp_path)
    (pairs / "7.png").write_bytes((pairs / "0.png").read_bytes())
    assert train(run, "--steps", "4") == 2
    assert "the pictures have changed" in capsys.readouterr().err
    assert steps_of(run) == [2]


@pytest.mark.slow
@pytest.mark.parametrize("length", tiers([("--steps", "8"), ("--epochs", "2")]))
@pytest.mark.parametrize("change", ["more", "fewer"])
def test_changed_pictures_may_be_accepted(tmp_path, capsys, length, change):
    pairs, run = folder_of_pairs(tmp_path / "pairs"), tmp_path / "run"
    assert train(run, *TINY, "--data.source", "folder", "--data.path", str(pairs), "--epochs", "1") == 0
    old = json.loads((run / "experiment.json").read_text())
    for index in (7, 8):
        (pairs / f"{index}.png").write_bytes((pairs / "0.png").read_bytes())
    if change == "fewer":
        for index in (1, 2, 3, 7):
            (pairs / f"{index}.png").unlink()
    assert train(run, *length) == 2
    assert "--accept-changed-data" in capsys.readouterr().err
    assert train(run, *length, "--accept-changed-data") == 0
    said = capsys.readouterr().out
    assert said.count("The pictures have changed since the run was started; it resumes with the current ones.") == 1
    assert steps_of(run)[-1] == {"--steps": 8, "--epochs": 12}[length[0]]
    new = json.loads((run / "experiment.json").read_text())
    assert new["fingerprint"] != old["fingerprint"]
    assert new["config"]["steps_per_epoch"] == old["config"]["steps_per_epoch"] == 6
    assert train(run) == 0
    assert "have changed" not in capsys.readouterr().out, "its fingerprint is that of now"


@pytest.mark.exhaustive
def test_a_resumed_run_of_epochs_keeps_its_length(tmp_path, monkeypatch, capsys):
    pairs, run = folder_of_pairs(tmp_path / "pairs"), tmp_path / "run"
    options = (*TINY, "--data.source", "folder", "--data.path", str(pairs), "--epochs", "2", "--checkpoint-every", "2")
    with monkeypatch.context() as patch:
        stop_after(patch, 8, crash)
        assert train(run, *options) == INTERNAL_ERROR
    assert "RuntimeError: a crash" in capsys.readouterr().err
    (pairs / "7.png").write_bytes((pairs / "0.png").read_bytes())
    assert train(run, "--accept-changed-data") == 0
    assert steps_of(run)[-1] == 12


@pytest.mark.exhaustive
def test_moved_pictures_count_as_unchanged(tmp_path):
    pairs, run = run_of_pairs(tmp_path)
    moved = pairs.rename(tmp_path / "elsewhere")
    assert train(run, "--steps", "4", "--data.path", str(moved)) == 0
    assert steps_of(run)[-1] == 4


def test_a_file_as_workdir_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert train(tmp_path / "file", *SMALL) == 2
    assert "is a file" in capsys.readouterr().err


def test_overwrite_does_not_remove_the_experiment_file_of_the_run(tmp_path, capsys):
    file = tmp_path / "experiment.py"
    file.write_text("from experiments.quickstart import CONFIG")
    assert train(tmp_path, *SMALL, "--steps", "2", "--overwrite", name=str(file)) == 2
    assert "would remove" in capsys.readouterr().err
    assert file.is_file()


@pytest.mark.slow
def test_an_added_picture_is_named_as_the_cause(tmp_path, capsys):
    pairs, run = folder_of_pairs(tmp_path / "pairs"), tmp_path / "run"
    options = (*TINY, "--data.source", "folder", "--data.path", str(pairs), "--epochs", "1")
    assert train(run, *options) == 0
    shutil.copy(pairs / "0.png", pairs / "9.png")
    assert train(run, *options) == 2
    assert "the pictures have changed" in capsys.readouterr().err

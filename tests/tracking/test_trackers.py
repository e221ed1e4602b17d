"""Which trackers a run has, and that none of them can slow down or end it."""

import subprocess
import sys
import time
from queue import Queue

import pytest
from helpers.runs import LINEAR, rows_of, skip_report, train
from helpers.tracked import write_module

from p2p_jax.config import Config
from p2p_jax.console import open_console
from p2p_jax.errors import UserError
from p2p_jax.tracking import trackers
from p2p_jax.tracking.trackers import PACKAGES, Package, Tracker, open_trackers, refuse_missing, wanted

QUIET = open_console(quiet=True)


def test_each_tracker_is_wanted_once():
    assert wanted(Config()) == ()
    assert wanted(Config(tensorboard=True)) == ("tensorboard",)
    assert wanted(Config(track=("wandb", "tensorboard", "wandb"), tensorboard=True)) == ("tensorboard", "wandb")


@pytest.mark.parametrize("given", ["wandb", ("wandb", "neptune")])
def test_a_tracker_that_does_not_exist_is_refused(given):
    with pytest.raises(UserError, match=r"track was given '(wandb|neptune)': give some of tensorboard, wandb, trackio"):
        refuse_missing(Config(track=given))


def test_a_missing_package_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PACKAGES, "wandb", Package(("no_such_module",), "wandb", {}))
    assert train(tmp_path / "run", *LINEAR, "--track", "wandb") == 2
    message = capsys.readouterr().err
    assert (
        "--track wandb needs no_such_module: install it with 'pip install wandb' (or as the extra p2p-jax[wandb])"
        in message
    )
    assert not (tmp_path / "run").exists()


@pytest.fixture
def hanging(tmp_path):
    """A process that reads nothing."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE)
    yield Tracker("wandb", tmp_path / "log", process, Queue(2))
    process.kill()
    process.communicate()


def test_a_tracker_that_hangs_is_given_up_with_one_warning(hanging):
    started = time.monotonic()
    hanging.send({"rewind": 0})
    hanging.send({"rewind": 1})
    with pytest.warns(
        UserWarning, match=r"tracking with wandb has ended \(it has not taken its last .* goes on without it"
    ):
        hanging.send({"rewind": 2})
    hanging.send({"rewind": 3})
    trackers.Trackers([hanging]).close("finished")
    assert time.monotonic() - started < 10


def test_the_end_of_a_run_waits_only_so_long(hanging, monkeypatch):
    monkeypatch.setattr(trackers, "CLOSE_TIMEOUT", 0.01)
    with pytest.warns(UserWarning, match="still writes or uploads, and is not waited for"):
        trackers.Trackers([hanging]).close("finished")


def test_a_tracker_does_not_write_through_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / "tracking" / "mlflow").mkdir(parents=True)
    (tmp_path / "run" / "tracking" / "mlflow" / "artifacts").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.warns(UserWarning, match=r"tracking with mlflow is not possible, .*artifacts is a link"),
        open_trackers(Config(track=("mlflow",)), "mine", tmp_path / "run", QUIET) as opened,
    ):
        assert opened.opened == []
    assert list((tmp_path / "elsewhere").iterdir()) == []


BROKEN = """
def __getattr__(name):
    raise OSError(28, "No space left on device")
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_tracker_that_fails_does_not_end_the_run(tmp_path, monkeypatch, capsys):
    skip_report(monkeypatch)
    write_module(tmp_path / "site", "trackio", BROKEN)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert train(tmp_path / "run", *LINEAR, "--track", "trackio") == 0
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "tracking with trackio has ended (OSError: [Errno 28] No space left on device), and the run goes on" in message
    assert [row["step"] for row in rows_of(tmp_path / "run")] == [2, 3, 4, 6, 8]

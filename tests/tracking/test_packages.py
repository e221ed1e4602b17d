"""Real packages write into a folder, without a network, and continue the run of an earlier start."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.tracked import query, tensorboard_events, wandb_steps
from PIL import Image

from p2p_jax.config import Config
from p2p_jax.console import open_console
from p2p_jax.tracking.child import read_progress
from p2p_jax.tracking.trackers import open_trackers

NOWHERE = "http://127.0.0.1:9"
SETTINGS = {"MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "TRACKIO_DIR"}


@pytest.fixture
def workdir(tmp_path, monkeypatch) -> Path:
    """The folder of a run of a user who has no account anywhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    for name in (name for name in os.environ if name.startswith("WANDB_") or name in SETTINGS):
        monkeypatch.delenv(name)
    (tmp_path / "mine").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "mine" / "grid.png")
    return tmp_path / "mine"


def track(workdir: Path, name: str, rewind: int, *steps: int, seed: int = 1) -> None:
    """One start of a run, which logs a row and a picture at each step, and figures at the last one."""
    with open_trackers(Config(track=(name,), seed=seed), "facades", workdir, open_console(quiet=True)) as trackers:
        trackers.send(rewind=rewind)
        for step in steps:
            trackers.log_row({"step": step, "l1": 1 / step})
            trackers.send(picture=str(workdir / "grid.png"), step=step)
        trackers.log_figures("test", {"input itself": {"l1": 0.25}}, steps[-1])


def run_twice(workdir: Path, name: str) -> None:
    """Resumes from step 2 a run that had logged up to step 4; the second start does not log steps twice."""
    track(workdir, name, 0, 2, 4)
    track(workdir, name, 2, 4, 6, seed=2)


@pytest.mark.slow
def test_tensorboard(workdir):
    pytest.importorskip("tensorboardX")
    run_twice(workdir, "tensorboard")
    events = tensorboard_events(workdir / "tensorboard")
    rows = [(event.step, value.tag) for event in events for value in event.summary.value]
    assert [step for step, tag in rows if tag == "l1"] == [2, 4, 4, 6], "from step 3 on, the second start drops events"
    assert [step for step, tag in rows if tag == "samples"] == [2, 4, 4, 6]
    assert [step for step, tag in rows if tag == "test/input itself/l1"] == [4, 6]
    assert [event.step for event in events if event.HasField("session_log")] == [1, 3]
    image = next(value.image for event in events for value in event.summary.value if value.tag == "samples")
    assert (image.width, image.encoded_image_string) == (8, (workdir / "grid.png").read_bytes())
    settings = [v.tensor.string_val[0] for event in events for v in event.summary.value if v.tag.startswith("settings")]
    assert b"| seed | 2 |" in settings[-1]
    assert b"| experiment | facades |" in settings[-1]


@pytest.mark.slow
def test_wandb(workdir):
    pytest.importorskip("wandb")
    run_twice(workdir, "wandb")
    steps = wandb_steps(workdir / "tracking" / "wandb")
    assert [own for own, _, _ in steps] == list(range(len(steps)))
    assert [step for _, step, is_picture in steps if is_picture] == [2, 4, 6]
    assert [step for _, step, is_picture in steps if not is_picture] == [2, 4, 4, 6, 6], "rows and figures"
    names = {path.name.partition("-run-")[2].partition("-")[2] for path in (workdir / "tracking" / "wandb").glob("*-run-*")}
    assert len(names) == 1, "both starts write the same run"


@pytest.mark.slow
def test_trackio(workdir):
    pytest.importorskip("trackio")
    run_twice(workdir, "trackio")
    database = workdir / "tracking" / "trackio" / "p2p-jax.db"
    rows = query(database, "SELECT run_name, step, metrics FROM metrics ORDER BY id")
    assert {name for name, _, _ in rows} == {"mine"}
    assert [step for _, step, values in rows if b'"l1"' in values] == [2, 4, 6]
    assert [step for _, step, values in rows if b'"samples"' in values] == [2, 4, 6]
    assert [step for _, step, values in rows if b"test/input itself/l1" in values] == [4, 6]
    assert b'"experiment":"facades"' in query(database, "SELECT config FROM configs")[0][0]
    assert len(list((workdir / "tracking" / "trackio" / "media").rglob("*.png"))) == 3


@pytest.mark.slow
def test_mlflow(workdir):
    pytest.importorskip("mlflow")
    track(workdir, "mlflow", 0, 2, 4)
    moved = workdir.rename(workdir.with_name("moved # 100%"))
    track(moved, "mlflow", 2, 4, 6, seed=2)
    folder = moved / "tracking" / "mlflow"
    assert query(folder / "mlflow.db", "SELECT name, status FROM runs") == [("moved # 100%", "FINISHED")]
    assert query(folder / "mlflow.db", "SELECT step FROM metrics WHERE key = 'l1' ORDER BY step") == [(2,), (4,), (6,)]
    figures = "SELECT step FROM metrics WHERE key = 'test/input itself/l1' ORDER BY step"
    assert query(folder / "mlflow.db", figures) == [(4,), (6,)]
    assert set(query(folder / "mlflow.db", "SELECT key, value FROM params")) >= {("experiment", "facades"), ("seed", "1")}
    assert ("seed", "2") in query(folder / "mlflow.db", "SELECT key, value FROM tags"), "a parameter cannot change"
    assert len(list((folder / "artifacts").rglob("*.png"))) == 3
    assert not workdir.exists()


KILLED = """
import os, pathlib, signal, time
from p2p_jax.config import Config
from p2p_jax.console import open_console
from p2p_jax.tracking.child import read_progress
from p2p_jax.tracking.trackers import open_trackers

with open_trackers(Config(track=("tensorboard",)), "facades", pathlib.Path(), open_console(quiet=True)) as trackers:
    trackers.send(rewind=0)
    trackers.log_row({"step": 2, "l1": 0.5})
    time.sleep(0.5)  # the thread writes the messages into the pipe
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_tracker_logs_what_it_has_received_before_the_run_was_killed(workdir):
    pytest.importorskip("tensorboardX")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=workdir, env=environment).returncode == -signal.SIGKILL
    end = time.monotonic() + 60
    path = workdir / "tracking" / "tensorboard.run.json"
    while time.monotonic() < end and ((progress := read_progress(path)) is None or progress.row < 2):
        time.sleep(0.1)
    events = tensorboard_events(workdir / "tensorboard")
    assert [event.step for event in events for value in event.summary.value if value.tag == "l1"] == [2]

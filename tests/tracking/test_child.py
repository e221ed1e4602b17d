"""What the process of a tracker logs, what it skips, and what it remembers."""

import json

import pytest
from helpers.tracked import RUN, noting_backend

from p2p_jax.errors import UserError
from p2p_jax.tracking.child import Progress, follow, read_progress

MESSAGES = [
    {"rewind": 0},
    {"row": {"l1": 0.5}, "step": 2},
    {"picture": "samples/step_4.png", "step": 4},
    {"row": {"l1": 0.4}, "step": 4},
    {"row": {"l1": 0.3}, "step": 6},
    {"figures": {"test/translator/l1": 0.2}, "step": 6},
    {"end": "finished"},
]


def track(path, messages, **options):
    """The calls of one start, which continues what the file of the progress says."""
    calls: list = []
    follow(messages, noting_backend(calls, **options), read_progress(path) or Progress(RUN), path)
    return [(kind, *arguments[-1:]) for kind, *arguments in calls]


def test_everything_is_logged_once(tmp_path):
    path = tmp_path / "wandb.run.json"
    logged = [("log", 2), ("picture", 4), ("log", 4), ("log", 6), ("log", 6)]
    assert track(path, MESSAGES) == [*logged, ("close", "finished")]
    assert read_progress(path) == Progress(RUN, calls=5, row=6, picture=4, figures=6)
    assert track(path, MESSAGES) == [("close", "finished")]


def test_a_resumed_run_does_not_log_steps_twice(tmp_path):
    path = tmp_path / "wandb.run.json"
    assert track(path, MESSAGES[:4])[-1] == ("close", "stopped")
    again = [{"rewind": 2}, *MESSAGES[2:6], {"row": {"l1": 0.2}, "step": 8}]
    assert track(path, again) == [("log", 6), ("log", 6), ("log", 8), ("close", "stopped")]


def test_a_tracker_that_can_remove_later_steps_logs_them_again(tmp_path):
    path = tmp_path / "tensorboard.run.json"
    track(path, MESSAGES, rewinds=True)
    expected = [("rewind", 3), ("picture", 4), ("log", 4), ("log", 6), ("log", 6), ("close", "finished")]
    assert track(path, [{"rewind": 3}, *MESSAGES[2:]], rewinds=True) == expected


@pytest.mark.parametrize("content", ["", "[]", '{"run": 5}', '{"run": "../../x", "calls": 0}', '{"run": "a", "calls": -1}'])
def test_a_damaged_progress_is_not_used(tmp_path, content):
    (tmp_path / "a.run.json").write_text(content)
    assert read_progress(tmp_path / "a.run.json") is None
    assert read_progress(tmp_path / "none.run.json") is None


def test_a_progress_is_not_read_through_a_link(tmp_path):
    (tmp_path / "real").write_text(json.dumps({"run": RUN}))
    (tmp_path / "a.run.json").symlink_to(tmp_path / "real")
    with pytest.raises(UserError, match="is a link"):
        read_progress(tmp_path / "a.run.json")

"""Checkpoints in folders whose paths libraries take for patterns, escapes or URLs, and that are renamed."""

import os
import shutil
from pathlib import Path

import pytest
from helpers.cases import tiers
from helpers.checkpoints import make_state, restore, same, save_all

from p2p_jax.errors import UserError
from p2p_jax.workdir import checkpoint, held
from p2p_jax.workdir.manager import open_manager

NAMES = ["run[1]", "back\\slash", "[0-9]*", "a**b", "[!x]", "what?", "gs:/x", "a\nb", os.fsdecode(b"\xe9"), "{a}#%41 ü"]

on_linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux gives an open folder a path")


@pytest.mark.parametrize("name", tiers(NAMES, slow=3), ids=repr)
def test_a_checkpoint_is_restored_whatever_its_path_is(tmp_path, name):
    state, workdir = make_state(3, ema=True), tmp_path / name / "run"
    save_all(workdir, [make_state(1, 1), state])
    assert same(restore(workdir, make_state(1, ema=True)), state)
    assert checkpoint.restore_params(workdir)[2] == 5


@pytest.mark.parametrize("name", tiers(NAMES, slow=3), ids=repr)
def test_a_checkpoint_is_restored_where_no_folder_has_a_second_path(tmp_path, monkeypatch, name):
    """As on systems other than Linux."""
    monkeypatch.setattr(held, "_path_of", lambda descriptor: None)
    save_all(tmp_path / name, [make_state(3)])
    assert same(restore(tmp_path / name, make_state(1)), make_state(3))


def test_a_pattern_does_not_match_the_folders_beside_it(tmp_path):
    """As a pattern `run*` matches `run_b`, whose arrays must not get into its checkpoints."""
    save_all(tmp_path / "run_b", [make_state(2, 1)])
    save_all(tmp_path / "run*", [make_state(3, 1)])
    assert same(restore(tmp_path / "run*", make_state(1)), make_state(3, 1))


def test_a_path_without_another_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(held, "_path_of", lambda descriptor: None)
    monkeypatch.setattr(held.tempfile, "tempdir", str(tmp_path / "temporary[1]"))
    (tmp_path / "temporary[1]").mkdir()
    with pytest.raises(UserError, match=r"give a --workdir without"), open_manager(tmp_path / "run[1]", keep=1):
        pass


@on_linux
def test_checkpoints_follow_a_renamed_folder(tmp_path):
    with open_manager(tmp_path / "run", keep=9) as manager:
        checkpoint.save(manager, make_state(1, 1))
        (tmp_path / "run").rename(tmp_path / "moved")
        shutil.copytree(tmp_path / "moved", tmp_path / "run")
        checkpoint.save(manager, make_state(2, 2))
        checkpoint.finish_saving(manager)
    assert same(restore(tmp_path / "moved", make_state(0)), make_state(2, 2))
    assert same(restore(tmp_path / "run", make_state(0)), make_state(1, 1))


@on_linux
def test_closing_a_manager_closes_its_folder(tmp_path):
    save_all(tmp_path, [])
    opened = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not any(str(tmp_path) in path for path in opened)

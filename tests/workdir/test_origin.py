"""How a run was started: its command, time, machine, and the commit of the package."""

import json
import re
from pathlib import Path

import pytest
from helpers.runs import finished_run

from p2p_jax import experiment
from p2p_jax.config import Config
from p2p_jax.workdir import record
from p2p_jax.workdir.origin import describe_origin, find_commit

COMMIT = "0123456789" * 4


def checkout(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {".git/HEAD": COMMIT + "\n"},
        {".git/HEAD": "ref: refs/heads/a/b\n", ".git/refs/heads/a/b": COMMIT + "\n"},
        {".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": f"# pack-refs\n{COMMIT} refs/heads/main\n"},
        {".git": "gitdir: shared/worktrees/x\n", "shared/worktrees/x/HEAD": "ref: refs/heads/x\n",
         "shared/worktrees/x/commondir": "../..\n", "shared/refs/heads/x": COMMIT},
    ],
)  # fmt: skip
def test_the_commit_of_a_checkout_is_read_from_its_files(tmp_path, files):
    assert find_commit(checkout(tmp_path, files)) == COMMIT


@pytest.mark.parametrize(
    "files",
    [
        {},
        {".git/HEAD": "ref: refs/heads/none\n"},
        {".git/HEAD": "ref: refs/../../secret\n", "secret": COMMIT},
        {".git/HEAD": "<script>"},
        {".git": "gitdir: nowhere\0\n"},
    ],
)
def test_a_folder_without_a_commit_has_none(tmp_path, files):
    assert find_commit(checkout(tmp_path, files)) is None


def test_a_run_that_was_trained_from_the_command_line_has_its_command():
    stored = json.loads((finished_run() / "experiment.json").read_text())
    assert stored["command"].startswith("p2p-jax train quickstart --workdir ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", stored["started"])
    assert "CPU cores" in stored["machine"]


def test_a_resumed_run_keeps_how_it_was_started(tmp_path):
    found = experiment.find("maps")._replace(config=Config(image_size=16, epochs=None, steps=1))
    record.save_record(tmp_path, found, None, origin={"command": "import"})
    record.save_record(tmp_path, found, "print", origin=describe_origin("first"))
    before = (tmp_path / "experiment.json").read_bytes()
    record.save_record(tmp_path, found, "print", origin=describe_origin("second"))
    assert (tmp_path / "experiment.json").read_bytes() == before
    assert record.read_record(tmp_path)["command"] == "first"


def test_a_record_of_an_older_version_stays_readable(tmp_path):
    found = experiment.find("maps")._replace(config=Config(image_size=16, epochs=None, steps=1))
    record.save_record(tmp_path, found, "print")
    assert "command" not in record.read_record(tmp_path)
    record.save_record(tmp_path, found, "print", origin=describe_origin("second"))
    assert "command" not in record.read_record(tmp_path)

"""Shared by the tests of the recipes."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def fake_programs(tmp_path, monkeypatch):
    """Returns a function that creates programs for scripts to call.

    Each is given as lines of bash, in which $CALLS is the file that lists all calls so far. Returns the path of that file.
    """
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    (tmp_path / "calls").touch()

    def make(**programs: str) -> Path:
        for name, text in programs.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f'#!/usr/bin/env bash\necho "{path.name} $*" >> "$CALLS"\n{text}\n')
            path.chmod(0o755)
        return tmp_path / "calls"

    return make

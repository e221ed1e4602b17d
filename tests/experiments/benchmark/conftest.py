"""Shared by the tests of the benchmark."""

import subprocess
import sys

import pytest

from experiments.benchmark import pool


@pytest.fixture
def fake_worker(monkeypatch):
    """Returns a function that lets each worker run a few lines of Python instead of the real worker."""
    popen = subprocess.Popen

    def use(code):
        monkeypatch.setattr(pool.subprocess, "Popen", lambda _, **options: popen([sys.executable, "-c", code], **options))

    return use

"""The parent of a distributed worker: when it is needed, and how it reports the end of its child."""

import os
import signal
import subprocess
import sys
import threading
import time

import jax
import pytest

from p2p_jax.cli import run_command, supervisor
from p2p_jax.cli.supervisor import needs_parent
from p2p_jax.config.distributed import PARENT
from p2p_jax.errors import INTERNAL_ERROR


def test_only_a_process_without_a_parent_needs_one(monkeypatch):
    assert needs_parent(["train", "quickstart", "--distributed.auto"])
    assert needs_parent(["train", "quickstart", "--distributed.step_timeout", "3"])
    assert not needs_parent(["train", "quickstart"])
    monkeypatch.setenv(PARENT, "1")
    assert not needs_parent(["train", "quickstart", "--distributed.auto"])


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("sys.exit(3)", 3, ""),
        ("os.abort()", 75, "another process of this run was lost"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "this process was ended by SIGKILL"),
    ],
)
def test_a_parent_reports_why_its_child_ended(monkeypatch, capsys, end, code, said):
    monkeypatch.setattr(supervisor, "CHILD", f"import os, signal, sys; assert os.environ['{PARENT}']; {end}")
    assert supervisor.supervise([], "p2p-jax") == code
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == bool(said)


def test_a_lost_connection_is_reported_as_a_lost_process(monkeypatch, capsys):
    def lose_connection(_argv):
        try:
            raise jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed:  Connection reset by peer\nmore")
        except Exception as error:
            raise KeyError("of a library in between") from error

    assert run_command(lose_connection, []) == INTERNAL_ERROR
    assert "KeyError" in capsys.readouterr().err
    monkeypatch.setenv(PARENT, "1")
    assert run_command(lose_connection, []) == 75
    said = capsys.readouterr().err
    assert said.startswith(
        "p2p-jax: another process of this run was lost (UNKNOWN: Gloo all-reduce failed:  Connection reset"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize(("end", "code"), [("raise ValueError", 1), ("sys.exit(3)", 3), ("return 75", 75)])
def test_a_child_exits_with_the_code_of_its_program(end, code):
    program = (
        f"import sys; from p2p_jax import cli\nfrom p2p_jax.cli import child\ndef main(argv): {end}\n"
        "cli.main = main; child.run_child()"
    )
    assert subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL).returncode == code


def test_a_parent_forwards_signals(monkeypatch):
    waits = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); time.sleep(60)"
    monkeypatch.setattr(supervisor, "CHILD", waits)
    began, before = time.monotonic(), signal.getsignal(signal.SIGTERM)
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    assert supervisor.supervise([], "p2p-jax") == 75
    assert time.monotonic() - began < 30
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("parent_imports_from_it", [False, True])
def test_a_child_imports_nothing_from_the_current_folder_unless_its_parent_does(
    tmp_path, monkeypatch, parent_imports_from_it
):
    (tmp_path / "evil.py").write_text("")
    monkeypatch.chdir(tmp_path)
    rest = [path for path in sys.path if path not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", [*([""] if parent_imports_from_it else []), *rest])
    monkeypatch.setattr(supervisor, "CHILD", "import importlib.util, sys; sys.exit(bool(importlib.util.find_spec('evil')))")
    assert supervisor.supervise([], "p2p-jax") == int(parent_imports_from_it)

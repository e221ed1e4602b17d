"""Loading JAX: Ctrl-C meanwhile ends the command at once, without a traceback and without a crash."""

import os
import signal
import subprocess
import sys
import time

import pytest

CODE = "from p2p_jax.cli import main; print('ready', flush=True); raise SystemExit(main(['report', 'run']))"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="only Linux lists the threads of a process")
@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_ctrl_c_while_jax_is_loaded_ends_the_command_at_once(delay, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    while len(os.listdir(f"/proc/{process.pid}/task")) == 1:  # a second thread loads JAX
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (130, "p2p-jax: interrupted.\n")

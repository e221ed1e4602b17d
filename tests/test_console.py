"""Prints that fail: they end nothing."""

import errno
import io
import os
import subprocess
import sys

import pytest

from p2p_jax.console import lasting_output


class Broken(io.StringIO):
    """A stream that fails to print."""

    def __init__(self, error: Exception):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


GONE = {
    "pipe": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "terminal": OSError(errno.EIO, "Input/output error"),
    "descriptor": OSError(errno.EBADF, "Bad file descriptor"),
    "closed": ValueError("I/O operation on closed file"),
    "interrupted": RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>"),
}
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("gone", GONE)
def test_a_stream_that_nobody_reads_ends_nothing(monkeypatch, stream, gone):
    monkeypatch.setattr(sys, stream, Broken(GONE[gone]))
    with lasting_output():
        print("a line", file=getattr(sys, stream), flush=True)
    assert isinstance(getattr(sys, stream), Broken)


def test_a_full_disk_ends_a_command_that_prints_its_result(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(FULL))
    with pytest.raises(OSError, match="No space left"), lasting_output():
        print("the result")


def test_a_full_disk_ends_no_command_that_writes_files(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(FULL))
    with lasting_output(any_error=True):
        print("a message")


def test_characters_that_the_encoding_lacks_are_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with lasting_output():
        print("Bäume…")
    assert raw.getvalue() == b"B\\xe4ume\\u2026\n"


def test_a_missing_stream_ends_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with lasting_output():
        print("nothing")


PRINTS = """
import sys
from p2p_jax.cli import run_command

def command(argv):
    for number in range(20_000):
        print("a line", number)
    sys.stderr.write("done")
    return 0

sys.exit(run_command(command, []))
"""


def test_a_closed_pipe_ends_neither_a_command_nor_python():
    """As `p2p-jax … | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"a line 0\n"
    process.stdout.close()
    assert process.stderr.read() == b"done"
    assert process.wait() == 0
    process.stderr.close()

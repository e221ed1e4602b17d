"""Texts on a console control nothing, no encoding makes them an error, and a print that fails ends nothing."""

import errno
import io
import os
import subprocess
import sys

import pytest
from helpers.cases import tiers
from rich.table import Table
from rich.text import Text

from p2p_jax.console import escape_unencodable, lasting_output, open_console, waiting

EVIL = "a\x1b[2J\x9b1m\u202eb\udce9"
SHOWN = r"a\x1b[2J\x9b1m\u202eb\xe9"


@pytest.mark.parametrize("make", [str, Text, lambda text: Table("title", text)])
def test_control_characters_are_shown_and_do_nothing(capsys, make):
    open_console().print(make(EVIL))
    shown = capsys.readouterr().out
    assert r"a\x1b[2J" in shown
    assert not {*EVIL} & {*shown} - {*"a[2J1mb"}


def test_a_string_is_one_line_and_a_text_keeps_its_lines(capsys):
    open_console().print("a\nb")
    open_console().print(Text("a\nb"))
    assert capsys.readouterr().out == "a\\nb\na\nb\n"


def test_the_codes_of_a_terminal_stay(monkeypatch):
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = open_console()
    console.file = io.StringIO()
    with waiting(console, EVIL):
        console.print("done", style="bold red")
    written = console.file.getvalue()
    assert "\x1b[1;31mdone" in written
    assert r"a\x1b[2J" in written
    assert "\x1b[2J" not in written
    assert "\x9b" not in written


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_streams_escape_what_they_cannot_encode(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    escape_unencodable()
    print("é … 日本 \udce9")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding).count("\\u65e5") == (encoding != "utf-8")


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "1"}])
@pytest.mark.parametrize("command", tiers([["summary", "é\x1b[2J\n"], [], ["trainé"]]))
def test_commands_answer_in_an_ascii_locale(variables, command):
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} | variables
    line = [sys.executable, "-c", "import sys; from p2p_jax.cli import main; sys.exit(main())", *command]
    done = subprocess.run(line, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"\x1b[2J" not in done.stdout + done.stderr
    assert done.stderr.count(b"\n") == (1 if command else 0)


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

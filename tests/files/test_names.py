"""Foreign names are joined to a folder or refused, and shown without harm."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2p_jax.errors import UserError
from p2p_jax.files.names import join_inside, name_bytes, printable


@pytest.mark.parametrize("name", ["a.png", "a/b.png", "./a/./b.png", "a//b", "..a/b..", "...", "a b", "é/日本", ".hidden"])
def test_names_inside_are_joined(tmp_path, name):
    assert join_inside(tmp_path, name, "the bucket b") == tmp_path / name


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "a/..", "..", "/etc/passwd", "//a", "", ".", "./", "a\0b", "a/../b", "./../a", "a/b/.."]
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"the bucket b holds '.*', a path outside of it: do not use it"):
        join_inside(tmp_path, name, "the bucket b")


def test_links_between_the_folder_and_the_file_are_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "link").symlink_to(tmp_path / "out")
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    assert join_inside(tmp_path / "linked", "deep/a", "x") == tmp_path / "linked" / "deep" / "a", "the user's own link"
    with pytest.raises(UserError, match="a path outside"):
        join_inside(tmp_path / "in", "deep/link/a", "x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb\x7f\x9b2J", r"a\rb\x7f\x9b2J"),
        ("gnp.\u202eexe", r"gnp.\u202eexe"),
        ("a\u2028b\ufeff", r"a\u2028b\ufeff"),
        ("caf\udce9 é", r"caf\xe9 é"),
        ("caf\udcc3\udca9", "café"),
        ("\ud800\udc80", r"\ud800\x80"),
        ("日本 👩‍👩‍👧 naïve\\n", "日本 👩‍👩‍👧 naïve\\n"),
    ],
)
def test_texts_are_shown_without_harm(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown
    printable(text).encode()


def test_lines_may_be_kept():
    assert printable("a\n\tb\x1b\r", lines=True) == "a\n\tb\\x1b\\r"


@pytest.mark.parametrize("name", [b"a", "é".encode(), b"caf\xe9", b"\xff\xfe"])
def test_the_bytes_of_a_name_do_not_depend_on_the_locale(name):
    program = "import os, sys; from p2p_jax.files.names import name_bytes; "
    program += "sys.stdout.buffer.write(name_bytes(os.fsdecode(bytes.fromhex(sys.argv[1]))))"
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for changed in (dict(os.environ), environment):
        line = [sys.executable, "-c", program, name.hex()]
        assert subprocess.run(line, env=changed, capture_output=True, check=True).stdout == name
    assert name_bytes(json.loads('"\\ud800"'))


def test_a_folder_is_a_path(tmp_path):
    assert isinstance(join_inside(tmp_path, "a", "x"), Path)

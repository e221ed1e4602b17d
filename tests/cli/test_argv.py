"""Reading single options from a command line before it is parsed."""

from pathlib import Path

import pytest

from p2p_jax.cli.argv import find_workdir, typed_value


def test_the_workdir_is_found_on_the_command_line():
    assert find_workdir(["x", "--workdir", "a/b"], "x") == Path("a/b")
    assert find_workdir(["x", "--workdir=a/b"], "x") == Path("a/b")
    assert find_workdir(["x", "--seed", "1"], "x") == Path("runs/x")


@pytest.mark.parametrize("line", [["--init-from", "x"], ["--init_from=x"], ["--init-from", "y", "--init_from", "x"]])
def test_options_may_be_typed_in_several_ways(line):
    assert typed_value(["train", "facades", *line], "--init-from") == "x"

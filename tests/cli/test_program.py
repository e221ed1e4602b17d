"""The command line: help, versions, and answers to what it does not know."""

import os
import re
import subprocess
import sys

import pytest

from p2p_jax.cli import inference, main, run_command
from p2p_jax.errors import Stopped


def complaint(capsys) -> str:
    """The text on stderr, which must be one line that begins with the program's name."""
    message = capsys.readouterr().err
    assert message.startswith("p2p-jax: ")
    assert message.count("\n") == 1
    return message


@pytest.mark.parametrize("argv", [["--help"], ["-h"]])
def test_help_names_every_command(capsys, argv):
    assert main(argv) == 0
    output = capsys.readouterr().out
    assert all(
        f"\n  {command} " in output for command in ("train", "translate", "evaluate", "compare", "report", "summary")
    )


def test_no_arguments_show_the_help_and_are_an_error(capsys):
    assert main([]) == 2
    assert "usage: p2p-jax" in capsys.readouterr().out


def test_the_version_names_python_and_the_libraries(capsys):
    assert main(["--version"]) == 0
    output = capsys.readouterr().out
    assert re.match(r"python 3\.\d+\.\d+", output)
    assert all(re.search(rf"\b{name} \d+\.\d+", output) for name in ("p2p-jax", "jax", "flax", "optax", "numpy"))


@pytest.mark.parametrize("command", ["translate", "evaluate", "compare", "report"])
def test_each_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: p2p-jax {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "summary"])
def test_a_command_without_an_experiment_says_how_it_is_used(capsys, command):
    assert main([command, "--help"]) == 0
    assert main([command]) == 2
    assert f"usage: p2p-jax {command} NAME|FILE.py" in capsys.readouterr().out


def test_train_names_the_experiments(capsys):
    assert main(["train", "--help"]) == 0
    assert "facades" in capsys.readouterr().out


def test_every_field_is_an_option_without_a_prefix(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "facades", "--help-all"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    assert all(f" {name} " in output for name in ("--image-size", "--generator.width", "--data.path", "--workdir"))
    assert "--config" not in output
    assert "steps-per-epoch" not in output


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("translat", "translate"), ("evaluation", "evaluate")])
def test_an_unknown_command_is_answered_with_the_one_it_resembles(capsys, typed, meant):
    assert main([typed]) == 2
    assert f"no command {typed} (did you mean {meant}?)" in complaint(capsys)


def test_an_unknown_command_that_resembles_none_is_answered_without_a_guess(capsys):
    assert main(["xyzzy"]) == 2
    assert "did you mean" not in complaint(capsys)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--generator.wdth", "--generator.width"),
        ("--learning-rate", "--optimizer.learning-rate"),
        ("--work-dir", "--workdir"),
        ("--batchsize=3", "--batch-size"),
    ],
)
@pytest.mark.parametrize("command", ["train", "summary"])
def test_an_unknown_option_is_answered_with_the_one_it_resembles(capsys, tmp_path, monkeypatch, command, typed, meant):
    monkeypatch.chdir(tmp_path)
    if command == "summary" and meant == "--workdir":
        pytest.skip("summary has no workdir")
    assert main([command, "facades", typed, "3"]) == 2
    message = complaint(capsys)
    assert typed.split("=")[0] in message
    assert f"did you mean {meant}?" in message
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_experiment_is_refused(capsys):
    assert main(["train", "facade"]) == 2
    assert "it is one of" in complaint(capsys)


@pytest.mark.parametrize(
    "options",
    [["--image-size", "x"], ["--generator.norm", "layer"], ["--seed"], ["--data.input.channels", "x"], ["--steps", "1.5"]],
)
def test_a_value_of_the_wrong_kind_ends_with_2_and_names_the_option(capsys, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["train", "quickstart", *options])
    except SystemExit as error:
        code = error.code
    assert code == 2
    output = capsys.readouterr()
    assert options[0] in output.err + output.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["--image-size", "8"], ["--batch-size", "0"], ["--generator.dropout", "1"]])
def test_a_value_out_of_range_ends_with_2_and_names_the_option(capsys, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "quickstart", *options]) == 2
    assert f"{options[0]} was given {options[1]}" in complaint(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_the_network_cannot_halve_is_refused(capsys, tmp_path):
    size = ["--image-size", "16", "--data.load-size", "16", "--generator.widths", *"222222"]
    assert main(["train", "quickstart", "--workdir", str(tmp_path / "run"), *size]) == 2
    assert "a side of 16 pixels cannot be halved so often: give at most 4" in complaint(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_summary_of_the_papers_network_has_its_parameters(capsys):
    assert main(["summary", "facades"]) == 0
    output = capsys.readouterr().out
    assert "54,413,955" in output
    assert "(1, 256, 256, 6)" in output


def test_the_summary_follows_the_options(capsys):
    assert main(["summary", "quickstart", "--generator.width", "2", "--data.input.channels", "1", "--batch-size", "5"]) == 0
    assert "(5, 64, 64, 4)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (Stopped("Stopped at step 3.", 75), 75, "Stopped at step 3."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device"), 2, "no space left on the disk"),
        (PermissionError(13, "Permission denied", "/x"), 2, "/x cannot be written or read"),
    ],
    ids=["stopped", "interrupted", "full", "forbidden"],
)
def test_every_end_has_its_code_and_one_line(capsys, monkeypatch, error, code, message):
    def fail(argv):
        raise error

    monkeypatch.setattr(inference, "report", fail)
    assert main(["report"]) == code
    assert message in complaint(capsys)


def test_a_mistake_of_the_program_shows_its_traceback_and_asks_for_a_report(monkeypatch, capsys):
    def fail(argv):
        int("x")

    monkeypatch.setattr(inference, "report", fail)
    assert main(["report"]) == 70
    message = capsys.readouterr().err
    assert "Traceback" in message
    assert 'int("x")' in message
    assert "please report it" in message.splitlines()[-1]


def test_a_traceback_is_shown_on_request(monkeypatch):
    monkeypatch.setenv("P2P_JAX_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no experiment"):
        main(["train", "nothing"])


def test_help_answers_at_once():
    """In a separate process, because of the imports: no JAX, no matplotlib, no orbax."""
    code = (
        "import sys; from p2p_jax.cli import main; main(['--help']); "
        "print([name for name in ('jax', 'orbax', 'matplotlib', 'grain', 'flax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("said", "told"), [("Event loop is closed", False), ("something else", True)])
def test_late_errors_of_a_library_after_a_failed_save_are_hidden(capfd, monkeypatch, said, told):
    class Late:
        def __del__(self):
            raise RuntimeError(said)

    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # so that they are restored
    assert run_command(lambda argv: 0, []) == 0
    Late()
    sys.excepthook(RuntimeError, RuntimeError(said), None)
    assert capfd.readouterr().err.count(said) == 2 * told

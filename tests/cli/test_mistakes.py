"""What an error says, and the exit code: a user's mistake, a mistake in a user's file, a bug."""

import errno
import os
import signal
import textwrap

import pytest
from helpers.runs import DRAWN, NO_REPORT, folder_of_pairs, rows_of, steps_of, train

from p2p_jax.cli import main, run_command
from p2p_jax.cli.mistakes import explain_error
from p2p_jax.data import pairs
from p2p_jax.training import loop, trainer

HEAD = """
from p2p_jax import UserError, pix2pix
from p2p_jax.config import Config, Data, Discriminator

DATA = Data(source="procedural", count=8, load_size=18)
CONFIG = Config(image_size=16, epochs=None, steps=1, data=DATA, discriminator=Discriminator(num_layers=1, width=2))
"""


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)


def run_file(folder, body):
    (folder / "mine.py").write_text(HEAD + textwrap.dedent(body))
    return main(["train", str(folder / "mine.py"), "--workdir", str(folder / "run")])


def test_a_user_error_out_of_a_users_file_is_one_sentence_with_its_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    body = """
        def build(config):
            raise UserError("this experiment needs --seed 1: give it.")
    """
    assert run_file(tmp_path, body) == 2
    assert capsys.readouterr().err == "p2p-jax: mine.py, line 9, in build: this experiment needs --seed 1: give it.\n"


def test_a_mistake_in_a_users_file_shows_the_line_of_that_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    body = """
        def build(config):
            return pix2pix.build(config)._replace(reconstruction=missing)
    """
    assert run_file(tmp_path, body) == 2
    message = capsys.readouterr().err
    assert "reconstruction=missing" in message
    assert message.splitlines()[-1].startswith(
        "p2p-jax: mine.py, line 9, in build: the experiment file failed with NameError"
    )
    assert "program.py" not in message


def test_a_loss_that_fails_while_it_is_traced_shows_the_line_of_its_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    body = """
        def loss(fake, target):
            return (fake @ target).nothing


        def build(config):
            return pix2pix.build(config)._replace(reconstruction=loss)
    """
    assert run_file(tmp_path, body) == 2
    assert "mine.py, line 9, in loss: the experiment file failed with" in capsys.readouterr().err


def test_a_file_that_is_no_python_is_named_with_the_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_file(tmp_path, "def build(config:\n    pass\n") == 2
    message = capsys.readouterr().err
    assert "mine.py, line 7: this is not valid Python" in message
    assert "Traceback" not in message


def test_a_mistake_in_a_lower_room_is_no_unreadable_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pairs, "to_stored", lambda *_, **__: int("x"))
    folder = folder_of_pairs(tmp_path / "more")
    options = ("--data.source", "folder", "--data.path", str(folder), "--data.on-error", "skip")
    assert train(tmp_path / "run", *DRAWN, "--steps", "2", *options) == 70
    assert "invalid literal for int()" in capsys.readouterr().err


@pytest.mark.slow
def test_an_unexpected_error_saves_the_state_first(tmp_path, monkeypatch, capsys):
    def failing(state, step):
        int("x")

    real = loop.validate
    monkeypatch.setattr(loop, "validate", lambda run, state: int("x") if int(state.step) == 4 else real(run, state))
    options = (*DRAWN, "--log-every", "1", "--checkpoint-every", "2", "--steps", "6")
    assert train(tmp_path / "run", *options) == 70
    assert "The state after step 4 was saved." in capsys.readouterr().out
    assert steps_of(tmp_path / "run") == [2, 4]
    monkeypatch.setattr(loop, "validate", real)
    assert train(tmp_path / "run", *options) == 0
    assert [row["step"] for row in rows_of(tmp_path / "run")][-1] == 6


def test_ctrl_c_that_a_library_turns_into_another_error_ends_the_command_as_interrupted(capsys):
    def command(_argv):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("an error while initializing the extension") from None
        return 0

    before = signal.getsignal(signal.SIGINT)
    assert run_command(command, []) == 130
    assert capsys.readouterr().err == "p2p-jax: interrupted.\n"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENAMETOOLONG, "give a shorter name"),
        (errno.EACCES, "change its permissions"),
        (errno.EISDIR, "the path is a folder"),
        (errno.ENOTDIR, "a part of the path is a file"),
    ],
)
def test_only_a_lack_of_permissions_is_called_so(number, advice):
    sentence, code = explain_error(OSError(number, os.strerror(number), "out/" + "x" * 300))
    assert code == 2
    assert advice in sentence
    assert ("permissions" in sentence) == (number == errno.EACCES)

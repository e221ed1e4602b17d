"""Parsing command lines: what is typed is found however it is written, and each mistake is answered in one sentence."""

from pathlib import Path

import pytest

from p2p_jax.cli import main
from p2p_jax.cli.data_check import CheckOptions
from p2p_jax.cli.data_tools import EdgesOptions, ResizeOptions
from p2p_jax.cli.foreign_options import ANSWERS
from p2p_jax.cli.option_help import list_options
from p2p_jax.cli.options import EVERYDAY, RunOptions, TranslateOptions, train_options
from p2p_jax.cli.parsing import parse, parse_first
from p2p_jax.config import Config
from p2p_jax.errors import UserError

TRAIN = train_options("pix2pix", Config())


@pytest.mark.parametrize(
    "line",
    [["--workdir", "a/b"], ["--workdir=a/b"], ["--seed", "1", "--workdir", "x", "--workdir", "a/b"]],
)
def test_options_that_decide_about_others_are_found_first(line):
    assert parse_first(RunOptions, line, "p").workdir == Path("a/b")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (["--image-size", "a"], "--image-size was given a: it accepts one whole number, or two (height and width)"),
        (["--image-size"], "--image-size was given no value: it accepts one whole number"),
        (["--batch-size", "many"], "--batch-size was given many: it accepts a whole number"),
        (["--optimizer.learning-rate", "x"], "--optimizer.learning-rate was given x: it accepts a number"),
        (["--generator.norm", "instanc"], "--generator.norm was given instanc: it must be one of batch, instance"),
        (["--image-siz", "3"], "there is no option --image-siz (did you mean --image-size?)"),
        (["pictures"], "the word pictures was not expected"),
        (
            ["--loss.relativistic", "True"],
            "it takes no value: --loss.relativistic turns it on, and --loss.no-relativistic off",
        ),
        (["--augment.flip=no"], "--augment.flip was given no, but it takes no value"),
        (["--dataroot", "x"], "--dataroot is an option of the PyTorch original: give --data.path FOLDER"),
        (["--netG=unet_256"], "--netG is an option of the PyTorch original: give --generator.architecture"),
        (["--continue_train"], "the same command resumes"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(line, answer):
    with pytest.raises(UserError) as caught:
        parse(TRAIN, line, "p2p-jax train pix2pix")
    assert answer in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "[bold]" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "option"),
    [
        (["--workdir", ""], "--workdir"),
        (["--workdir="], "--workdir"),
        (["--workdir= "], "--workdir"),
        (["--steps", "3", "--data.path", " "], "--data.path"),
        (["--init-from", "", "--steps", "3"], "--init-from"),
        (["--data.input.palette", "#000000", ""], "an argument"),
        ([""], "an argument"),
    ],
)
@pytest.mark.parametrize("parsing", [lambda line: parse(TRAIN, line, "p"), lambda line: parse_first(RunOptions, line, "p")])
def test_an_empty_word_is_refused(line, option, parsing):
    with pytest.raises(UserError, match=f"^{option} was given an empty word"):
        parsing(line)


EMPTY = [
    ("train pix2pix --workdir", "--workdir"),
    ("import-torch a.pth --workdir", "--workdir"),
    ("export-torch run --output", "--output"),
    ("export-torch run -o", "-o"),
    ("translate run a.png --output", "--output"),
    ("translate run a.png -o", "-o"),
    ("report", "an argument"),
    ("evaluate run --partial", "--partial"),
    ("data check pairs --output", "--output"),
    ("data edges photos --output", "--output"),
    ("data prepare facades --data-dir", "--data-dir"),
    ("bench --output", "--output"),
]


@pytest.mark.parametrize(("line", "option"), EMPTY, ids=[line for line, _ in EMPTY])
def test_no_command_takes_an_empty_path_for_the_current_folder(tmp_path, monkeypatch, capsys, line, option):
    monkeypatch.chdir(tmp_path)
    assert main([*line.split(), ""]) == 2
    assert f"p2p-jax: {option} was given an empty word" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match=r"the command lacks .*--output PATH; see p2p-jax translate --help"):
        parse(TranslateOptions, ["run", "a.png"], "p2p-jax translate")


@pytest.mark.parametrize(
    "word", ["--niter", "--lr", "--gpu_ids", "--direction", "--load_size", "--crop_size", "--epoch_count"]
)
def test_options_of_the_pytorch_original_are_known(word):
    assert word in ANSWERS


def test_answers_name_options_that_exist():
    known = {name for option in list_options(TRAIN) for name in (option.name, *option.other_names)}
    known |= {option.name for option in list_options(TranslateOptions)} | {"--split"}
    for answer in ANSWERS.values():
        named = {word.strip("();,.") for word in answer.split() if word.strip("(").startswith("--")}
        assert named <= known, answer


def test_every_option_has_a_description_that_ends_as_a_sentence():
    for option in list_options(TRAIN):
        assert option.description, option.name
        assert option.description.endswith("."), option.name


def test_the_help_shows_the_everyday_options_and_the_whole_help_all(capsys):
    from p2p_jax.cli import main

    assert main(["train", "pix2pix", "--help"]) == 0
    short = capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["train", "pix2pix", "--help-all"])
    assert ended.value.code == 0
    whole = capsys.readouterr().out
    for option in list_options(TRAIN):
        assert f"  {option.name}" in whole
        assert (f"  {option.name}" in short) == (option.name in EVERYDAY)


@pytest.mark.parametrize(
    ("cls", "argv", "said"),
    [
        (TranslateOptions, ["runs", "a.png", "-o", "out", "--seed", "9" * 30], "--seed was given 9"),
        (TranslateOptions, ["runs", "a.png", "-o", "out", "--batch-size", "9" * 12], "--batch-size was given 9"),
        (EdgesOptions, ["photos", "-o", "out", "--sigma", "nan"], "--sigma was given nan: it must be a finite number."),
        (EdgesOptions, ["photos", "-o", "out", "--high", "inf"], "--high was given inf: it must be a finite number."),
        (ResizeOptions, ["photos", "-o", "out", "--size", "256", "1" + "0" * 20], "--size was given 1"),
        (CheckOptions, ["pairs", "--limit", "1" + "0" * 30], "--limit was given 1"),
    ],
)
def test_numbers_that_no_option_can_have_are_refused_in_every_command(cls, argv, said):
    with pytest.raises(UserError, match=f"^{said}"):
        parse(cls, argv, "p2p-jax")

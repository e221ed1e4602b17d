"""Wrong input: exit code 2, one line that names what is wrong, no traceback, and nothing left behind."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import DRAWN, TINY, finished_run, folder_of_pairs, steps_of, train
from PIL import Image

from p2p_jax.cli import program
from p2p_jax.workdir import checkpoint


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return folder_of_pairs(tmp_path / "pairs")


@pytest.fixture
def refused(tmp_path, capfd):
    """Trains on a folder, and returns the one line that was printed; no workdir may exist afterwards."""

    def check(folder: Path, *options: str) -> str:
        run = tmp_path / "run"
        code = train(run, *TINY, "--data.source", "folder", "--data.path", str(folder), "--steps", "2", *options)
        message = capfd.readouterr().err
        assert code == 2
        assert message.startswith("p2p-jax: ")
        assert message.count("\n") == 1
        assert "Traceback" not in message
        assert not run.exists()
        return message

    return check


def cut_off(path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_a_missing_folder(refused, tmp_path):
    assert f"{tmp_path / 'nothing'} does not exist" in refused(tmp_path / "nothing")


def test_no_folder_given(tmp_path, capsys):
    assert train(tmp_path / "run", *TINY, "--data.source", "folder") == 2
    assert "give --data.path FOLDER" in capsys.readouterr().err


def test_an_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'} holds no pairs" in refused(tmp_path / "empty")


def test_a_file_as_folder(refused, pairs):
    assert f"{pairs / '0.png'} is a file" in refused(pairs / "0.png")


def test_halves_that_differ_in_size(refused, tmp_path):
    for name, size in (("A/1.png", (16, 16)), ("B/1.png", (16, 20))):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        Image.new("RGB", size).save(tmp_path / "in" / name)
    message = refused(tmp_path / "in")
    assert str(tmp_path / "in/A/1.png") in message
    assert str(tmp_path / "in/B/1.png") in message
    assert "16 x 20" in message


def test_an_odd_width(refused, pairs):
    Image.new("RGB", (33, 16)).save(pairs / "7.png")
    assert str(pairs / "7.png") in refused(pairs)


def test_a_half_that_is_missing(refused, tmp_path):
    for name in ("A/1.png", "B/1.png", "B/2.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "in" / name)
    assert str(tmp_path / "in/B/2.png") in refused(tmp_path / "in")


def test_a_cut_off_jpeg_among_good_ones(refused, pairs):
    message = refused(pairs) if cut_off(pairs / "3b.jpg") else ""
    assert str(pairs / "3b.jpg") in message
    assert "--data.on-error skip" in message


@pytest.mark.slow
def test_a_cut_off_jpeg_is_skipped_on_request(pairs, tmp_path, capsys):
    path = cut_off(pairs / "3b.jpg")
    options = (*TINY, "--data.source", "folder", "--data.path", str(pairs), "--steps", "2")
    assert train(tmp_path / "run", *options, "--data.on-error", "skip") == 0
    output = capsys.readouterr()
    assert "1 pair could not be read and was replaced" in output.out
    assert path.name in output.out
    assert steps_of(tmp_path / "run") == [2]


def test_a_text_under_the_name_of_a_picture(refused, pairs):
    (pairs / "7.png").write_text("not a picture")
    assert f"{pairs / '7.png'} is not a picture" in refused(pairs)


def test_a_picture_of_one_pixel(refused, pairs):
    Image.new("RGB", (1, 1)).save(pairs / "7.png")
    assert f"{pairs / '7.png'} has 1 x 1 pixels" in refused(pairs)


def test_a_transparent_picture(refused, pairs):
    Image.new("RGBA", (64, 32), (1, 2, 3, 128)).save(pairs / "7.png")
    message = refused(pairs)
    assert f"{pairs / '7.png'} has 4 channels" in message
    assert "--data.transparency drop" in message


@pytest.mark.slow
def test_a_bad_picture_is_found_before_the_first_step_where_nothing_is_cached_too(pairs, tmp_path, capsys):
    (pairs / "5.png").write_text("not a picture")
    options = (*TINY, "--data.source", "folder", "--data.path", str(pairs), "--data.cache-mib", "0", "--steps", "7")
    assert train(tmp_path / "run", *options) == 2
    message = capsys.readouterr().err
    assert str(pairs / "5.png") in message
    assert message.count("\n") == 1


def test_channels_that_are_no_number(refused, pairs):
    assert "--data.input.channels was given x: it accepts whole numbers" in refused(pairs, "--data.input.channels", "x")


def test_an_unknown_option(refused, pairs):
    assert "did you mean --generator.dropout?" in refused(pairs, "--generator.dropuot", "0")


def test_a_batch_larger_than_the_number_of_pictures(refused, pairs):
    assert "batch size 7 is larger than the 6 training pairs" in refused(pairs, "--batch-size", "7")


def test_the_workdir_of_another_experiment(tmp_path, capfd):
    run = shutil.copytree(finished_run(), tmp_path / "run")
    capfd.readouterr()
    assert train(run, *DRAWN, name="facades") == 2
    message = capfd.readouterr().err
    assert message.startswith(f"p2p-jax: {run} holds a run of the experiment quickstart")
    assert message.count("\n") == 1
    assert steps_of(run) == [3, 6, 8]


@pytest.mark.slow
def test_no_space_left(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save", full)
    assert train(tmp_path / "run", *DRAWN, "--steps", "3", "--checkpoint-every", "3") == 2
    message = capsys.readouterr().err
    assert message.startswith("p2p-jax: there is no space left on the disk")
    assert message.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_workdir_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert train(tmp_path / "locked" / "run", *DRAWN, "--steps", "2") == 2
    assert "cannot be written or read" in capsys.readouterr().err


def test_a_workdir_below_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert train(tmp_path / "file" / "run", *DRAWN, "--steps", "2") == 2
    message = capsys.readouterr().err
    assert str(tmp_path / "file") in message
    assert message.count("\n") == 1


def test_pictures_for_an_experiment_that_draws_its_own(tmp_path, capsys):
    assert train(tmp_path / "run", "--data.path", str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "add --data.source folder" in error
    assert not (tmp_path / "run").exists()


def test_other_channels_than_the_drawn_ones(tmp_path, capsys):
    assert train(tmp_path / "run", *DRAWN, "--data.input.channels", "1") == 2
    assert "do not change the options of a side" in capsys.readouterr().err


def test_nothing_to_translate(tmp_path, capsys):
    assert program.main(["translate", str(finished_run()), "--output", str(tmp_path)]) == 2
    assert "no pictures were named" in capsys.readouterr().err

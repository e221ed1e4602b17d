"""The command `p2p-jax data check`: its text, JSON, contact sheet, exit codes and mistakes."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.checked_sets import copy_pair, draw_pairs, write_good_set
from PIL import Image

from p2p_jax.cli import data_check
from p2p_jax.cli.data_check import check
from p2p_jax.data.doctor.examine import check_data
from p2p_jax.data.doctor.train_line import train_line


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return write_good_set(tmp_path_factory.mktemp("original"), draw_pairs())


@pytest.fixture
def good(original, tmp_path) -> Path:
    """A folder with trainA, trainB, testA and testB, in which nothing is wrong."""
    return shutil.copytree(original, tmp_path / "pairs")


def run(folder: Path, tmp_path: Path, *argv: str) -> int:
    return check([str(folder), "--output", str(tmp_path / "out" / "sheet.png"), *argv])


def test_the_last_line_is_the_command_that_trains_and_a_sheet_is_drawn(good, tmp_path, capsys):
    assert run(good, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == train_line(good, check_data(good))
    assert "train: 24 pairs" in lines
    assert any("24 pictures of 64 x 64, RGB, 8 bits, values" in line for line in lines)
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 300
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["sheet.png"]


def test_only_problems_are_failures(good, tmp_path, capsys):
    copy_pair(good, "test/26.png", "train/90.png")
    assert run(good, tmp_path) == 0
    assert "train: 90 = test: 26" in capsys.readouterr().out
    for i in range(3):
        (good / "trainA" / f"{i}.png").write_bytes(b"")
    assert run(good, tmp_path, "--limit", "2", "--overwrite") == 1
    out = capsys.readouterr().out
    assert ("A/1.png" in out, "A/2.png" in out, "and 1 more" in out) == (True, False, True)


def test_json_holds_everything(good, tmp_path, capsys):
    for i in range(3):
        (good / "trainA" / f"{i}.png").write_bytes(b"")
    assert run(good, tmp_path, "--json", "--limit", "1") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert len(found["problems"][0]["items"]) == 3
    assert found["train"] == train_line(good, check_data(good))
    assert found["splits"]["train"]["parts"]["A"]["count"] == 21
    assert found["sides"]["target"]["channels"] == [3]
    assert Path(found["sheet"]).is_file()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nowhere"], "does not exist"),
        (["{good}", "--pictures", "-1"], "--pictures was given -1"),
        (["{good}", "--threads", "0"], "--threads was given 0"),
        (["{good}", "--output", "{good}/sheet.png"], "which lies in"),
        (["{good}", "--output", "{good}/../pairs/trainA/sheet.png", "--overwrite"], "which lies in"),
        (["{good}", "--output", ""], "--output was given an empty word"),
        (["{good}", "--pictrues", "1"], "did you mean --pictures"),
    ],
)
def test_wrong_usage_is_answered_in_one_sentence(good, argv, words):
    with pytest.raises(ValueError, match=words):
        check([word.format(good=good) for word in argv])


@pytest.mark.parametrize("inside", [True, False])
def test_by_default_the_sheet_is_in_the_current_folder_but_never_among_the_pairs(good, tmp_path, monkeypatch, inside):
    here = good if inside else tmp_path / "elsewhere"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    assert check([str(good), "--threads", "1"]) == 0
    place = good.parent if inside else here
    assert (place / "data_check.png").is_file()
    assert not (good / "data_check.png").exists()
    (place / "data_check.png").write_text("mine")
    assert check([str(good), "--threads", "1"]) == 0
    assert (place / "data_check_2.png").is_file()
    assert (place / "data_check.png").read_text() == "mine"


@pytest.mark.parametrize("how", ["file", "broken link", "folder"])
def test_an_existing_file_is_replaced_only_with_overwrite(good, tmp_path, monkeypatch, how):
    sheet = tmp_path / "out" / "sheet.png"
    sheet.parent.mkdir()
    if how == "file":
        sheet.write_text("mine")
    elif how == "folder":
        sheet.mkdir()
    else:
        sheet.symlink_to(tmp_path / "elsewhere")
    with monkeypatch.context() as patch:
        patch.setattr(data_check, "check_data", None)  # it is told before the first picture is read
        with pytest.raises(ValueError, match=r"exists already|is a folder"):
            run(good, tmp_path)
    if how == "folder":
        with pytest.raises(ValueError, match="is a folder"):
            run(good, tmp_path, "--overwrite")
        return
    assert run(good, tmp_path, "--overwrite") == 0
    assert Image.open(sheet).format == "PNG"
    assert not (tmp_path / "elsewhere").exists()


def test_a_picture_that_a_list_names_is_never_replaced(good, tmp_path):
    first = good / "trainA" / "1.png"
    rows = [f"{good}/trainA/{name}.png,{good}/trainB/{name}.png" for name in (1, 2)]
    (tmp_path / "list.csv").write_text("\n".join(["A,B", *rows]) + "\n")
    before = first.read_bytes()
    with pytest.raises(ValueError, match="one of the files read"):
        check([str(tmp_path / "list.csv"), "--output", str(first), "--overwrite"])
    assert first.read_bytes() == before


@pytest.mark.parametrize("json_too", [False, True])
def test_a_sheet_that_cannot_be_drawn_hides_no_finding(good, tmp_path, capsys, monkeypatch, json_too):
    def fail(*_: Any) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    (good / "trainA" / "1.png").write_bytes(b"")
    monkeypatch.setattr(data_check, "draw_sheet", fail)
    with pytest.raises(OSError, match="No space left"):
        check([str(good), "-o", str(tmp_path / "sheet.png"), *(["--json"] if json_too else [])])
    out = capsys.readouterr().out
    assert str(good / "trainA" / "1.png") in out
    if json_too:
        assert json.loads(out)["sheet"] is None
    else:
        assert out.splitlines()[-1] == train_line(good, check_data(good))

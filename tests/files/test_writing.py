"""Files are written completely or not at all, and never through a link."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.full_disk import fail_to_write

from p2p_jax.errors import UserError
from p2p_jax.files.writing import atomic_file, find_unfinished, make_own_folder, open_no_link, write_text

APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, RuntimeError])
def test_a_failed_write_keeps_the_old_file(tmp_path, error):
    (tmp_path / "1.txt").write_text("old")
    with suppress(error), atomic_file(tmp_path / "1.txt") as file:
        file.write(b"new")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["1.txt"]
    assert (tmp_path / "1.txt").read_text() == "old"


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "1.txt", "old")
    monkeypatch.setattr(os, "fsync", fail_to_write)
    with pytest.raises(OSError, match="space"):
        write_text(tmp_path / "1.txt", "new")
    assert (tmp_path / "1.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_names_of_unfinished_files_cannot_be_foreseen_and_are_found_later(tmp_path):
    names = []
    for _ in range(3):
        with atomic_file(tmp_path / ("n" * 255)) as file:
            names.append(Path(file.name).name)
            assert find_unfinished(tmp_path) == [Path(file.name)]
    assert len(set(names)) == 3
    assert find_unfinished(tmp_path) == []


@pytest.mark.parametrize("planted", ["old.txt", "../victim", "nothing"])
def test_a_link_is_replaced_and_its_target_is_kept(tmp_path, planted):
    (tmp_path / "own").mkdir()
    for path in (tmp_path / "victim", tmp_path / "own" / "old.txt"):
        path.write_text("precious")
    (tmp_path / "own" / "1.txt").symlink_to(planted)
    write_text(tmp_path / "own" / "1.txt", "new é \udce9")
    assert (tmp_path / "own" / "1.txt").read_text(encoding="utf-8") == "new é \\udce9"
    assert not (tmp_path / "own" / "1.txt").is_symlink()
    assert (tmp_path / "victim").read_text() == (tmp_path / "own" / "old.txt").read_text() == "precious"


def test_files_have_the_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "1.txt", "")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "1.txt").stat().st_mode) == 0o640


def plant(path: Path, kind: str, victim: Path) -> None:
    victim.write_text("precious")
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling":
        path.symlink_to(victim.with_name("new"))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "device", "folder"])
@pytest.mark.parametrize("flags", [APPEND, os.O_RDWR | os.O_CREAT])
def test_only_ordinary_files_are_opened(tmp_path, kind, flags):
    plant(tmp_path / "lock", kind, tmp_path / "victim")
    with pytest.raises((UserError, IsADirectoryError)) as caught:
        open_no_link(tmp_path / "lock", flags)
    assert str(tmp_path / "lock") in str(caught.value)
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "new").exists()


def test_ordinary_files_are_opened(tmp_path):
    for text in ("a", "b"):
        with open(open_no_link(tmp_path / "1.txt", APPEND), "a") as file:
            file.write(text)
    assert (tmp_path / "1.txt").read_text() == "ab"


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for target in ("elsewhere", "nothing"):
        (tmp_path / "report").symlink_to(tmp_path / target)
        with pytest.raises(UserError, match="report is a link"):
            make_own_folder(tmp_path / "report")
        (tmp_path / "report").unlink()
    make_own_folder(tmp_path / "report")
    make_own_folder(tmp_path / "report")
    assert (tmp_path / "report").is_dir()

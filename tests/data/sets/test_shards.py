"""Writing a set completely or not at all: interrupted, killed, locked, and with a full disk."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.small_archives import pictures, write_archive

from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets.builders import prepare_archive


@pytest.fixture
def facades(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "facades.tar.gz", "facades", pictures("facades"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


@pytest.mark.parametrize("stop", [("read", 0), ("write", 1), ("write", 13), ("write", 19)])
def test_an_interrupted_preparation_can_be_repeated(facades: Path, root: Path, stop: tuple[str, int]) -> None:
    def interrupt(stage: str, done: int, _total: int | None) -> None:
        if stage == stop[0] and done >= stop[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_archive("facades", facades, data_dir=root, on_progress=interrupt)
    assert not root.exists()
    assert prepare_archive("facades", facades, data_dir=root).new


KILLED = """
import sys, os, signal
from pathlib import Path
from p2p_jax.data.sets.builders import prepare_archive
def kill(what, done, total):
    if what == "write" and done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
prepare_archive("facades", Path(sys.argv[1]), data_dir=Path(sys.argv[2]), on_progress=kill)
"""


def test_a_preparation_that_was_killed_while_writing_can_be_repeated(facades: Path, root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(facades), str(root), "13"])
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match="is not prepared"):
        open_prepared("pix2pix/facades", root)
    assert list(root.rglob("incomplete*"))
    assert prepare_archive("facades", facades, data_dir=root).new
    assert [path.name for path in (root / "pix2pix" / "facades").iterdir()] == ["1.0.0"]
    assert len(open_prepared("pix2pix/facades", root).splits["train"]) == 12


def test_a_preparation_that_was_killed_while_replacing_keeps_the_old_set(facades: Path, root: Path) -> None:
    folder = prepare_archive("facades", facades, data_dir=root).path.parent
    (folder / "1.0.0").rename(folder / "incomplete.old_1.0.0")
    (folder / "incomplete.new_1.0.0").mkdir()
    assert not prepare_archive("facades", facades, data_dir=root).new
    assert [path.name for path in folder.iterdir()] == ["1.0.0"]


def test_two_preparations_of_one_set_are_refused(facades: Path, root: Path) -> None:
    folder = root / "pix2pix" / "facades"
    folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(ValueError, match="another process is preparing"):
        prepare_archive("facades", facades, data_dir=root)
    os.close(handle)
    assert prepare_archive("facades", facades, data_dir=root).new


FULL = """
import resource, signal, sys
from pathlib import Path
from p2p_jax.data.sets.own_pictures import prepare_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
folder = Path(sys.argv[1])
try:
    prepare_folder(folder, "mine", {"train": [("1", {"pair": folder / "1.png"})]}, data_dir=Path(sys.argv[2]))
except OSError as error:
    print(type(error).__name__, error.strerror)
"""


def test_failed_writes_are_os_errors(tmp_path: Path, root: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "1.png").write_bytes(np.random.default_rng(0).bytes(1_000_000))
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "own"), str(root)], capture_output=True, text=True)
    assert done.stdout.strip() == "OSError File too large", done.stderr
    assert not root.exists()


@pytest.mark.parametrize("name", ["thesis.tex", "mine/1.png", "pix2pix.txt", "link"])
def test_a_set_is_not_replaced_where_other_files_would_be_removed(facades: Path, root: Path, name: str) -> None:
    folder = prepare_archive("facades", facades, data_dir=root).path
    if name == "link":
        folder.rename(root / "elsewhere")
        folder.symlink_to(root / "elsewhere")
    else:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="is a link" if name == "link" else "is no part of a prepared set"):
        prepare_archive("facades", facades, data_dir=root, overwrite=True)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_files_of_others_in_place_of_a_set_are_not_removed(facades: Path, root: Path) -> None:
    place = root / "pix2pix" / "facades" / "1.0.0"
    place.mkdir(parents=True)
    (place / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"thesis\.tex is no part of a prepared set"):
        prepare_archive("facades", facades, data_dir=root)
    assert (place / "thesis.tex").read_text() == "mine"

"""Translating replaces no file unasked, writes nothing among the inputs, and a stopped command can be resumed."""

from pathlib import Path

import numpy as np
import pytest
from helpers.runs import finished_run
from PIL import Image

import p2p_jax
from p2p_jax.cli import main
from p2p_jax.config import Side
from p2p_jax.inference import translate_run
from p2p_jax.inference.translate_files import choose_suffix


@pytest.fixture(scope="module")
def translator():
    return p2p_jax.load(finished_run())


@pytest.fixture
def pics(tmp_path, monkeypatch) -> Path:
    """The folder pics in the current folder, with a.jpg, sub/b.png and a.png, the user's own."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a.jpg", "sub/b.png", "c.png")):
        save(Path("pics") / name, seed)
    return Path("pics")


def save(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    return path


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def translate(*arguments) -> int:
    return main(["translate", str(finished_run()), *map(str, arguments)])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pics/a.jpg -o mine", "mine/a.png exists already"),
        ("pics/a.jpg pics/c.png -o mine", "mine/a.png exists already, and 1 of 2 files do"),
        ("pics -o pics", "lies in the input pics"),
        ("pics -o pics/translated", "lies in the input pics"),
        ("pics -o pics/translated --overwrite", "lies in the input pics"),
        ("pics -o pics/translated --skip-existing", "lies in the input pics"),
        ("pics/a.jpg pics/sub -o ./pics/sub/new", "lies in the input pics/sub"),
        ("pics/c.png -o pics", "pics/c.png is one of the files read"),
        ("pics/c.png -o pics --overwrite", "pics/c.png is one of the files read"),
        ("pics/c.png -o pics --skip-existing", "pics/c.png is one of the files read"),
        ("pics/a.jpg mine/a.png -o mine", "would both be written"),
        ("pics/a.jpg mine/other.png -o mine --overwrite", ""),
        ("pics -o mine --skip-existing --overwrite", "both --skip-existing and --overwrite"),
        ("pics -o mine/a.png", "is a file, where results need a folder"),
        ("pics --output", "--output was given an empty word"),
    ],
)
def test_nothing_is_replaced_unasked_and_that_is_told_before_the_first_picture(pics, capsys, monkeypatch, line, words):
    save(Path("mine/a.png"), 7)
    save(Path("mine/other.png"), 8)
    before = contents()
    if words:
        monkeypatch.setattr(translate_run, "translate_files", None)
        arguments = line.split()
        assert translate(*arguments, *([""] if arguments[-1] == "--output" else [])) == 2
        message = capsys.readouterr().err
        assert words in message
        assert message.count("\n") == 1
        assert contents() == before
    else:
        assert translate(*line.split()) == 2, "other.png would be replaced by its own result"
        assert contents() == before


@pytest.mark.slow
def test_results_are_replaced_with_overwrite_only(pics):
    assert translate(pics, "-o", "out") == 0
    first = contents()
    Path("out/sub/b.png").write_text("mine")
    assert translate(pics, "-o", "out") == 2
    assert Path("out/sub/b.png").read_text() == "mine"
    assert translate(pics, "-o", "out", "--overwrite") == 0
    assert contents() == first


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", ["1", "2"])
def test_a_stopped_command_is_resumed_with_skip_existing(pics, capsys, monkeypatch, batch_size):
    assert translate(pics, "-o", "whole", "--batch-size", batch_size) == 0
    real = translate_run.translate_files

    def stopping(*args, **options):
        made = real(*args, **options)
        yield next(made)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(translate_run, "translate_files", stopping)
        assert translate(pics, "-o", "out", "--batch-size", batch_size) == 130
    capsys.readouterr()
    assert translate(pics, "-o", "out", "--batch-size", batch_size) == 2
    assert "--skip-existing to keep it" in capsys.readouterr().err
    kept = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    assert translate(pics, "-o", "out", "--skip-existing", "--batch-size", batch_size) == 0
    assert f"{len(kept)} of 3 pictures are translated already" in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    made = {path.relative_to("out"): path.read_bytes() for path in Path("out").rglob("*.png")}
    assert made == {path.relative_to("whole"): path.read_bytes() for path in Path("whole").rglob("*.png")}


def test_each_process_checks_its_own_share(pics, translator):
    for index in (0, 1):
        made = p2p_jax.translate(translator, pics, "out", share=(index, 2))
        assert len(made.written) == 2 - index
    with pytest.raises(p2p_jax.UserError, match="exists already, and 2 of 2"):
        p2p_jax.translate(translator, pics, "out", share=(0, 2))


@pytest.mark.parametrize(
    ("side", "suffix"),
    [
        (Side(), ".png"),
        (Side(channels=(1,)), ".png"),
        (Side(depth="16"), ".png"),
        (Side(channels=(3, 3)), ".tiff"),
        (Side(depth="float"), ".tiff"),
        (Side(kind="labels", classes=30), ".png"),
        (Side(kind="labels", palette=("#000000", "#ffffff")), ".png"),
    ],
)
def test_the_format_is_known_before_anything_is_translated(side, suffix):
    assert choose_suffix(side) == suffix

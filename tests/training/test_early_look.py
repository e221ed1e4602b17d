"""Unreadable pictures of validation and test: told early, and never at the cost of what was trained."""

from contextlib import contextmanager

import pytest
from helpers.cases import tiers
from helpers.runs import TINY, folder_of_pairs, leaves_of, rows_of, skip_report, steps_of, train

from p2p_jax.training import loop, trainer
from p2p_jax.training.early_look import EarlyLook

DAMAGES = {
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "removed": lambda path: path.unlink(),
    "too narrow": lambda path: path.write_bytes(path.with_name("0.png").read_bytes()[:60]),
}


@pytest.fixture
def pairs(tmp_path):
    """Pairs of all splits; the last one of a split is not in the sample grids."""
    for split in ("train", "val", "test"):
        folder_of_pairs(tmp_path / "pairs" / split, 8)
    return tmp_path / "pairs"


@pytest.fixture
def no_look(monkeypatch):
    """As if the pictures became unreadable after they were looked at."""

    @contextmanager
    def look_early(dataset, config):
        yield EarlyLook()

    monkeypatch.setattr(trainer, "look_early", look_early)


def start(tmp_path, *options):
    where = ("--data.source", "folder", "--data.path", str(tmp_path / "pairs"), "--checkpoint-every", "3")
    return train(tmp_path / "run", *TINY, *where, "--log-every", "1", *options)


@pytest.mark.slow
@pytest.mark.parametrize(("split", "damage"), [("val", "zeros"), ("test", "cut off")])
def test_a_picture_that_is_needed_late_ends_the_run_early(tmp_path, pairs, monkeypatch, capsys, split, damage):
    skip_report(monkeypatch)
    victim = pairs / split / "7.png"
    DAMAGES[damage](victim)
    assert start(tmp_path, "--steps", "5000", "--val-pictures", "2") == 2
    message = capsys.readouterr().err
    assert str(victim) in message
    assert message.count("\n") == 1
    rows = rows_of(tmp_path / "run")
    assert len(rows) < 2000
    assert steps_of(tmp_path / "run")[-1:] == [row["step"] for row in rows][-1:], "what was trained is saved"


@pytest.mark.slow
@pytest.mark.usefixtures("no_look")
@pytest.mark.parametrize("damage", tiers(DAMAGES))
def test_an_unreadable_picture_of_validation_ends_the_run_once_it_is_saved(tmp_path, pairs, monkeypatch, capsys, damage):
    skip_report(monkeypatch)
    victim = pairs / "val" / "7.png"
    good = victim.read_bytes()
    saved = []
    real = loop.validate
    monkeypatch.setattr(loop, "validate", lambda *args: saved.append(DAMAGES[damage](victim)) or real(*args))
    assert start(tmp_path, "--steps", "6") == 2
    said = capsys.readouterr()
    assert str(victim) in said.err
    assert "The state after step 3 was saved." in said.out
    assert steps_of(tmp_path / "run") == [3]
    assert [row["step"] for row in rows_of(tmp_path / "run")] == [1, 2, 3]
    monkeypatch.setattr(loop, "validate", real)
    victim.write_bytes(good)
    assert start(tmp_path, "--steps", "6") == 0
    assert "val_ssim" in rows_of(tmp_path / "run")[-1]
    (tmp_path / "run").rename(tmp_path / "resumed")
    assert start(tmp_path, "--steps", "6") == 0
    assert leaves_of(tmp_path / "resumed") == leaves_of(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("no_look")
@pytest.mark.parametrize("damage", tiers(DAMAGES))
def test_an_unreadable_picture_of_the_test_split_costs_only_the_report(tmp_path, pairs, capsys, damage):
    victim = pairs / "test" / "7.png"
    DAMAGES[damage](victim)
    if damage == "removed":
        victim.mkdir()
    assert start(tmp_path, "--steps", "2") == 0
    said = capsys.readouterr()
    if damage != "removed":  # a folder is no picture, so the split has seven pairs
        assert "the run is finished and saved, but its report was not written" in said.err
        assert f"p2p-jax report {tmp_path / 'run'}" in said.err
        assert str(victim) in said.err
    assert "Translate pictures: p2p-jax translate" in said.out
    assert steps_of(tmp_path / "run") == [2]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("error", tiers([OSError(28, "No space left on device"), ValueError("a bug"), MemoryError()]))
def test_a_report_that_fails_does_not_change_the_exit_code(tmp_path, monkeypatch, capsys, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(trainer, "write_report", fail)
    assert train(tmp_path / "run", *TINY, "--data.count", "8", "--steps", "1") == 0
    message = capsys.readouterr().err
    assert "the run is finished and saved, but its report was not written" in message
    assert steps_of(tmp_path / "run") == [1]

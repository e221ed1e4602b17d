"""Pictures that are damaged while a run trains on them."""

import pytest
from helpers.cases import tiers
from helpers.runs import TINY, folder_of_pairs, leaves_of, skip_report, steps_of, stop_after, train


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    skip_report(monkeypatch)


def start(tmp_path, *options, workdir="run"):
    options = (*("--data.source", "folder", "--data.path", str(tmp_path / "pairs"), "--data.cache", "none"), *options)
    return train(tmp_path / workdir, *TINY, "--steps", "30", "--checkpoint-every", "6", *options)


@pytest.fixture
def victim(tmp_path):
    """One of the six pairs of tmp_path / "pairs"."""
    return folder_of_pairs(tmp_path / "pairs") / "3.png"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run on six good pairs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    folder_of_pairs(folder / "pairs")
    with pytest.MonkeyPatch.context() as patch:
        skip_report(patch)
        assert start(folder) == 0
    return folder / "run"


DAMAGES = {
    "overwritten": lambda path: path.write_bytes(b"x" * path.stat().st_size),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", tiers(DAMAGES))
def test_a_picture_damaged_in_a_later_epoch_ends_the_run_which_resumes_after_the_repair(
    tmp_path, victim, undisturbed, monkeypatch, capsys, damage
):
    good = victim.read_bytes()
    with monkeypatch.context() as patch:
        stop_after(patch, 13, lambda: DAMAGES[damage](victim))
        assert start(tmp_path) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(victim) in message
    kept = steps_of(tmp_path / "run")
    assert len(kept) == 2
    assert kept[-1] >= 12
    victim.write_bytes(good)
    assert start(tmp_path) == 0
    assert leaves_of(tmp_path / "run") == leaves_of(undisturbed)


@pytest.mark.exhaustive
def test_a_run_ended_by_a_damaged_picture_can_resume_without_the_picture(tmp_path, victim, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_after(patch, 13, lambda: DAMAGES["overwritten"](victim))
        assert start(tmp_path) == 2
    assert "--data.on-error skip" in capsys.readouterr().err
    assert start(tmp_path, "--data.on-error", "skip") == 0
    assert "1 pair could not be read and was replaced" in capsys.readouterr().out


@pytest.mark.slow
def test_a_skipped_picture_is_reported_at_the_end(tmp_path, victim, monkeypatch, capsys):
    stop_after(monkeypatch, 13, lambda: DAMAGES["overwritten"](victim))
    assert start(tmp_path, "--data.on-error", "skip") == 0
    assert "1 pair could not be read and was replaced" in capsys.readouterr().out
    assert str(victim) in (tmp_path / "run" / "replaced.txt").read_text()

"""Runs of older versions stay readable, and those of newer versions are refused without any change to them."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import leaves_of, rows_of, skip_report, steps_of, train
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.errors import UserError
from p2p_jax.inference.translate import load
from p2p_jax.workdir import checkpoint, record

REFERENCE = Path(__file__).parents[1] / "reference"
OLD = REFERENCE / "run_of_format_1.tar.gz"
OWN = REFERENCE / "run_with_own_experiment.tar.gz"


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_report(monkeypatch)


def extract(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder / "run"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A run of 4 steps with checkpoints 2 and 4, made by helpers/make_old_run.py."""
    return extract(OLD, tmp_path)


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A run like `old`, of an experiment file that somebody else put there."""
    return extract(OWN, tmp_path)


def assert_translates_as_it_did(run: Path, output: Path, *options: str) -> None:
    """Translates input.png, and allows a difference of one grey level from translated.png, which the old version made."""
    assert main(["translate", str(run), str(run / "input.png"), "--output", str(output), *options]) == 0
    made, before = (np.asarray(Image.open(path), np.int32) for path in (output / "input.png", run / "translated.png"))
    assert np.abs(made - before).max() <= 1


def assert_evaluates_as_it_did(run: Path, capsys: pytest.CaptureFixture[str], *options: str) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(run), "--split", "val", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)["figures"]["translator"]
    assert found["ssim"] == pytest.approx(rows_of(run)[-1]["val_ssim"], abs=1e-4)
    assert found["l1"] == pytest.approx(rows_of(run)[-1]["val_l1"], rel=1e-4)


def assert_was_trained_on(run: Path, leaves_of_step_4: dict[str, bytes], output: str) -> None:
    assert "Resuming from step 4 of 6" in output
    assert steps_of(run)[-2:] == [4, 6]
    assert leaves_of(run, 4) == leaves_of_step_4
    assert [row["step"] for row in rows_of(run)] == [2, 4, 6]
    assert all(np.isfinite(list(row.values())).all() for row in rows_of(run))


def test_an_old_run_is_small_and_has_only_the_first_fields(old):
    assert OLD.stat().st_size < 100_000
    assert OWN.stat().st_size < 100_000
    meta = json.loads((old / "checkpoints" / "4" / "meta" / "metadata").read_text())
    assert sorted(meta) == ["checksums", "format", "validation"]
    assert meta["format"] == 1


def test_an_old_run_translates_as_it_did(old, tmp_path):
    assert_translates_as_it_did(old, tmp_path / "out")
    assert load(old, checkpoint_step="best").step == 4


def test_an_old_run_is_evaluated(old, capsys):
    assert_evaluates_as_it_did(old, capsys)


@pytest.mark.slow
def test_an_old_run_is_trained_on(old, capsys):
    before = leaves_of(old, 4)
    assert train(old, "--steps", "6") == 0
    assert_was_trained_on(old, before, capsys.readouterr().out)


def test_the_experiment_file_of_an_old_run_still_fits_its_hash(old_run):
    stored = record.read_record(old_run)
    assert stored["sha256"] == record.hash_file(old_run / "experiment.py")
    assert stored["name"] == "own_experiment"


@pytest.mark.parametrize("command", ["translate", "evaluate", "train"])
def test_the_experiment_file_of_an_old_run_needs_trust(old_run, tmp_path, capsys, command):
    before = everything_in(old_run)
    file = shutil.copy(old_run / "experiment.py", tmp_path / "own_experiment.py")
    if command == "translate":
        code = main(["translate", str(old_run), str(old_run / "input.png"), "--output", str(tmp_path / "out")])
    elif command == "evaluate":
        code = main(["evaluate", str(old_run)])
    else:
        code = train(old_run, "--steps", "6", name=str(file))
    assert code == 2
    message = capsys.readouterr().err
    assert f"{old_run}/experiment.py is code that you did not put there: read it, then give --trust" in message
    assert message.count("\n") == 1
    assert everything_in(old_run) == before


def test_a_trusted_old_experiment_translates_and_is_evaluated_as_it_was(old_run, tmp_path, capsys):
    found = record.load_experiment(old_run, trust=True)
    assert found.config.loss.reconstruction_weight == 50
    assert found.build(found.config).reconstruction.__name__ == "l1_and_edges"
    assert_translates_as_it_did(old_run, tmp_path / "out", "--trust")
    assert_evaluates_as_it_did(old_run, capsys, "--trust")


@pytest.mark.slow
def test_a_trusted_old_experiment_is_trained_on(old_run, tmp_path, capsys):
    file = shutil.copy(old_run / "experiment.py", tmp_path / "own_experiment.py")
    before, old_hash = leaves_of(old_run, 4), record.read_record(old_run)["sha256"]
    assert train(old_run, "--steps", "6", "--trust", name=str(file)) == 0
    assert_was_trained_on(old_run, before, capsys.readouterr().out)
    assert record.read_record(old_run)["sha256"] == record.hash_file(old_run / "experiment.py") == old_hash


def make_newer(run: Path) -> None:
    meta = run / "checkpoints" / "4" / "meta" / "metadata"
    meta.write_text(json.dumps({"format": checkpoint.FORMAT + 1, "other": "things"}))


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_a_newer_format_is_refused_and_nothing_is_changed(old, tmp_path, capsys):
    make_newer(old)
    before = everything_in(old)
    assert train(old, "--steps", "6") == 2
    assert main(["translate", str(old), str(old / "input.png"), "--output", str(tmp_path / "out")]) == 2
    for message in capsys.readouterr().err.splitlines():
        assert "checkpoint 4 in" in message
        assert "has format 2, but this version of p2p-jax reads formats up to 1: use the version that wrote it" in message
        assert "damaged" not in message
    assert everything_in(old) == before


def test_a_newer_checkpoint_does_not_hide_older_ones(old):
    make_newer(old)
    assert checkpoint.restore_params(old, 2)[2] == 2
    for step in (4, "latest", "best"):
        with pytest.raises(UserError, match="has format 2"):
            checkpoint.restore_params(old, step)


def test_a_newer_record_is_refused(old, capsys):
    stored = json.loads((old / "experiment.json").read_text())
    (old / "experiment.json").write_text(json.dumps(stored | {"format": 2}))
    before = everything_in(old)
    assert train(old, "--steps", "6") == 2
    assert "has format 2, but this version reads format 1" in capsys.readouterr().err
    assert everything_in(old) == before

"""Runs of older versions stay readable, and those of newer ones are refused without a change to them."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import leaves_of, rows_of, steps_of, train
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.inference.translate import load
from p2p_jax.training import trainer
from p2p_jax.workdir import checkpoint

OLD = Path(__file__).parents[1] / "reference" / "run_of_format_1.tar.gz"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """The run of 4 steps that `make_old_run` made, with checkpoints 2 and 4."""
    monkeypatch.setattr(trainer, "_write_report", lambda *_: None)
    with tarfile.open(OLD) as file:
        file.extractall(tmp_path, filter="data")
    return tmp_path / "run"


def test_an_old_run_is_small_and_from_before_anything_was_added(old):
    assert OLD.stat().st_size < 100_000
    meta = json.loads((old / "checkpoints" / "4" / "meta" / "metadata").read_text())
    assert sorted(meta) == ["checksums", "format", "validation"]
    assert meta["format"] == 1


def test_an_old_run_translates_as_it_did(old, tmp_path):
    assert main(["translate", str(old), str(old / "input.png"), "--output", str(tmp_path / "out")]) == 0
    made, then = (
        np.asarray(Image.open(path), np.int32) for path in (tmp_path / "out" / "input.png", old / "translated.png")
    )
    assert np.abs(made - then).max() <= 1
    assert load(old, checkpoint_step="best").step == 4


def test_an_old_run_is_evaluated(old, capsys):
    assert main(["evaluate", str(old), "--split", "val", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["figures"]["translator"]
    assert found["ssim"] == pytest.approx(rows_of(old)[-1]["val_ssim"], abs=1e-4)


def test_an_old_run_is_trained_on(old, capsys):
    before = leaves_of(old, 4)
    assert train(old, "--steps", "6") == 0
    assert "Going on from step 4 of 6" in capsys.readouterr().out
    assert steps_of(old) == [4, 6]
    assert leaves_of(old, 4) == before
    assert [row["step"] for row in rows_of(old)] == [2, 4, 6]
    assert all(np.isfinite(list(row.values())).all() for row in rows_of(old))


def make_newer(run):
    meta = run / "checkpoints" / "4" / "meta" / "metadata"
    meta.write_text(json.dumps({"format": checkpoint.FORMAT + 1, "other": "things"}))


def everything_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_a_newer_format_is_refused_and_nothing_is_touched(old, tmp_path, capsys):
    make_newer(old)
    before = everything_in(old)
    assert train(old, "--steps", "6") == 2
    assert main(["translate", str(old), str(old / "input.png"), "--output", str(tmp_path / "out")]) == 2
    for message in capsys.readouterr().err.splitlines():
        assert "checkpoint 4 in" in message
        assert "has format 2, but this version of p2p-jax reads formats up to 1: use the version that wrote it" in message
        assert "damaged" not in message
    assert everything_in(old) == before


def test_a_newer_format_is_no_fault_of_older_checkpoints(old):
    make_newer(old)
    assert checkpoint.restore_params(old, 2)[2] == 2
    for asked in (4, "latest", "best"):
        with pytest.raises(ValueError, match="has format 2"):
            checkpoint.restore_params(old, asked)


def test_a_newer_record_is_refused(old, capsys):
    record = json.loads((old / "experiment.json").read_text())
    (old / "experiment.json").write_text(json.dumps(record | {"format": 2}))
    before = everything_in(old)
    assert train(old, "--steps", "6") == 2
    assert "has format 2, but this version reads 1" in capsys.readouterr().err
    assert everything_in(old) == before

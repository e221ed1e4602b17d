"""A run with all pieces of a step that fit together resumes bit for bit, in bfloat16 with micro-batches on two devices."""

import shutil

import pytest
from helpers.runs import SMALL, leaves_of, skip_report, steps_of, train

OPTIONS = (
    *(*SMALL, "--steps", "3", "--checkpoint-every", "1", "--batch-size", "4", "--accumulate", "2", "--dtype", "bfloat16"),
    *("--loss.relativistic", "--loss.r1", "1", "--loss.r2", "1", "--loss.penalty-every", "2"),
    *("--loss.feature-matching", "10", "--ema-share", "0.5", "--augment.input-noise", "0.1"),
    *("--generator.antialias", "both", "--discriminator.antialias", "--discriminator.norm", "none"),
    *("--discriminator.spectral-norm", "--discriminator.scales", "2", "--discriminator.noise", "0.1"),
    *("--discriminator.augment", "translation", "flip", "--discriminator.augment-target", "0.6"),
)


@pytest.mark.slow
def test_a_run_with_all_pieces_resumes_bit_for_bit(tmp_path, monkeypatch):
    skip_report(monkeypatch)
    assert train(tmp_path / "whole", *OPTIONS) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    for step in (2, 3):
        shutil.rmtree(tmp_path / "resumed" / "checkpoints" / str(step))
    assert steps_of(tmp_path / "resumed") == [1]
    assert train(tmp_path / "resumed", *OPTIONS) == 0
    assert leaves_of(tmp_path / "resumed") == leaves_of(tmp_path / "whole")
